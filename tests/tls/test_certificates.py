"""Which certificate the port shows, and when it is another."""

import os
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from carapax.config import Config, GatewayConfig, TlsConfig
from carapax.errors import ConfigError, StoreError
from carapax.home import Home
from carapax.testing import FakeClock
from carapax.tls.authority import DAY_S
from carapax.tls.certificates import Certificates, describe, mode_of, open_certificates
from carapax.tls.status import TlsStatus
from tests.tls.making import write_own

ON = Config(tls=TlsConfig(mode="on"))
NOW = time.time()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path, None, None, {})


def shown(certificates: Certificates) -> str:
    told = certificates.status().certificate
    assert told is not None
    return told.fingerprint


def own(home: Home) -> Config:
    write_own(home.config_dir / "cert.pem", home.config_dir / "key.pem", "desk.example")
    return Config(tls=TlsConfig(cert="cert.pem", key="key.pem"))


@pytest.mark.parametrize(
    ("host", "tls", "mode"),
    [
        ("127.0.0.1", TlsConfig(), "off"),
        ("0.0.0.0", TlsConfig(), "private"),
        ("0.0.0.0", TlsConfig(mode="off"), "off"),
        ("127.0.0.1", TlsConfig(mode="on"), "private"),
        ("127.0.0.1", TlsConfig(cert="mine.pem"), "own"),
        ("0.0.0.0", TlsConfig(mode="off", cert="mine.pem"), "off"),
    ],
)
def test_the_port_is_encrypted_where_others_can_reach_it(host: str, tls: TlsConfig, mode: str) -> None:
    assert mode_of(Config(gateway=GatewayConfig(host=host), tls=tls)) == mode


def test_a_proxy_that_is_named_is_left_to_encrypt() -> None:
    behind = GatewayConfig(host="0.0.0.0", behind_proxy=("10.0.0.1",))
    assert mode_of(Config(gateway=behind)) == "off"
    assert mode_of(Config(gateway=behind, tls=TlsConfig(mode="on"))) == "private"


def test_a_port_that_is_not_encrypted_makes_no_files(home: Home) -> None:
    certificates = open_certificates(Config(), home, FakeClock())
    assert (certificates.context, certificates.status()) == (None, TlsStatus("off"))
    assert not home.tls.exists()


def test_keys_are_readable_to_this_user_only(home: Home) -> None:
    open_certificates(ON, home, FakeClock(NOW))
    assert stat.S_IMODE(home.tls.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in home.tls.iterdir()} == {0o600}


def test_a_restart_shows_the_same_certificate(home: Home) -> None:
    before = open_certificates(ON, home, FakeClock(NOW)).status()
    assert open_certificates(ON, home, FakeClock(NOW + DAY_S)).status() == before
    assert describe(ON, home, NOW) == before


def test_two_homes_have_nothing_in_common(tmp_path: Path) -> None:
    first, second = (
        open_certificates(ON, Home.resolve(tmp_path / name, None, None, {}), FakeClock(NOW)) for name in ("a", "b")
    )
    assert first.authority_pem != second.authority_pem
    assert first.status().authority != second.status().authority


def test_it_is_renewed_when_two_thirds_of_its_life_are_over(home: Home) -> None:
    clock = FakeClock(NOW)
    certificates = open_certificates(ON, home, clock)
    first, context = certificates.status(), certificates.context
    clock.advance(58 * DAY_S)
    certificates.look()
    assert (certificates.status(), certificates.context) == (first, context)
    clock.advance(2 * DAY_S)
    certificates.look()
    renewed = certificates.status()
    assert certificates.context is not context
    assert renewed.authority == first.authority
    assert renewed.certificate and first.certificate
    assert renewed.certificate.until == pytest.approx(first.certificate.until + 60 * DAY_S, abs=2)


def test_a_clock_that_was_wrong_when_it_was_made_gets_another(home: Home) -> None:
    clock = FakeClock(NOW)
    certificates = open_certificates(ON, home, clock)
    before = shown(certificates)
    clock.advance(-40 * DAY_S)
    certificates.look()
    assert shown(certificates) != before


def test_a_new_name_comes_with_the_next_start(home: Home) -> None:
    before = open_certificates(ON, home, FakeClock(NOW)).status()
    named = Config(tls=TlsConfig(mode="on", names=("nas.lan", "desk.example")))
    after = open_certificates(named, home, FakeClock(NOW)).status()
    assert after.authority == before.authority
    assert after.certificate and "nas.lan" in after.certificate.names
    assert after.left_out == ("desk.example",)
    assert describe(named, home, NOW).left_out == ("desk.example",)


def test_names_that_are_known_when_the_authority_is_made_are_in(home: Home) -> None:
    named = Config(tls=TlsConfig(mode="on", names=("desk.example", "198.51.100.7")))
    certificates = open_certificates(named, home, FakeClock(NOW))
    assert certificates.status().left_out == ()
    assert {"desk.example", "198.51.100.7"} <= certificates.names


def test_commands_know_the_certificate_before_it_is_shown_and_the_one_before_still(home: Home) -> None:
    clock = FakeClock(NOW)
    certificates = open_certificates(ON, home, clock)
    first = home.shown_file.read_text()
    clock.advance(60 * DAY_S)
    certificates.look()
    assert home.shown_file.read_text().endswith(first)
    assert "PRIVATE KEY" not in home.shown_file.read_text()


def test_one_of_your_own_is_read_again_when_it_changes(home: Home) -> None:
    certificates = open_certificates(own(home), home, FakeClock(NOW))
    before, context = shown(certificates), certificates.context
    certificates.look()
    assert certificates.context is context
    write_own(home.config_dir / "cert.pem", home.config_dir / "key.pem", "other.example")
    certificates.look()
    assert shown(certificates) != before
    assert certificates.names == {"other.example"}
    assert certificates.authority_pem == b""


def test_a_bad_one_is_refused_and_the_last_good_one_stays(home: Home) -> None:
    certificates = open_certificates(own(home), home, FakeClock(NOW))
    before = shown(certificates)
    (home.config_dir / "key.pem").write_bytes(b"half a k")
    with pytest.raises(ConfigError, match="holds no private key"):
        certificates.look()
    assert shown(certificates) == before


def test_one_of_your_own_that_cannot_be_used_is_refused_at_start(home: Home) -> None:
    config = own(home)
    (home.config_dir / "cert.pem").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        open_certificates(config, home, FakeClock(NOW))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(home: Home) -> None:
    home.data_dir.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        open_certificates(ON, home, FakeClock(NOW))


def test_a_file_in_the_place_of_the_folder_is_named(home: Home) -> None:
    home.data_dir.mkdir()
    home.tls.write_text("in the way")
    with pytest.raises(StoreError, match="File exists"):
        open_certificates(ON, home, FakeClock(NOW))


def test_nothing_older_than_tls_1_2_is_spoken(home: Home) -> None:
    context = open_certificates(ON, home, FakeClock(NOW)).context
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert all("ECDHE" in cipher["name"] or cipher["name"].startswith("TLS_") for cipher in context.get_ciphers())


_PLAIN = """
import sys
from pathlib import Path
import carapax.app, carapax.cli.serving
from carapax.config import Config
from carapax.home import Home
from carapax.clock import SystemClock
from carapax.tls.certificates import open_certificates
open_certificates(Config(), Home(Path(sys.argv[1]), Path(sys.argv[1])), SystemClock())
sys.exit("cryptography" in sys.modules)
"""


def test_a_plain_gateway_does_not_pay_for_what_makes_certificates(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", _PLAIN, str(tmp_path)], timeout=60, check=False).returncode == 0
