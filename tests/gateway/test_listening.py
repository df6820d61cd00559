"""A port that takes TLS, in front of real clients."""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from carapax.config import Config, GatewayConfig, LimitsConfig, TlsConfig
from carapax.configfile import free_port
from carapax.errors import ConfigError, Unavailable
from carapax.testing import FakeClock
from carapax.testing.gateway import GatewayClient, gateway_client
from carapax.tls.authority import DAY_S
from tests.running import run

ON = Config(tls=TlsConfig(mode="on"))
SHORT = Config(tls=ON.tls, limits=LimitsConfig(header_timeout_s=1))
OPENSSL = shutil.which("openssl")


def shown(gateway: GatewayClient) -> bytes | None:
    """The certificate that a new client is shown and takes, by the rules of the interpreter's own OpenSSL."""
    context = ssl.create_default_context(cadata=gateway.services.certificates.authority_pem.decode())
    with (
        socket.create_connection(("127.0.0.1", gateway.gateway.port), timeout=30) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as spoken,
    ):
        return spoken.getpeercert(binary_form=True)


def test_a_client_that_trusts_the_authority_and_nothing_else_is_answered() -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            assert gateway.url.startswith("https://")
            assert await gateway.rpc("health") == {"status": "ok"}
            async with gateway.socket() as ws:
                assert await ws.rpc("health") == {"status": "ok"}

    run(play())


def test_a_client_that_does_not_know_the_authority_refuses_the_gateway() -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            context = ssl.create_default_context()
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", gateway.gateway.port, ssl=context)
            assert await gateway.rpc("health") == {"status": "ok"}

    run(play())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "Verification: OK"),
        (("-tls1_2",), "Verification: OK"),
        (("-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"), "no peer certificate available"),
        (("-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"), "no peer certificate available"),
    ],
)
@pytest.mark.skipif(OPENSSL is None and not os.environ.get("CI"), reason="there is no openssl command")
def test_openssl_connects_with_what_is_safe_and_with_nothing_else(
    flags: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    async def play() -> str:
        async with gateway_client(config=ON) as gateway:
            ca = tmp_path / "ca.pem"
            ca.write_bytes(gateway.services.certificates.authority_pem)
            at = f"127.0.0.1:{gateway.gateway.port}"
            command = ["openssl", "s_client", "-connect", at, "-CAfile", str(ca), "-verify_ip", "127.0.0.1", *flags]
            done = await asyncio.to_thread(
                subprocess.run, command, input=b"", capture_output=True, timeout=30, check=False
            )
            return (done.stdout + done.stderr).decode()

    assert said in run(play())


def test_a_renewal_leaves_open_connections_alone_and_is_shown_to_new_ones(tmp_path: Path) -> None:
    async def play() -> None:
        clock = FakeClock(time.time() - 61 * DAY_S)
        async with gateway_client(config=ON, clock=clock, home=tmp_path) as gateway, gateway.socket() as ws:
            before = await asyncio.to_thread(shown, gateway)
            clock.advance(61 * DAY_S)
            gateway.services.certificates.look()
            assert await ws.rpc("health") == {"status": "ok"}
            assert await asyncio.to_thread(shown, gateway) != before
            assert await ws.rpc("health") == {"status": "ok"}

    run(play())


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"\x16garbage that is no handshake"])
def test_who_does_not_go_on_is_dropped_in_time(said: bytes) -> None:
    async def play() -> bytes:
        async with gateway_client(config=SHORT) as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.port)
            writer.write(said)
            async with asyncio.timeout(5):
                try:
                    answer = await reader.read()
                except ConnectionError:
                    answer = b""
            writer.close()
            assert await gateway.rpc("health") == {"status": "ok"}
            return answer

    assert b"HTTP" not in run(play())


def test_peers_that_vanish_do_no_harm() -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            for first in (b"", b"\x16", b"G"):
                peer = socket.create_connection(("127.0.0.1", gateway.gateway.port))
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                peer.send(first)
                peer.close()
            assert await gateway.rpc("health") == {"status": "ok"}

    run(play())


def test_it_closes_while_peers_hesitate() -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            silent = [await asyncio.open_connection("127.0.0.1", gateway.gateway.port) for _ in range(3)]
            silent[0][1].write(b"\x16")
            assert await gateway.rpc("health") == {"status": "ok"}
        for reader, writer in silent:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    run(play())


@pytest.mark.parametrize("mode", ["on", "off"])
def test_a_port_that_is_taken_and_an_address_that_is_not_ours_are_named(mode: str) -> None:
    async def opened(gateway: GatewayConfig) -> None:
        config = Config(gateway=gateway, tls=TlsConfig(mode="on" if mode == "on" else "off"))
        async with gateway_client(config=config):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} of 127.0.0.1 is in use"):
            run(opened(GatewayConfig(port=port)))
    with pytest.raises(ConfigError, match=r"gateway\.host"):
        run(opened(GatewayConfig(host="localhost.invalid" if mode == "off" else "127.0.0.1.9", port=free_port())))


def test_more_peers_than_files_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system says no to one; the next is taken."""
    real: Callable[[socket.socket], object] = socket.socket.accept
    refused: list[socket.socket] = []

    def accept(self: socket.socket) -> object:
        if not refused:
            refused.append(self)
            raise OSError(24, "Too many open files")
        return real(self)

    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            monkeypatch.setattr(socket.socket, "accept", accept)
            assert await gateway.rpc("health") == {"status": "ok"}
            assert refused

    run(play())
