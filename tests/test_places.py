"""Lists of places, told by their names and addresses."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import ConfigError, InvalidRequest
from carapax.places import Places, hostname, literal

PLACES = Places(["api.example.com", "*.Example.org", "10.0.0.0/8", "bücher.example", "2001:db8::/32"], "here")


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("api.example.com", "api.example.com"),
        ("a.example.org", "*.Example.org"),
        ("a.b.c.example.org", "*.Example.org"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("example.org", ""),
        ("notexample.org", ""),
        ("x.api.example.com", ""),
        ("api.example.com.evil.org", ""),
        ("10.1.2.3", ""),
        ("org", ""),
    ],
)
def test_a_name_is_told_by_its_labels(host: str, entry: str) -> None:
    assert PLACES.naming(host) == entry


@pytest.mark.parametrize(
    ("address", "entry"), [("10.1.2.3", "10.0.0.0/8"), ("2001:db8::1", "2001:db8::/32"), ("11.0.0.1", "")]
)
def test_an_address_is_told_by_its_network(address: str, entry: str) -> None:
    assert PLACES.holding(ipaddress.ip_address(address)) == entry


def test_a_star_stands_for_every_place() -> None:
    everywhere = Places(["*"], "here")
    assert (everywhere.naming("a.b"), everywhere.naming("10.0.0.1")) == ("*", "*")
    assert everywhere.holding(ipaddress.ip_address("::1")) == "*"


@pytest.mark.parametrize(
    "entry", ["", "a b", "a*.example", "**", "*.", "*.*.example", "http://a", "a:80", "10.0.0.1/8"]
)
def test_an_entry_that_is_neither_is_refused(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"^here: "):
        Places([entry], "here")


@given(st.text(max_size=30))
def test_a_host_has_one_spelling(text: str) -> None:
    try:
        host = hostname(text)
    except InvalidRequest:
        return
    again = f"[{host}]" if literal(host) and ":" in host else host
    assert hostname(again) == host
