"""The WebSocket: JSON-RPC both ways, and the events of sessions as notifications."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from carapax.api.operation import Operation
from carapax.api.services import Services
from carapax.config import LimitsConfig
from carapax.errors import CarapaxError, InvalidRequest, Lagged
from carapax.gateway.held import STOPPING
from carapax.gateway.rpc import Admit, Rpc
from carapax.store.subscription import Subscription
from carapax.throttle import Rate

IN_FLIGHT = 64
SUBSCRIPTIONS = 1024
CLOSE_S = 5.0
WRITE_BYTES = 32_768
_EVENT = b'{"jsonrpc":"2.0","method":"event","params":'
_encode = msgspec.json.Encoder().encode


def open_websocket(limits: LimitsConfig) -> web.WebSocketResponse:
    """A WebSocket that pings a silent peer in time to drop it after `socket_pong_timeout_s`."""
    return web.WebSocketResponse(
        timeout=CLOSE_S,
        heartbeat=limits.socket_pong_timeout_s * 2 / 3,
        compress=False,
        max_msg_size=limits.socket_message_bytes + 1,
        writer_limit=WRITE_BYTES,
    )


class Socket:
    """One WebSocket that is open. Requests run at the same time, `IN_FLIGHT` of them; further ones wait unread.
    Each is answered by the Rpc that `rpc` gives then."""

    def __init__(self, ws: web.WebSocketResponse, rpc: Callable[[], Rpc], services: Services, admit: Admit) -> None:
        self._ws = ws
        self._rpc = rpc
        self._services = replace(services, watcher=self)
        self._admit_call = admit
        self._messages = Rate(lambda: services.config.limits.socket_messages_per_minute, keys=1)
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._group = asyncio.TaskGroup()
        self._answers: set[asyncio.Task[None]] = set()
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._dropped: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Answer until either side closes."""
        async with self._group:
            self._start(self._close_when_dropped())
            try:
                await self._receive()
            finally:
                for task in (*self._answers, *self._watched.values()):
                    task.cancel()

    def drop(self, why: str) -> None:
        """Close from outside, unless it closes already: the credential has ended, or the gateway stops."""
        if not self._dropped.done():
            self._dropped.set_result(why)

    async def watch(self, session: str, after: int | None) -> None:
        if session not in self._watched and len(self._watched) >= SUBSCRIPTIONS:
            raise InvalidRequest(f"a connection has at most {SUBSCRIPTIONS} subscriptions", "unsubscribe from some")
        self.unwatch(session)
        queue = self._services.config.limits.socket_queue
        subscription = self._services.journal.subscribe(session or None, after, queue=queue)
        async with AsyncExitStack() as entered:
            await entered.enter_async_context(subscription)
            sending = self._send_events(session, after or 0, subscription, entered.pop_all())
        self._watched[session] = self._group.create_task(sending)

    def unwatch(self, session: str) -> None:
        if task := self._watched.pop(session, None):
            task.cancel()

    async def _receive(self) -> None:
        async for message in self._ws:
            if message.type is not WSMsgType.TEXT:
                await self._close(WSCloseCode.UNSUPPORTED_DATA, "JSON-RPC is sent as text")
                return
            await self._slots.acquire()
            self._start(self._answer(message.data))

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = self._group.create_task(work)
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, text: str) -> None:
        try:
            answer = await self._rpc().answer(text.encode(), self._services, self._admit)
            if answer is not None:
                await self._ws.send_frame(answer, WSMsgType.TEXT)
        except ConnectionError:
            return
        finally:
            self._slots.release()

    def _admit(self, operation: Operation) -> None:
        self._admit_call(operation)
        if operation.name == "session.message":
            self._messages.take("", asyncio.get_running_loop().time(), "messages over this connection")

    async def _send_events(self, session: str, seq: int, envelopes: Subscription, entered: AsyncExitStack) -> None:
        try:
            async with entered:
                async for envelope in envelopes:
                    if not session and envelope.session in self._watched:
                        continue  # its own subscription sends it
                    await self._ws.send_frame(_EVENT + _encode(envelope) + b"}", WSMsgType.TEXT)
                    seq = envelope.seq
        except Lagged:
            await self._close(WSCloseCode.TRY_AGAIN_LATER, f"too slow; subscribe to {session or 'all'} after {seq}")
        except ConnectionError:
            return
        except CarapaxError as error:
            await self._close(WSCloseCode.INTERNAL_ERROR, error.message)

    async def _close_when_dropped(self) -> None:
        why = await self._dropped
        await self._close(WSCloseCode.GOING_AWAY if why == STOPPING else WSCloseCode.POLICY_VIOLATION, why)

    async def _close(self, code: int, reason: str) -> None:
        """Say why, without waiting for a peer that does not read."""
        await self._ws.close(code=code, message=reason.encode()[:123], drain=False)
