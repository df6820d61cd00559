import asyncio
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import Unavailable
from carapax.http import Http, ServerSentEvent, SseParser
from tests.fakes.model_server import Answer, ModelServer
from tests.running import run


def parse(*chunks: bytes, max_event: int = 1000) -> list[ServerSentEvent]:
    parser = SseParser(max_event)
    return [event for chunk in chunks for event in parser.feed(chunk)] + parser.close()


def reference(stream: bytes) -> list[ServerSentEvent]:
    """The algorithm of the specification, on all of the text at once; the last event needs no blank line."""
    events: list[ServerSentEvent] = []
    data: list[str] = []
    kind = last_id = ""
    for line in [*re.split("\r\n|\r|\n", stream.decode(errors="replace").removeprefix("\ufeff")), ""]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append(ServerSentEvent(kind or "message", "\n".join(data), last_id))
            data, kind = [], ""
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            last_id = value
    return events


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


PIECES = st.sampled_from(
    [b"data", b"event", b"id", b"retry", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"data: x\n", b"id: 1\r", b"\0"]
    + [text.encode() for text in ("é", "😀", "\ufeff")]
    + [b"\xff", b"\xc3", b"7", b""]
)


@given(st.lists(PIECES, max_size=40).map(b"".join), st.lists(st.integers(0, 200), max_size=20))
def test_any_bytes_cut_anywhere_give_the_events_of_the_specification(stream: bytes, places: list[int]) -> None:
    assert parse(*cut(stream, places)) == reference(stream)


def test_fields_comments_and_several_data_lines_are_read() -> None:
    stream = b": comment\nevent: delta\nid: 7\ndata: a\ndata:b\ndata\n\ndata:  c\nunknown: x\n\n"
    assert parse(stream) == [ServerSentEvent("delta", "a\nb\n", "7"), ServerSentEvent("message", " c", "7")]


def test_a_byte_order_mark_is_skipped_only_at_the_start() -> None:
    assert parse(b"\xef", b"\xbb", b"\xbfdata: \xef\xbb\xbfa\n\n") == [ServerSentEvent("message", "\ufeffa")]


def test_a_line_end_cut_in_two_is_one() -> None:
    assert parse(b"data: a\r", b"\n\r", b"\ndata: b\r", b"\r") == [
        ServerSentEvent("message", "a"),
        ServerSentEvent("message", "b"),
    ]


def test_an_event_is_complete_with_its_carriage_return() -> None:
    assert SseParser().feed(b"data: a\r\r") == [ServerSentEvent("message", "a")]


def test_an_event_without_its_blank_line_comes_at_the_end() -> None:
    assert parse(b"data: a\n\ndata: b") == [ServerSentEvent("message", "a"), ServerSentEvent("message", "b")]


def test_an_identifier_with_a_null_character_is_ignored() -> None:
    assert parse(b"id: 1\nid: 2\x003\ndata: a\n\n") == [ServerSentEvent("message", "a", "1")]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * 2000],
        [b"data: " + b"x" * 2000 + b"\n\n"],
        [b"data: " + b"x" * 50 + b"\n"] * 40,
        [b"data:\n"] * 2000,
        [b"x"] * 2000,
        [b": " + b"x" * 2000],
    ],
)
def test_an_event_that_grows_without_end_is_refused(chunks: list[bytes]) -> None:
    with pytest.raises(Unavailable, match="more than 1000 bytes"):
        parse(*chunks)


def test_a_long_stream_of_short_events_is_no_long_event() -> None:
    assert len(parse(*[b": " + b"x" * 500 + b"\n\n", b"data: x\n\n"] * 50)) == 50


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


def test_a_redirect_is_not_followed() -> None:
    async def main() -> None:
        away = Answer(status=302, headers={"Location": "http://127.0.0.1:1/"})
        async with (
            ModelServer([away]) as server,
            Http() as http,
            http.request("POST", f"{server.url}/messages", body=b'{"model":"m"}') as answer,
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

    run(main(), within_s=5)
