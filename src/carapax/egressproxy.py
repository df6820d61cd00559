"""An HTTP proxy for what has no network of its own: through it, programs reach what the way out allows.

It knows CONNECT, and requests for http:// addresses in absolute form (RFC 9112, 3.2.2 and 3.2.3), one a connection.
"""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator, Coroutine
from typing import NamedTuple, Protocol

from carapax.errors import CarapaxError, Forbidden, InvalidRequest

log = logging.getLogger(__name__)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

MAX_HEAD = 16_384
PORT = 3128  # of the loopback of who has no network
VARIABLES = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), f"http://127.0.0.1:{PORT}"),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,127.0.0.1,::1"),
}
_HEAD_S = 10
_CONNECT_S = 15
_CONNECTIONS = 64
_MAX_BYTES = 1 << 30  # in each direction of a connection
_CHUNK = 65_536

_REQUEST = re.compile(rb"([A-Z]{1,20}) ([!-~]+) HTTP/1\.[01]")
_PLACE = re.compile(r"[^/?#@]+:[0-9]{1,5}")
_URL = re.compile(r"http://([^/?#]*)([^#]*)", re.IGNORECASE)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t -~\x80-\xff]*")
_OF_THIS_HOP = {b"host", b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"upgrade"}
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Connecting(Protocol):
    """A way out that gives raw connections."""

    async def connect(self, url: str) -> Streams:
        """Connect to where a URL points, as far as that is allowed. Raises a CarapaxError."""
        ...


class Nowhere:
    """A way out that leads nowhere."""

    async def connect(self, url: str) -> Streams:
        raise Forbidden(f"{url} cannot be reached: there is no way out of here")


def handing_over(gateway: str) -> str:
    """A program in Python, for who has no network: it makes a socket that listens on PORT there, and hands it over to
    the gateway. `gateway` are statements that assign a Unix socket to that name.

    The module `socket` is left alone, for it takes longer to load than all the rest.
    """
    return f"""
import _socket, sys
listening = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
listening.bind(("127.0.0.1", {PORT}))
listening.listen(64)
{gateway}
descriptor = listening.fileno().to_bytes(4, sys.byteorder)
gateway.sendmsg([b"."], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor)])
gateway.close()
"""


class _Asked(NamedTuple):
    url: str
    head: bytes  # what the server is sent; of CONNECT nothing


@contextlib.asynccontextmanager
async def offered(egress: Connecting) -> AsyncIterator[int]:
    """Gives the descriptor of a Unix socket: over it, who has no network sends one listening socket of its own, and on
    that one the proxy answers until the end of the context."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        async with _meanwhile(_serve_received(ours, egress)):
            yield theirs.fileno()


@contextlib.asynccontextmanager
async def listening_here(egress: Connecting) -> AsyncIterator[int]:
    """Gives a port of this machine's loopback, on which the proxy answers until the end of the context."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        async with answering(listening, egress):
            yield listening.getsockname()[1]


@contextlib.asynccontextmanager
async def answering(listening: socket.socket, egress: Connecting) -> AsyncIterator[None]:
    """The proxy answers on a listening socket until the end of the context, with which its connections end. Those that
    wait there already are ended: who asked for them is gone."""
    with contextlib.suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
    async with _meanwhile(serve(listening, egress)):
        yield


def received(channel: socket.socket) -> socket.socket:
    """The listening socket that was sent over a Unix socket. Raises InvalidRequest when none was."""
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 1, socket.MSG_CMSG_CLOEXEC)
    if not descriptors:
        raise InvalidRequest("no socket was handed over")
    listening = socket.socket(fileno=descriptors[0])
    listening.setblocking(False)
    return listening


@contextlib.asynccontextmanager
async def _meanwhile(serving: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.get_running_loop().create_task(serving)
    try:
        yield
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(ended, asyncio.CancelledError):
            log.error("the proxy of a sandbox ended early", exc_info=ended)


async def serve(listening: socket.socket, egress: Connecting) -> None:
    """Answer whatever connects, until cancelled; every connection ends with it."""
    loop = asyncio.get_running_loop()
    free = asyncio.Semaphore(_CONNECTIONS)
    async with asyncio.TaskGroup() as connections:
        while True:
            await free.acquire()
            connection, _ = await loop.sock_accept(listening)
            answering = connections.create_task(_answer(connection, egress))
            answering.add_done_callback(lambda _: free.release())


async def _serve_received(channel: socket.socket, egress: Connecting) -> None:
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(channel, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(channel)
    with received(channel) as listening:
        await serve(listening, egress)


async def _answer(connection: socket.socket, egress: Connecting) -> None:
    try:
        near = await asyncio.open_connection(sock=connection, limit=MAX_HEAD)
    except OSError:  # it went away already
        connection.close()
        return
    try:
        reached = await _reached(near, egress)
        if reached is not None:
            far, head = reached
            try:
                await (_send(far[1], head) if head else _send(near[1], _ESTABLISHED))
                await _relay(near, far)
            finally:
                far[1].transport.abort()
        near[1].close()
        await near[1].wait_closed()
    except OSError:
        pass  # it went away: nobody is left to be told
    finally:
        near[1].transport.abort()


async def _reached(near: Streams, egress: Connecting) -> tuple[Streams, bytes] | None:
    """The connection that is asked for, and what the server is sent first; none when the answer was a refusal."""
    reader, writer = near
    try:
        async with asyncio.timeout(_HEAD_S):
            asked = _parsed(await reader.readuntil(b"\r\n\r\n"))
        async with asyncio.timeout(_CONNECT_S):
            far = await egress.connect(asked.url)
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        await _refuse(writer, "431 Request Header Fields Too Large", f"the head is longer than {MAX_HEAD} bytes")
    except TimeoutError:
        await _refuse(writer, "504 Gateway Timeout", "there was no answer in time")
    except Forbidden as error:
        await _refuse(writer, "403 Forbidden", f"{error.message}; {error.hint}")
    except InvalidRequest as error:
        await _refuse(writer, "400 Bad Request", error.message)
    except CarapaxError as error:
        await _refuse(writer, "502 Bad Gateway", error.message)
    else:
        return far, asked.head
    return None


async def _refuse(writer: asyncio.StreamWriter, status: str, reason: str) -> None:
    body = f"{reason}\n".encode()
    fields = f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\nConnection: close"
    await _send(writer, f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + body)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    if writer.is_closing():  # then uvloop raises no OSError
        raise ConnectionResetError
    writer.write(data)
    await writer.drain()


def _parsed(head: bytes) -> _Asked:
    """What a request asks for, and how it goes on to the server. Raises InvalidRequest."""
    first, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    line = _REQUEST.fullmatch(first)
    if line is None:
        raise InvalidRequest("this is a proxy for HTTP/1.1")
    method, target = line[1], line[2].decode()
    if method == b"CONNECT":
        if not _PLACE.fullmatch(target):
            raise InvalidRequest("CONNECT takes a host and a port, such as example.com:443")
        return _Asked(f"https://{target}/", b"")
    url = _URL.fullmatch(target)
    if url is None:
        raise InvalidRequest("this proxy is asked for http:// addresses, and by CONNECT for all others")
    kept = []
    for field in fields:
        named = _FIELD.fullmatch(field)
        if named is None:
            raise InvalidRequest("a header field is malformed")
        if named[1].lower() not in _OF_THIS_HOP:
            kept.append(field)
    authority, rest = url.groups()
    path = rest if rest.startswith("/") else f"/{rest}"
    start = b"%s %s HTTP/1.1" % (method, path.encode())
    return _Asked(target, b"\r\n".join([start, b"Host: " + authority.encode(), b"Connection: close", *kept, b"", b""]))


async def _relay(near: Streams, far: Streams) -> None:
    """Carry bytes both ways until both have ended, or one direction fails."""
    async with asyncio.TaskGroup() as directions:
        directions.create_task(_carry(near, far))
        directions.create_task(_carry(far, near))


async def _carry(start: Streams, end: Streams) -> None:
    left = _MAX_BYTES
    try:
        while data := await start[0].read(_CHUNK):
            left -= len(data)
            if left < 0:
                raise ConnectionAbortedError
            await _send(end[1], data)
        if not end[1].is_closing():
            end[1].write_eof()
    except OSError:
        for _, writer in (start, end):
            writer.transport.abort()
