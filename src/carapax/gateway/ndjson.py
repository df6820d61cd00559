"""Whole sessions as JSON lines over HTTP, read and written line by line: they may be longer than any other body."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import hdrs, web

from carapax.api.services import Services
from carapax.api.session import Session
from carapax.api.transfer import import_lines, note_export
from carapax.errors import InvalidRequest
from carapax.gateway.errors import TooLarge, TooSlow
from carapax.gateway.limits import invite
from carapax.gateway.responses import COMMON, respond_json

NDJSON = "application/x-ndjson"
LONGEST = 64_000_000
LONGEST_LINE = 16_000_000
"""A kept event has at most 1 MB of tool output, and JSON can escape each byte of it."""


def wanted(request: web.BaseRequest) -> bool:
    return NDJSON in request.headers.get(hdrs.ACCEPT, "")


def sent(request: web.BaseRequest) -> bool:
    return request.content_type == NDJSON


async def respond_export(request: web.BaseRequest, params: Session, services: Services) -> web.StreamResponse:
    """Write a session as it is read from the journal. Raises NotFound."""
    await note_export(services, params.session)
    response = web.StreamResponse(headers={**COMMON, hdrs.CONTENT_TYPE: NDJSON, hdrs.CACHE_CONTROL: "no-store"})
    await response.prepare(request)
    async for line in services.journal.export(params.session):
        await response.write(line)
    return response


async def respond_import(request: web.BaseRequest, services: Services) -> web.StreamResponse:
    """Make a session of the lines. Raises InvalidRequest naming the line that is wrong, TooLarge, TooSlow."""
    lines = _lines(request, services.config.limits.body_timeout_s)
    return respond_json(await import_lines(services, lines), 201)


async def _lines(request: web.BaseRequest, timeout_s: float) -> AsyncIterator[bytes]:
    """The body's lines; each piece of it must come within `timeout_s`."""
    await invite(request)
    rest, read = b"", 0
    while True:
        try:
            async with asyncio.timeout(timeout_s):
                chunk = await request.content.readany()
        except TimeoutError as error:
            raise TooSlow(f"nothing more of the body came within {timeout_s:g} s") from error
        except web.RequestPayloadError as error:
            raise InvalidRequest(f"the body cannot be read: {error}") from error
        if not chunk:
            break
        read += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        if read > LONGEST or len(rest) > LONGEST_LINE:
            raise TooLarge(f"a session has at most {LONGEST} bytes, and {LONGEST_LINE} in a line")
        for line in lines:
            yield line
    if rest:
        yield rest
