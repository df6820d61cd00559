"""Finding the gateway that runs on a home, and asking it."""

import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapax.cli.rpc import Gateway, Running, find_gateway
from carapax.cli.serving import Serving
from carapax.config import Home
from carapax.configfile import free_port
from carapax.errors import CarapaxError, Unavailable
from tests.cli.conftest import CONFIG, GatewayOf, Run
from tests.tls.making import write_own


def test_a_running_gateway_is_found_and_answers(home: Home, gateway: Serving) -> None:
    found = find_gateway(home)
    assert found is not None
    assert found.running == gateway.running
    assert found.call("health", {}, dict[str, str]) == {"status": "ok"}


def test_what_the_gateway_refuses_is_told(home: Home, gateway: Serving) -> None:
    with pytest.raises(CarapaxError, match="there is no session 'x'"):
        Gateway(gateway.running).call("session.get", {"session": "x"}, dict[str, Any])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"url": 1}', b'{"url": "\xff"}'])
def test_a_run_file_that_says_nothing_is_no_gateway(home: Home, content: bytes) -> None:
    home.run_file.parent.mkdir(parents=True)
    home.run_file.write_bytes(content)
    assert find_gateway(home) is None


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:99999", f"http://ü{'a' * 80}:1"])
def test_an_address_that_is_none_is_no_gateway(home: Home, url: str) -> None:
    home.run_file.parent.mkdir(parents=True)
    home.run_file.write_bytes(msgspec.json.encode(Running(url, 1, "token")))
    assert find_gateway(home) is None


def test_what_a_killed_gateway_left_is_no_gateway(home: Home) -> None:
    home.run_file.parent.mkdir(parents=True)
    left = Running(f"http://127.0.0.1:{free_port()}", 1, "token")
    home.run_file.write_bytes(msgspec.json.encode(left))
    assert find_gateway(home) is None


def test_a_server_that_hangs_up_is_named() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port} does not answer"):
            Gateway(Running(f"http://127.0.0.1:{port}", 1, "token")).call("health", {}, dict[str, str])


ENCRYPTED = f'{CONFIG}[tls]\nmode = "on"\n'


def test_a_gateway_with_tls_is_found_and_answers(home: Home, gateway_of: GatewayOf) -> None:
    with gateway_of(ENCRYPTED) as serving:
        assert serving.running.url.startswith("https://127.0.0.1:")
        found = find_gateway(home)
        assert found is not None
        assert found.call("health", {}, dict[str, str]) == {"status": "ok"}


def test_a_certificate_of_your_own_for_another_name_is_known_to_commands(home: Home, gateway_of: GatewayOf) -> None:
    write_own(home.config_dir / "cert.pem", home.config_dir / "key.pem", "desk.example")
    with gateway_of(f'{CONFIG}[tls]\ncert = "cert.pem"\nkey = "key.pem"\n') as serving:
        assert Gateway(serving.running).call("health", {}, dict[str, str]) == {"status": "ok"}


def test_whoever_takes_the_place_of_the_gateway_with_another_certificate_is_told_nothing(
    home: Home, gateway_of: GatewayOf, tmp_path: Path
) -> None:
    with gateway_of(ENCRYPTED) as serving:
        write_own(home.shown_file, tmp_path / "key.pem", "localhost")
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            Gateway(serving.running).call("health", {}, dict[str, str])
        home.shown_file.unlink()
        with pytest.raises(Unavailable, match=r"shown\.pem cannot be used"):
            Gateway(serving.running).call("health", {}, dict[str, str])


def test_a_conversation_goes_on_over_tls(gateway_of: GatewayOf, run: Run) -> None:
    with gateway_of(ENCRYPTED):
        done = run("chat", "-m", "my dog is Rex")
        assert (done.exit_code, "built-in demo" in done.stdout) == (0, True)
