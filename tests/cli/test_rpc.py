"""Finding the gateway that runs on a home, and asking it."""

import socket
from typing import Any

import msgspec
import pytest

from carapax.cli.rpc import Gateway, Running, find_gateway
from carapax.cli.serving import Serving
from carapax.config import Home
from carapax.configfile import free_port
from carapax.errors import CarapaxError, Unavailable


def test_a_running_gateway_is_found_and_answers(home: Home, gateway: Serving) -> None:
    found = find_gateway(home)
    assert found is not None
    assert found.running == gateway.running
    assert found.call("health", {}, dict[str, str]) == {"status": "ok"}


def test_what_the_gateway_refuses_is_told(home: Home, gateway: Serving) -> None:
    with pytest.raises(CarapaxError, match="there is no session 'x'"):
        Gateway(gateway.running).call("session.get", {"session": "x"}, dict[str, Any])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"url": 1}'])
def test_a_run_file_that_says_nothing_is_no_gateway(home: Home, content: bytes) -> None:
    home.run_file.parent.mkdir(parents=True)
    home.run_file.write_bytes(content)
    assert find_gateway(home) is None


def test_what_a_killed_gateway_left_is_no_gateway(home: Home) -> None:
    home.run_file.parent.mkdir(parents=True)
    left = Running(f"http://127.0.0.1:{free_port()}", 1, "token")
    home.run_file.write_bytes(msgspec.json.encode(left))
    assert find_gateway(home) is None


def test_a_server_that_hangs_up_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port} does not answer"):
        Gateway(Running(f"http://127.0.0.1:{port}", 1, "token")).call("health", {}, dict[str, str])
