"""One TCP connection to the gateway: what aiohttp leaves open is closed here.

aiohttp waits for ever for the second half of a header, logs a traceback for each malformed request, and bounds
WebSocket messages but not frames.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http_websocket import WebSocketReader
from aiohttp.web_protocol import RequestHandler

from carapax.config import LimitsConfig
from carapax.errors import InvalidRequest
from carapax.gateway.frames import FrameLimit
from carapax.gateway.limits import HEAD_BYTES
from carapax.gateway.responses import fault, refusal

KEEP_ALIVE_S = 60.0
LINGER_S = 2.0
STALL_S = 15.0


class Connection(RequestHandler):
    """Closes a connection whose next request head is not whole within the header deadline, or grows too long, and one
    whose peer has read nothing of what waits for it for `STALL_S`."""

    __slots__ = ("_head_bytes", "_head_deadline", "_limits", "_stall")

    def __init__(self, server: "Listener", *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(server, loop=loop, **options)
        self._limits = server.limits
        self._head_bytes = 0
        self._head_deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_done()
        self._stall_over()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.transport is not None:
            self._stall = self._loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._stall_over()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        known = self._request_count
        super().data_received(data)
        if self._request_count != known:
            self._head_done()
        elif data and self._head_deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > 2 * HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")
        elif data and self._waiter is not None:
            self._expect_head()
            self._head_bytes = len(data)

    def set_parser(self, parser: WebSocketReader, data_received_cb: Any = None) -> None:
        def longest() -> int:
            limits = self._limits()
            return limits.socket_frame_bytes

        limited: Any = FrameLimit(parser, longest)
        super().set_parser(limited, data_received_cb)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse, and faults of ours, in our own shape."""
        if status < 500:
            response: web.StreamResponse = refusal(InvalidRequest(f"malformed request: {exc or message}"))
        else:
            self.log_exception("%s %s failed", request.method, request.path, exc_info=exc)
            if request.writer.output_size > 0:
                raise ConnectionResetError("the answer had begun")
            response = fault()
        response.headers[hdrs.CONNECTION] = "close"
        response.force_close()
        return response

    def _expect_head(self) -> None:
        self._head_bytes = 0
        limits = self._limits()
        refuse = partial(self._refuse, b"408 Request Timeout")
        self._head_deadline = self._loop.call_later(limits.header_timeout_s, refuse)

    def _head_done(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _stall_over(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _refuse(self, status: bytes) -> None:
        self._head_done()
        if self._head_bytes and self.transport is not None:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.force_close()


class Listener(web.Server):
    """Makes a `Connection` for each peer. What is done for a peer that leaves is cancelled."""

    def __init__(self, handler: Any, limits: Callable[[], LimitsConfig]) -> None:
        super().__init__(handler, handler_cancellation=True)
        self.limits = limits

    def __call__(self) -> RequestHandler:
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            access_log=None,
            auto_decompress=False,
            max_headers=128,
        )
