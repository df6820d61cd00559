"""The gateway's own certificate authority, judged by the real OpenSSL."""

import contextlib
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from carapax.errors import ConfigError
from carapax.tls.authority import DAY_S, LIFE_S, Authority, make_authority, open_authority, read_authority

NOW = time.time()
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command")


def judged(folder: Path, authority: Authority, *names: str, by: tuple[str, ...] = ()) -> str:
    """What `openssl verify` says of a certificate for these names."""
    ca, leaf = folder / "ca.pem", folder / "leaf.pem"
    ca.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    leaf.write_bytes(authority.issue(names, NOW))
    command = [
        OPENSSL or "openssl",
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        str(ca),
        *by,
        str(leaf),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


@needs_openssl
def test_openssl_takes_what_it_issues_for_this_machine_and_private_networks(tmp_path: Path) -> None:
    authority = make_authority(["vm", "desk.example"], NOW)
    said = judged(tmp_path, authority, "localhost", "127.0.0.1", "::1", "vm", "vm.local", "desk.example", "192.168.1.9")
    assert said.endswith("leaf.pem: OK\n")


@needs_openssl
@pytest.mark.parametrize("name", ["bank.example", "bank.com", "8.8.8.8", "2600::1", "example", "evilvm"])
def test_openssl_refuses_what_it_would_issue_for_others(tmp_path: Path, name: str) -> None:
    authority = make_authority(["vm", "desk.example"], NOW)
    assert "permitted subtree violation" in judged(tmp_path, authority, name)


@pytest.mark.parametrize(
    ("name", "permitted"),
    [
        ("vm", True),
        ("a.vm", True),
        ("*.vm", True),
        ("evilvm", False),
        ("nas.local", True),
        ("desk.example", False),
        ("10.9.8.7", True),
        ("8.8.8.8", False),
        ("fd12::1", True),
        ("2600::1", False),
    ],
)
def test_it_knows_for_what_it_may_vouch(name: str, permitted: bool) -> None:
    assert make_authority(["vm"], NOW).permits(name) is permitted


def test_it_is_kept_for_ten_years_and_then_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    made = open_authority(file, ["vm"], NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert open_authority(file, ["other"], NOW + 3_650 * DAY_S).certificate == made.certificate
    assert open_authority(file, ["vm"], NOW + LIFE_S + DAY_S).certificate != made.certificate


@pytest.mark.parametrize("wrong_by", [-30 * DAY_S, -20_000 * DAY_S, LIFE_S + DAY_S, 3 * LIFE_S])
def test_a_clock_that_was_wrong_for_a_while_costs_no_authority(tmp_path: Path, wrong_by: float) -> None:
    file = tmp_path / "authority.pem"
    made = open_authority(file, ["vm"], NOW)
    meanwhile = open_authority(file, ["vm"], NOW + wrong_by)
    assert (meanwhile.certificate == made.certificate) is (wrong_by < 0)
    assert open_authority(file, ["vm"], NOW).certificate == made.certificate
    assert open_authority(file, ["vm"], NOW + wrong_by).certificate == meanwhile.certificate
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.rglob("*.pem")} == {0o600}


def test_two_authorities_are_never_confused() -> None:
    one, other = make_authority(["vm"], NOW), make_authority(["vm"], NOW)
    assert one.certificate.subject != other.certificate.subject


def test_what_it_may_do_is_critical() -> None:
    extensions = make_authority(["vm"], NOW).certificate.extensions
    for kind in (x509.BasicConstraints, x509.KeyUsage, x509.NameConstraints):
        assert extensions.get_extension_for_class(kind).critical


def test_a_certificate_lives_for_ninety_days_at_most_and_not_longer_than_its_authority() -> None:
    authority = make_authority(["vm"], NOW)
    leaf = x509.load_pem_x509_certificate(authority.issue(["vm"], NOW))
    late = x509.load_pem_x509_certificate(authority.issue(["vm"], NOW + LIFE_S - 9 * DAY_S))
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 90
    assert late.not_valid_after_utc == authority.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "authority.pem"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"authority\.pem holds no certificate authority"):
        open_authority(file, ["vm"], NOW)
    assert file.read_bytes() == content


_MAKING = """
import sys, time
from pathlib import Path
from carapax.tls.authority import make_authority, open_authority
file = Path(sys.argv[1])
make_authority([], time.time())
print("ready", flush=True)
while True:
    file.unlink(missing_ok=True)
    open_authority(file, ["vm"], time.time())
"""


def test_a_kill_while_it_is_made_leaves_a_whole_one_or_none(tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    for round_ in range(5):
        command = [sys.executable, "-c", _MAKING, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.003 * (round_ + 1))
            process.kill()
        left = read_authority(file)
        assert left is None or left.permits("vm")
        assert open_authority(file, ["vm"], NOW).permits("vm")
