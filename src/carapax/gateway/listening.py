"""Listening: on a port for plain HTTP, or on one that takes TLS and notices who does not speak it."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from carapax.contracts import Supervise
from carapax.errors import CarapaxError, ConfigError, Unavailable
from carapax.gateway.connection import LINGER_S, Listener

log = logging.getLogger("carapax.gateway")
BACKLOG = 1024
AGAIN_S = 0.5
_HANDSHAKE = b"\x16"
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class TlsPort:
    """Takes connections for a server. What a peer says first tells whether it speaks TLS: with `context` as it is at
    that moment, else plain HTTP, which the server has to refuse. Who says nothing in time is dropped."""

    def __init__(
        self, server: Listener, context: Callable[[], ssl.SSLContext | None], supervise: Supervise, timeout_s: float
    ) -> None:
        self._server = server
        self._context = context
        self._supervise = supervise
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._arriving: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> int:
        """Listen, and tell the port. Raises OSError."""
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            listening = socket.create_server(address, family=family, backlog=BACKLOG)
            self._sockets.append(listening)
            listening.setblocking(False)
            self._loop.add_reader(listening, self._accept, listening)
        return int(self._sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Take no more, and drop those who have not begun to speak."""
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        await asyncio.sleep(0)  # each has begun then, and closes its connection
        for task in self._arriving:
            task.cancel()
        if self._arriving:
            await asyncio.wait(self._arriving)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(BACKLOG):
            try:
                peer, _address = listening.accept()
            except OSError as error:  # no more are there, or one came and went, or its network did
                if error.errno in _EXHAUSTED:
                    log.error("no more connections can be taken: %s", error.strerror)
                    self._loop.remove_reader(listening)
                    self._loop.call_later(AGAIN_S, self._listen_again, listening)
                return
            peer.setblocking(False)
            task = self._loop.create_task(self._supervise("a new connection", self._welcome(peer)))
            self._arriving.add(task)
            task.add_done_callback(self._arrived)

    def _listen_again(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening, self._accept, listening)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._arriving.discard(task)
        if not task.cancelled():
            task.exception()  # it is in the log

    async def _welcome(self, peer: socket.socket) -> None:
        """Find out what it speaks, and hand it over."""
        try:
            first = await self._first(peer)
            if first == _HANDSHAKE:
                await self._loop.connect_accepted_socket(
                    self._server,
                    peer,
                    ssl=self._context(),
                    ssl_handshake_timeout=self._timeout_s,
                    ssl_shutdown_timeout=LINGER_S,
                )
            elif first:
                await self._loop.connect_accepted_socket(self._server, peer)
            else:
                peer.close()
        except (OSError, TimeoutError):
            peer.close()
        except asyncio.CancelledError:
            peer.close()
            raise

    async def _first(self, peer: socket.socket) -> bytes:
        """The first byte, which stays to be read; nothing from a peer that is gone."""
        ready = asyncio.Event()
        self._loop.add_reader(peer, ready.set)
        try:
            async with asyncio.timeout(self._timeout_s):
                await ready.wait()
        finally:
            self._loop.remove_reader(peer)
        return peer.recv(1, socket.MSG_PEEK)


@asynccontextmanager
async def listening(
    runner: web.ServerRunner,
    server: Listener,
    host: str,
    port: int,
    *,
    context: Callable[[], ssl.SSLContext | None],
    supervise: Supervise,
) -> AsyncGenerator[int, None]:
    """Take connections for a server until the block ends, with TLS if `context` is one now. Yields the port.

    Raises ConfigError for an address that is not there, Unavailable when the port is taken.
    """
    tls_port = TlsPort(server, context, supervise, server.limits().header_timeout_s)
    site = web.TCPSite(runner, host, port, backlog=BACKLOG)
    try:
        if context() is not None:
            opened = await tls_port.open(host, port)
        else:
            await site.start()
            opened = int(runner.addresses[0][1])
    except OSError as error:
        await tls_port.close()
        raise _refused(error, host, port) from error
    try:
        yield opened
    finally:
        await tls_port.close()
        if runner.sites:
            await site.stop()


def _refused(error: OSError, host: str, port: int) -> CarapaxError:
    if error.errno == errno.EADDRINUSE:
        return Unavailable(f"port {port} of {host} is in use", "stop what uses it, or set gateway.port")
    return ConfigError(f"gateway.host: cannot listen on {host}: {error.strerror}", "name an address of this machine")
