"""What the doctor says of certificates."""

import socket
import time
from pathlib import Path

import msgspec
import pytest

from carapax.config import Config, TlsConfig
from carapax.configfile import first_start, load
from carapax.doctor.finding import Finding
from carapax.doctor.run import Doctor
from carapax.doctor.running import Announced
from carapax.home import Home
from carapax.testing import FakeClock
from carapax.tls.authority import DAY_S
from carapax.tls.certificates import open_certificates
from carapax.vault import open_vault
from tests.running import run
from tests.tls.making import write_own

NOW = time.time()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path / "home", tmp_path / "home" / "data")
    first_start(place)
    return place


def configured(home: Home, text: str) -> Config:
    home.config_file.write_text(text)
    return load(home)


def found(home: Home) -> list[Finding]:
    async def collect() -> list[Finding]:
        return [finding async for finding in Doctor(home, {}, open_vault(home, {})).examine(["tls"])]

    return run(collect())


def told(home: Home) -> list[tuple[str, str]]:
    return [(finding.state, finding.message) for finding in found(home)]


def test_a_port_for_this_machine_only_may_be_plain(home: Home) -> None:
    assert told(home) == [("ok", "plain HTTP, on this machine only")]


def test_a_plain_port_that_others_reach_is_warned_about(home: Home) -> None:
    configured(home, '[gateway]\nhost = "0.0.0.0"\n[tls]\nmode = "off"\n')
    assert told(home) == [("warn", "what comes to 0.0.0.0 crosses the network readable")]


def test_how_the_gateway_was_started_counts_and_not_what_the_file_says(home: Home) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        started = Announced(f"http://127.0.0.1:{server.getsockname()[1]}", 1, "0.0.0.0", TlsConfig("off"))
        home.run_file.parent.mkdir(parents=True, exist_ok=True)
        home.run_file.write_bytes(msgspec.json.encode(started))
        assert told(home) == [("ok", "plain HTTP, on this machine only")]
        server.listen()
        assert told(home) == [("warn", "what comes to 0.0.0.0 crosses the network readable")]


def test_before_and_after_the_first_start_all_is_well(home: Home) -> None:
    config = configured(home, '[tls]\nmode = "on"\n')
    assert told(home) == [("ok", "an authority and a certificate are made at the first start")]
    open_certificates(config, home, FakeClock(NOW))
    ((state, message),) = told(home)
    assert state == "ok"
    assert "localhost" in message


def test_keys_that_others_can_read_are_warned_about_and_repaired(home: Home) -> None:
    open_certificates(configured(home, '[tls]\nmode = "on"\n'), home, FakeClock(NOW))
    home.authority_file.chmod(0o644)
    (finding,) = found(home)
    assert (finding.state, finding.message) == ("warn", f"other users can get at {home.authority_file}")
    run(Doctor(home, {}, open_vault(home, {})).fix(finding.fix))
    assert told(home)[0][0] == "ok"


def test_a_name_outside_of_what_the_authority_may_vouch_for_is_named(home: Home) -> None:
    open_certificates(configured(home, '[tls]\nmode = "on"\n'), home, FakeClock(NOW))
    configured(home, '[tls]\nmode = "on"\nnames = ["desk.example"]\n')
    assert told(home) == [("warn", "the certificate is not for desk.example")]


def test_an_authority_that_ends_soon_and_a_clock_that_went_back_are_told(home: Home) -> None:
    config = configured(home, '[tls]\nmode = "on"\n')
    open_certificates(config, home, FakeClock(NOW - 3_400 * DAY_S))
    open_certificates(config, home, FakeClock(NOW + 10 * DAY_S))
    messages = [message for _, message in told(home)]
    assert messages[0] == "the certificate begins in the future"
    assert messages[1].startswith("the gateway's own authority ends in 25")


@pytest.mark.parametrize(
    ("ends_s", "state", "said"),
    [(60 * DAY_S, "ok", "encrypted, for desk.example"), (3.5 * DAY_S, "warn", "ends in 3 days"), (-9, "fail", "ended")],
)
def test_a_certificate_of_your_own_is_looked_at(home: Home, ends_s: float, state: str, said: str) -> None:
    write_own(home.config_dir / "cert.pem", home.config_dir / "key.pem", "desk.example", ends_s=ends_s)
    (home.config_dir / "key.pem").chmod(0o600)
    configured(home, '[tls]\ncert = "cert.pem"\nkey = "key.pem"\n[gateway]\nhost = "0.0.0.0"\n')
    ((found_state, message),) = told(home)
    assert (found_state, said in message) == (state, True)


def test_a_damaged_authority_is_named(home: Home) -> None:
    open_certificates(configured(home, '[tls]\nmode = "on"\n'), home, FakeClock(NOW))
    home.authority_file.write_text("garbage")
    ((state, message),) = told(home)
    assert (state, message.partition(":")[0]) == ("fail", f"{home.authority_file} holds no certificate authority")
