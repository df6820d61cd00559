"""Certificates of people's own."""

import time
from pathlib import Path

import pytest

from carapax.errors import ConfigError
from carapax.tls.shown import facts, read_own
from tests.tls.making import write_own


def test_a_certificate_with_its_key_can_be_shown(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_own(cert, key, "desk.example", "*.desk.example")
    told = facts(read_own(cert, key, time.time()))
    assert (told.name, told.names) == ("CN=desk.example", ("desk.example", "*.desk.example"))
    assert told.until == pytest.approx(time.time() + 86_400, abs=100)
    assert len(told.fingerprint.split(":")) == 32


def test_key_and_certificate_may_be_one_file(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_own(cert, key, "desk.example")
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    assert facts(read_own(both, both, time.time())).name == "CN=desk.example"


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_own(cert, tmp_path / "first.pem", "desk.example")
    write_own(tmp_path / "other.pem", key, "desk.example")
    with pytest.raises(ConfigError, match="do not belong together"):
        read_own(cert, key, time.time())


def test_a_key_with_a_passphrase_is_refused_with_the_remedy(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_own(cert, key, "desk.example", passphrase=b"secret")
    with pytest.raises(ConfigError, match="is encrypted with a passphrase") as refused:
        read_own(cert, key, time.time())
    assert "openssl pkey" in refused.value.hint


@pytest.mark.parametrize(("begins_s", "ends_s", "said"), [(-7200, -3600, "ended on"), (7200, 9000, "begins on")])
def test_a_certificate_that_is_not_valid_now_is_refused(
    tmp_path: Path, begins_s: float, ends_s: float, said: str
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_own(cert, key, "desk.example", begins_s=begins_s, ends_s=ends_s)
    with pytest.raises(ConfigError, match=said):
        read_own(cert, key, time.time())


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("cert.pem", b"nonsense", "holds no certificate as PEM"),
        ("cert.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate as PEM"),
        ("key.pem", b"nonsense", "holds no private key as PEM"),
        ("cert.pem", None, "cannot be read: No such file"),
        ("key.pem", None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, file: str, content: bytes | None, said: str) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_own(cert, key, "desk.example")
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ConfigError, match=said) as refused:
        read_own(cert, key, time.time())
    assert file in refused.value.message
