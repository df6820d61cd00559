"""A connection to a running gateway that stays: calls, and events as they happen, also across a lost connection."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import aiohttp
import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from carapax.api.file import FileSaved
from carapax.cli.rpc import RpcError, Running
from carapax.errors import CarapaxError, InvalidRequest, Unavailable
from carapax.events import Envelope
from carapax.gateway.errors import Problem

T = TypeVar("T")
_TRIES = 8
_FIRST_PAUSE_S = 0.1
_CONNECT_TIMEOUT_S = 10.0
_LONGEST = 1_000_000
"""Characters of a question; of one that is longer, the line may end before that is said."""
_FAREWELL = aiohttp.ClientWSTimeout(ws_close=1.0)


class _Message(Struct):
    """A response, by its `id`, or a notification, by its `method`."""

    id: int | None = None
    method: str = ""
    params: Raw = Raw(b"null")
    result: Raw | UnsetType = UNSET
    error: RpcError | None = None


Find = Callable[[], Running | None]


def nowhere() -> Running | None:
    """That it is where it was."""
    return None


def _unheard(is_lost: bool) -> None:
    pass


class _Dropped(Exception):
    """The connection is gone; it may be made again."""


class _Socket(aiohttp.ClientWebSocketResponse):
    """Can be ended at once. What aiohttp does when it is closed ends a TLS connection some time later, when there may
    be no loop any more."""

    def __init__(
        self, reader: Any, writer: Any, protocol: str | None, response: aiohttp.ClientResponse, *rest: Any, **more: Any
    ) -> None:
        super().__init__(reader, writer, protocol, response, *rest, **more)
        self._transport = response.connection and response.connection.transport

    async def end(self) -> None:
        await self.close()
        if self._transport is not None:
            self._transport.abort()
            await asyncio.sleep(0)


class Client:
    """Made by `connect`. One task calls and iterates; `send` may be called by others meanwhile. `lost` is called with
    true when the connection is gone, and with false when it is there again."""

    def __init__(self, http: aiohttp.ClientSession, running: Running, find: Find) -> None:
        self.lost: Callable[[bool], None] = _unheard
        self._http = http
        self._running = running
        self._find = find
        self._is_lost = False
        self._socket: _Socket | None = None
        self._events: deque[Envelope] = deque()
        self._watched: tuple[str, int] | None = None
        self._last_id = 0

    async def call(self, method: str, params: dict[str, Any], result: type[T]) -> T:
        """Ask, and wait for the answer; a lost connection is made again and the question repeated.

        Raises CarapaxError for what the gateway refuses, Unavailable when it cannot be reached.
        """
        pause_s = _FIRST_PAUSE_S
        for _ in range(_TRIES):
            try:
                return await self._exchange(method, params, result)
            except _Dropped:
                self._tell_lost(True)
                await asyncio.sleep(pause_s)
                pause_s *= 2
        raise Unavailable(f"the gateway at {self._running.url} is gone", "start it again with `carapax`")

    async def watch(self, session: str, after: int) -> None:
        """From now on `events` yields what happens in this session after the event `after`."""
        await self._connected()
        self._events.clear()
        self._watched = (session, after)
        try:
            await self._exchange("session.subscribe", {"session": session, "after": after}, dict[str, Any])
        except _Dropped:
            await self._connected()

    async def events(self) -> AsyncIterator[Envelope]:
        """The events of the watched session, without end. What was streamed while the connection was lost is missing;
        what is kept is not. Raises Unavailable when the gateway stays away."""
        while True:
            if self._events:
                yield self._events.popleft()
                continue
            try:
                await self._receive()
            except _Dropped:
                await self._connected()

    async def upload(self, name: str, data: bytes) -> FileSaved:
        """Have the gateway keep a file. Raises CarapaxError for one that it refuses, Unavailable without a gateway."""
        headers = {"Authorization": f"Bearer {self._running.token}", "Content-Type": "application/octet-stream"}
        try:
            async with self._http.post(
                f"{self._running.url}/api/files",
                params={"name": name},
                data=data,
                headers=headers,
                ssl=self._running.context() or True,
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(f"the gateway at {self._running.url} is gone", "start it again with `carapax`") from error
        if response.status != 201:
            problem = msgspec.json.decode(answer, type=Problem)
            raise CarapaxError(problem.detail, problem.hint)
        return msgspec.json.decode(answer, type=FileSaved)

    async def send(self, method: str, params: dict[str, Any]) -> None:
        """Ask without waiting for the answer, which nobody hears; nothing happens while the connection is lost."""
        if self._socket is not None and not self._socket.closed:
            with suppress(aiohttp.ClientError, OSError):  # it is being lost just now
                await self._write(self._socket, method, params)

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.end()

    async def _connected(self) -> None:
        """Make the connection if there is none; what is watched is subscribed to again with it."""
        await self.call("health", {}, dict[str, Any])

    async def _exchange(self, method: str, params: dict[str, Any], result: type[T]) -> T:
        try:
            if self._socket is None:
                await self._open()
            assert self._socket is not None
            return await self._ask(self._socket, method, params, result)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._socket = None
            raise _Dropped from error

    def _tell_lost(self, is_lost: bool) -> None:
        if is_lost is not self._is_lost:
            self._is_lost = is_lost
            self.lost(is_lost)

    async def _open(self) -> None:
        self._running = self._find() or self._running
        headers = {"Authorization": f"Bearer {self._running.token}"}
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            connected = await self._http.ws_connect(
                self._running.url + "/ws",
                headers=headers,
                max_msg_size=0,
                timeout=_FAREWELL,
                ssl=self._running.context() or True,
            )
        assert isinstance(connected, _Socket)
        self._socket = connected
        self._tell_lost(False)
        if self._watched is not None:
            session, after = self._watched
            await self._ask(self._socket, "session.subscribe", {"session": session, "after": after}, dict[str, Any])

    async def _ask(
        self, connection: aiohttp.ClientWebSocketResponse, method: str, params: dict[str, Any], result: type[T]
    ) -> T:
        asked = await self._write(connection, method, params)
        while True:
            message = await self._receive()
            if message.id != asked:
                continue
            if message.error is not None:
                raise message.error.told()
            if isinstance(message.result, UnsetType):
                raise Unavailable(f"{self._running.url} does not answer as a gateway does")
            return msgspec.json.decode(message.result, type=result)

    async def _write(self, connection: aiohttp.ClientWebSocketResponse, method: str, params: dict[str, Any]) -> int:
        self._last_id += 1
        asked = self._last_id
        request = {"jsonrpc": "2.0", "id": asked, "method": method, "params": params}
        text = msgspec.json.encode(request).decode()
        if len(text) > _LONGEST:
            raise _too_long()
        await connection.send_str(text)
        return asked

    async def _receive(self) -> _Message:
        """The next message; an event is put into the queue as well."""
        if self._socket is None:
            raise _Dropped
        frame = await self._socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            code, self._socket = self._socket.close_code, None
            if code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:  # said again it is as long
                raise _too_long()
            raise _Dropped
        message = msgspec.json.decode(frame.data, type=_Message)
        if message.method == "event":
            self._take(msgspec.json.decode(message.params, type=Envelope))
        return message

    def _take(self, envelope: Envelope) -> None:
        if self._watched is not None and envelope.session == self._watched[0]:
            self._watched = (envelope.session, max(self._watched[1], envelope.seq))
            self._events.append(envelope)


def _too_long() -> InvalidRequest:
    return InvalidRequest("that is longer than the gateway takes at once", "send it as a file, with /attach")


@asynccontextmanager
async def connect(running: Running, find: Find = nowhere) -> AsyncIterator[Client]:
    """A client of the gateway that `running` tells of; the connection is made with the first call. `find` tells where
    the gateway is after it was started again; None for where it was."""
    async with aiohttp.ClientSession(ws_response_class=_Socket) as http:
        client = Client(http, running, find)
        try:
            yield client
        finally:
            await client.close()
