"""The events of a session as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from aiohttp import hdrs, web

from carapax.api.message import Page
from carapax.api.services import Services
from carapax.errors import InvalidRequest, Lagged
from carapax.events import Envelope, Streamed
from carapax.gateway.responses import COMMON

EVENT_STREAM = "text/event-stream"
PULSE_S = 15.0
_encode = msgspec.json.Encoder().encode


def wanted(request: web.BaseRequest) -> bool:
    return EVENT_STREAM in request.headers.get(hdrs.ACCEPT, "")


async def open_stream(request: web.BaseRequest, more: Mapping[str, str] | None = None) -> web.StreamResponse:
    """Begin an answer of server-sent events, with `more` headers."""
    headers = {
        **COMMON,
        **(more or {}),
        hdrs.CONTENT_TYPE: EVENT_STREAM,
        hdrs.CACHE_CONTROL: "no-store",
        "X-Accel-Buffering": "no",
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response


async def pulse(response: web.StreamResponse) -> None:
    """Send a comment now and then, until cancelled, so that nothing on the way gives the connection up."""
    with suppress(ConnectionError):
        while True:
            await asyncio.sleep(PULSE_S)
            await response.write(b":\n\n")


async def respond_events(request: web.BaseRequest, params: Page, services: Services) -> web.StreamResponse:
    """Send a session's events from `after`, or from the last one that a returning caller has, and go on as they happen.

    Only kept events carry an id, which is their `seq`. The answer ends when the caller is too slow: it comes back by
    itself and misses nothing.
    """
    after = _last_seen(request, params.after)
    async with services.journal.subscribe(params.session, after) as envelopes, asyncio.TaskGroup() as group:
        response = await open_stream(request)
        beat = group.create_task(pulse(response))
        try:
            async for envelope in envelopes:
                await response.write(_frame(envelope))
        except (Lagged, ConnectionError):
            pass
        finally:
            beat.cancel()
    return response


def _frame(envelope: Envelope) -> bytes:
    data = b"data: " + _encode(envelope) + b"\n\n"
    return data if isinstance(envelope.event, Streamed) else b"id: %d\n%b" % (envelope.seq, data)


def _last_seen(request: web.BaseRequest, after: int) -> int:
    last = request.headers.get("Last-Event-ID")
    if last is None:
        return after
    if not last.isascii() or not last.isdecimal() or len(last) > 16:
        raise InvalidRequest("Last-Event-ID is not a seq", "send the id of the last event")
    return int(last)
