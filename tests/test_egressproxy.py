"""The proxy of what has no network: it reaches what the way out allows, and nothing else."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.config import EgressConfig
from carapax.egress import PublicEgress
from carapax.egressproxy import MAX_HEAD, Streams, answering, offered, received
from carapax.errors import InvalidRequest, Unavailable
from tests.running import run

PUBLIC = "93.184.215.14"


class Recording:
    """A way out that knows one server, whatever is asked, and keeps what was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.urls: list[str] = []

    async def connect(self, url: str) -> Streams:
        self.urls.append(url)
        if not self.port:
            raise Unavailable("nobody is there")
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def server() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Keeps what it is sent until the sender has no more, and answers with its length."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            seen.append(await reader.read())
            writer.write(b"got %d" % len(seen[-1]))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], seen


@asynccontextmanager
async def proxied(egress: Recording | PublicEgress) -> AsyncIterator[int]:
    """The port of a proxy on a socket that was sent to it."""
    async with offered(egress) as descriptor:
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(fileno=os.dup(descriptor)) as out:
            socket.send_fds(out, [b"."], [listening.fileno()])
            port = listening.getsockname()[1]
        yield port


async def answered(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(30):
            writer.write(request)
            writer.write_eof()
            return await reader.read()
    finally:
        writer.transport.abort()


def asked(request: bytes) -> tuple[bytes, list[str], list[bytes]]:
    """What the client got, what the way out was asked for, what the server was sent."""

    async def scene() -> tuple[bytes, list[str], list[bytes]]:
        async with server() as (port, seen):
            egress = Recording(port)
            async with proxied(egress) as proxy:
                return await answered(proxy, request), egress.urls, seen

    return run(scene())


def test_connect_gives_a_tunnel() -> None:
    assert asked(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\nhello") == (
        b"HTTP/1.1 200 Connection established\r\n\r\ngot 5",
        ["https://example.com:443/"],
        [b"hello"],
    )


def test_a_request_in_absolute_form_goes_on_as_one_to_the_server() -> None:
    request = (
        b"POST http://Example.com:8080/a?b=c HTTP/1.1\r\nHost: other.example\r\nProxy-Authorization: Basic eA==\r\n"
        b"Accept: */*\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"
    )
    sent = (
        b"POST /a?b=c HTTP/1.1\r\nHost: Example.com:8080\r\nConnection: close\r\n"
        b"Accept: */*\r\nContent-Length: 2\r\n\r\nhi"
    )
    assert asked(request) == (b"got %d" % len(sent), ["http://Example.com:8080/a?b=c"], [sent])


@pytest.mark.parametrize(
    "request_",
    [
        *(b"GET / HTTP/1.1", b"GET https://a/ HTTP/1.1", b"GET ftp://a/ HTTP/1.1", b"GET http://a/ HTTP/2"),
        *(b"CONNECT a HTTP/1.1", b"CONNECT u@a:443 HTTP/1.1", b"CONNECT a/b:443 HTTP/1.1", b"CONNECT a:b HTTP/1.1"),
        *(b"CONNECT a#:1 HTTP/1.1", b"CONNECT a:443", b"", b"\x16\x03\x01\x02", b"get http://a/ HTTP/1.1"),
        *(b"GET http://a/ HTTP/1.1\r\n b: c", b"GET http://a/ HTTP/1.1\r\nb : c", b"GET http://a/ HTTP/1.1\r\nb"),
        *(b"GET http://a/ HTTP/1.1\r\nb: c\nd: e", b"GET http://a/ HTTP/1.1\r\nb: \0"),
    ],
)
def test_what_is_no_such_request_is_refused_unasked(request_: bytes) -> None:
    answer, urls, seen = asked(request_ + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert (urls, seen) == ([], [])


def test_a_head_without_end_is_refused() -> None:
    answer, urls, _ = asked(b"GET http://a/ HTTP/1.1\r\na: " + b"b" * 3 * MAX_HEAD)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    assert urls == []


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(junk: bytes) -> None:
    async def scene() -> tuple[bytes, bytes]:
        async with proxied(Recording(0)) as proxy:
            first = await answered(proxy, junk + b"\r\n\r\n")
            return first, await answered(proxy, b"CONNECT a:443 HTTP/1.1\r\n\r\n")

    first, second = run(scene())
    assert first.startswith((b"HTTP/1.1 4", b"HTTP/1.1 502"))
    assert second.endswith(b"nobody is there\n")


@pytest.mark.parametrize(
    "place", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[fe80::1]", "0x7f000001", "inside.example"]
)
@pytest.mark.parametrize("form", ["CONNECT {}:443 HTTP/1.1", "GET http://{}/ HTTP/1.1"])
def test_what_is_not_public_is_refused_with_the_reason(place: str, form: str) -> None:
    async def at_home(name: str, port: int) -> Sequence[str]:
        return [PUBLIC, "192.168.1.1"]

    async def scene() -> bytes:
        async with proxied(PublicEgress(EgressConfig(), at_home)) as proxy:
            return await answered(proxy, form.format(place).encode() + b"\r\n\r\n")

    answer = run(scene())
    assert answer.startswith((b"HTTP/1.1 403 Forbidden\r\n", b"HTTP/1.1 400 Bad Request\r\n"))
    assert b"public address" in answer or b"host" in answer


def test_a_name_is_resolved_once_and_its_address_kept() -> None:
    asked_names: list[str] = []

    async def moving(name: str, port: int) -> Sequence[str]:
        asked_names.append(name)
        return ["127.0.0.1"] if len(asked_names) == 1 else ["10.0.0.1"]

    async def scene() -> bytes:
        egress = PublicEgress(EgressConfig(("127.0.0.1/32",)), moving)
        async with server() as (port, _), proxied(egress) as proxy:
            return await answered(proxy, b"CONNECT moving.example:%d HTTP/1.1\r\n\r\nhello" % port)

    assert run(scene()).endswith(b"\r\n\r\ngot 5")
    assert asked_names == ["moving.example"]


def test_those_that_break_off_leave_it_working_for_others() -> None:
    request = b"CONNECT a:443 HTTP/1.1\r\n\r\nhello"

    async def broken_off(port: int, sent: bytes, answer: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        whole = writer.get_extra_info("socket")
        whole.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(sent)
        if answer:
            await reader.read(10)
        writer.transport.abort()

    async def scene() -> bytes:
        async with server() as (port, _), proxied(Recording(port)) as proxy:
            for length in range(0, len(request) + 1, 3):
                await broken_off(proxy, request[:length], answer=False)
            for _ in range(80):
                await broken_off(proxy, request, answer=True)
            return await answered(proxy, request)

    assert run(scene()).endswith(b"got 5")


def test_connections_end_with_the_proxy() -> None:
    async def scene() -> bytes:
        async with server() as (port, _):
            async with proxied(Recording(port)) as proxy:
                reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
                writer.write(b"CONNECT a:443 HTTP/1.1\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
            try:
                async with asyncio.timeout(30):
                    return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.transport.abort()

    assert run(scene()) == b""


def test_what_was_asked_before_it_answers_is_not_answered() -> None:
    async def scene() -> tuple[list[str], bytes]:
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as early:
            listening.setblocking(False)
            place = listening.getsockname()
            early.connect(place)
            early.send(b"CONNECT early:443 HTTP/1.1\r\n\r\n")
            egress = Recording(0)
            async with answering(listening, egress):
                reader, writer = await asyncio.open_connection(*place)
                writer.write(b"CONNECT late:443 HTTP/1.1\r\n\r\n")
                answer = await reader.readline()
                writer.close()
            return egress.urls, answer

    assert run(scene()) == (["https://late:443/"], b"HTTP/1.1 502 Bad Gateway\r\n")


def test_a_message_without_a_socket_hands_over_none() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b".")
        with pytest.raises(InvalidRequest, match="no socket was handed over"):
            received(ours)


def test_of_two_sockets_one_is_taken() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        socket.send_fds(theirs, [b"."], [one.fileno(), two.fileno()])
        before = descriptors()
        with received(ours) as taken:
            assert taken.getsockname() == one.getsockname()
            assert descriptors() == before + 1


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])
