"""How machines are spelled in certificates."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.config import Config, GatewayConfig, TlsConfig
from carapax.errors import ConfigError
from carapax.tls.names import asked, found, is_named, spell


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("Box.Example.", "box.example"),
        ("*.home.example", "*.home.example"),
        ("bücher.local", "xn--bcher-kva.local"),
        ("192.168.0.7", "192.168.0.7"),
        ("[FD00::0:7]", "fd00::7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_a_name_is_spelled_as_certificates_spell_it(name: str, spelled: str) -> None:
    assert spell(name) == spelled


@pytest.mark.parametrize(
    "name", ["", "a b", "-a.example", "https://box", "box:8443", "a..b", "*", "*.*.b", "x" * 64, "ü" * 99]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name or address of a machine"):
        spell(name)


@given(st.text(max_size=300))
def test_whatever_is_given_is_spelled_in_plain_ascii_or_refused(name: str) -> None:
    try:
        spelled = spell(name)
    except ConfigError:
        return
    assert spelled.isascii()
    assert spelled == spell(spelled)


def test_what_the_configuration_names_is_asked_for_once() -> None:
    config = Config(
        gateway=GatewayConfig(host="192.168.0.7", allowed_hosts=("desk.example:8443", "[fd00::7]:1", "no name")),
        tls=TlsConfig(names=("Desk.example", "*.home.example")),
    )
    assert asked(config) == ("192.168.0.7", "desk.example", "*.home.example", "fd00::7")


def test_a_gateway_that_listens_everywhere_is_called_by_every_address() -> None:
    here = found(Config())
    everywhere = found(Config(gateway=GatewayConfig(host="0.0.0.0")))
    assert here[:3] == ("localhost", "127.0.0.1", "::1")
    assert f"{socket.gethostname().partition('.')[0].lower()}.local" in here
    assert set(here) <= set(everywhere)
    assert all(ipaddress.ip_address(address) for address in set(everywhere) - set(here))


@pytest.mark.parametrize(
    ("host", "named"), [("desk.lan", True), ("a.home.lan", True), ("home.lan", False), ("a.b.home.lan", False)]
)
def test_a_star_stands_for_one_label(host: str, named: bool) -> None:
    assert is_named(host, {"desk.lan", "*.home.lan"}) is named
