"""The types of the configuration."""

import pytest

from carapax.config import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "127.example.com", "0.0.0.0", "::", "10.0.0.1", "localhost.example.com"])
def test_all_else_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)
