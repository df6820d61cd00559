import asyncio
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carapax.errors import Unavailable
from carapax.http import Http
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer
from tests.running import run

BODY = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(serve: Peer) -> AsyncIterator[str]:
    """A server that does just this with each connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def fetch(url: str, max_bytes: int = 1000, idle_timeout_s: float = 5) -> bytes:
    async with Http() as http, http.request("GET", url, idle_timeout_s=idle_timeout_s) as response:
        return await response.read(max_bytes)


def test_an_answer_is_read_whole() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

        async with peer(serve) as url:
            assert await fetch(url) == b"hello"

    run(main())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "broke"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "cut the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000, "more than 1000 bytes"),
        (b"SSH-2.0-OpenSSH\r\n", "broke"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "cut|broke"),
    ],
)
def test_an_answer_that_cannot_be_read_is_unavailable(answer: bytes, words: str) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)

        async with peer(serve) as url:
            with pytest.raises(Unavailable, match=words):
                await fetch(url)

    run(main())


def test_a_silent_server_is_unavailable_before_and_in_the_middle_of_its_answer() -> None:
    async def main() -> None:
        for said in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"):

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = said) -> None:
                writer.write(said)
                await reader.read()

            async with peer(serve) as url:
                with pytest.raises(Unavailable, match="silent"):
                    await fetch(url, idle_timeout_s=0.1)

    run(main())


def test_a_server_that_is_not_there_is_named() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            raise AssertionError("nobody should come here")

        async with peer(serve) as url:
            pass
        with pytest.raises(Unavailable, match=re.escape(f"{url}: Connection refused")):
            await fetch(url)

    run(main())


def test_a_server_whose_name_nobody_knows_is_named() -> None:
    with pytest.raises(Unavailable, match=re.escape("http://nobody.invalid: its name cannot be looked up")):
        run(fetch("http://nobody.invalid"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    paths = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make.split(), *paths], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", ssl=context)
        async with server:
            with pytest.raises(Unavailable, match="is not trusted"):
                await fetch(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    run(main())


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[::1", "ftp://example.org/"])
def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(Unavailable, match="not an address"):
        run(fetch(url))


def test_the_query_of_an_address_is_not_told_for_it_may_hold_a_key() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH\r\n")

        async with peer(serve) as url:
            for asked in (f"{url}/models?key=hidden", "http://127.0.0.1:1/models?key=hidden", "ftp://a?key=hidden"):
                with pytest.raises(Unavailable) as error:
                    await fetch(asked)
                assert "hidden" not in str(error.value)

    run(main())


def test_as_much_of_a_body_is_read_as_comes() -> None:
    async def main() -> list[bytes]:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")

        async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await cut(reader, writer)
            await reader.read()

        async def long(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)
            await writer.drain()

        came: list[bytes] = []
        for serve in (cut, stall, long):
            async with peer(serve) as url, Http() as http, http.request("GET", url) as response:
                came.append(await response.beginning(10, 0.05))
        return came

    cut, stalled, long = run(main())
    assert (cut, stalled) == (b"hello", b"hello")
    assert long.startswith(b"x" * 10)


def test_a_redirect_is_not_followed() -> None:
    async def main() -> None:
        away = Answer(status=302, headers={"Location": "http://127.0.0.1:1/"})
        async with (
            ModelServer([away]) as server,
            Http() as http,
            http.request("POST", f"{server.url}/messages", body=BODY) as answer,
        ):
            assert answer.status == 302

    run(main())


def test_leaving_early_closes_the_connection() -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")
            assert await reader.read() == b""
            gone.set()

        async with peer(serve) as url, Http() as http:
            async with http.request("GET", url) as response:
                assert await response.chunk() == b"hello"
            await gone.wait()

    run(main())
