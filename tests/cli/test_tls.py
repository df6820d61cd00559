"""`carapax tls`."""

import ssl
from pathlib import Path

import pytest

from carapax.home import Home
from carapax.tls.stores import Store
from tests.cli.conftest import CONFIG, GatewayOf, Run
from tests.tls.making import write_own

ENCRYPTED = f'{CONFIG}[tls]\nmode = "on"\n'


def test_a_plain_port_is_told(run: Run) -> None:
    assert run("tls").output == "port         plain HTTP\n"


def test_a_gateway_tells_what_it_shows(home: Home, gateway_of: GatewayOf, run: Run) -> None:
    with gateway_of(ENCRYPTED):
        told = run("tls").output
        assert "port         encrypted, by its own authority\ncertificate  CN=Carapax gateway\n" in told
        assert "  for        localhost, " in told
        assert "by itself" in told
        assert run("tls", "status").output == told
    assert run("tls").output == told


def test_the_authority_is_printed_with_and_without_a_gateway(home: Home, gateway_of: GatewayOf, run: Run) -> None:
    home.config_file.write_text(ENCRYPTED)
    assert "made at the first start" in run("tls").output
    printed = run("tls", "ca").output
    assert ssl.PEM_cert_to_DER_cert(printed)
    assert "PRIVATE" not in printed
    with gateway_of(ENCRYPTED):
        assert run("tls", "ca").output == printed


def test_a_gateway_without_tls_has_no_authority(gateway_of: GatewayOf, run: Run) -> None:
    with gateway_of(CONFIG):
        refused = run("tls", "ca")
    assert refused.exit_code == 1
    assert "start it with --tls" in refused.output


def test_with_a_certificate_of_your_own_there_is_no_authority_to_trust(home: Home, run: Run) -> None:
    write_own(home.config_dir / "cert.pem", home.config_dir / "key.pem", "desk.example")
    home.config_file.write_text(f'{CONFIG}[tls]\ncert = "cert.pem"\nkey = "key.pem"\n')
    assert "encrypted, by yours\ncertificate  CN=desk.example" in run("tls").output
    assert run("tls", "ca").exit_code == 1


def test_nothing_is_changed_before_it_is_shown(
    home: Home, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "store" / "ca.crt"
    copied.parent.mkdir()

    def known(authority: Path, name: str) -> list[Store]:
        return [
            Store("the store of a browser", (("cp", str(authority), str(copied)),), False),
            Store("a broken store", (("sh", "-c", r"printf 'no\377' >&2; exit 1"),), False),
        ]

    monkeypatch.setattr("carapax.tls.stores.stores", known)
    shown = run("tls", "trust")
    assert shown.exit_code == 0
    assert f"the store of a browser:\n  cp {home.public_authority_file} {copied}\n" in shown.output
    assert "iPhone" in shown.output
    assert not copied.exists()
    done = run("tls", "trust", "--apply")
    assert (done.exit_code, copied.read_text()) == (1, run("tls", "ca").output)
    assert "sh failed: no" in done.output


def test_flags_that_contradict_one_another_are_refused(run: Run) -> None:
    for flags, said in ((("--tls-key", "k.pem"), "without --tls-cert"), (("--no-tls", "--tls-cert", "c"), "--no-tls")):
        refused = run("serve", *flags)
        assert refused.exit_code == 2
        assert said in refused.output
