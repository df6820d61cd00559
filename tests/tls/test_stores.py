"""Where systems keep whom they trust."""

from pathlib import Path

import pytest

from carapax.tls.stores import stores

AUTHORITY = Path("/data/tls/ca.pem")


@pytest.mark.parametrize(
    ("folder", "update"),
    [
        ("usr/local/share/ca-certificates", "update-ca-certificates"),
        ("etc/pki/ca-trust/source/anchors", "update-ca-trust"),
        ("etc/ca-certificates/trust-source/anchors", "update-ca-trust"),
    ],
)
def test_each_kind_of_linux_has_its_place(tmp_path: Path, folder: str, update: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    found = list(
        stores(AUTHORITY, "carapax-1", platform="linux", root=tmp_path, home=tmp_path, find={update: "/bin/x"}.get)
    )
    copy = ("install", "-m", "644", str(AUTHORITY), f"/{folder}/carapax-1.crt")
    assert [(store.commands, store.root) for store in found] == [((copy, (update,)), True)]


def test_chromium_has_a_store_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".pki" / "nssdb").mkdir(parents=True)
    found = list(stores(AUTHORITY, "carapax-1", platform="linux", root=tmp_path, home=tmp_path, find=lambda name: name))
    assert [(store.commands[0][0], store.root) for store in found] == [("certutil", False)]


def test_a_mac_has_its_keychain(tmp_path: Path) -> None:
    (found,) = stores(AUTHORITY, "carapax-1", platform="darwin", root=tmp_path, home=tmp_path)
    assert found.root
    assert found.commands[0][:2] == ("security", "add-trusted-cert")


def test_a_system_that_we_do_not_know_has_none(tmp_path: Path) -> None:
    assert list(stores(AUTHORITY, "x", platform="linux", root=tmp_path, home=tmp_path, find=lambda name: name)) == []
