"""What is refused before it costs anything: too often, too much, too slow."""

import asyncio

from aiohttp import hdrs
from aiohttp.web import BaseRequest, RequestPayloadError
from msgspec import Struct

from carapax.config import LimitsConfig
from carapax.errors import InvalidRequest
from carapax.gateway.errors import TooLarge, TooSlow

HEAD_BYTES = 16_384
HEAD_FIELDS = 64
_QUICK_BYTES = 65_536


class HeadTooLarge(InvalidRequest):
    """More or longer header fields than are taken."""


def check_head(request: BaseRequest) -> None:
    """Raises for header fields that are too many or too long, not exactly one Host, and a target that is no path."""
    fields = request.raw_headers
    if len(fields) > HEAD_FIELDS or sum(len(name) + len(value) + 4 for name, value in fields) > HEAD_BYTES:
        raise HeadTooLarge(f"a request has at most {HEAD_FIELDS} header fields and {HEAD_BYTES} bytes of them")
    hosts = [value for name, value in fields if name.lower() == b"host"]
    if len(hosts) != 1 or not hosts[0].strip():
        raise InvalidRequest(f"a request has exactly one Host, not {len(hosts)}")
    if not request.raw_path.startswith("/"):
        raise InvalidRequest("the request target is not a path", "send GET /path, with the address in Host")


async def read_body(request: BaseRequest, limits: LimitsConfig, longest: int | None = None) -> bytes | bytearray:
    """The body as a whole, up to `longest` (default `limits.body_bytes`) bytes. Raises TooLarge, TooSlow,
    InvalidRequest."""
    longest = limits.body_bytes if longest is None else longest
    size = request.content_length
    if size is not None and size > longest:
        raise TooLarge(f"the body has {size} bytes, more than {longest}")
    await invite(request)
    deadline_s = limits.body_timeout_s * max(1.0, (longest if size is None else size) / _QUICK_BYTES)
    body = bytearray()
    try:
        async with asyncio.timeout(deadline_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > longest:
                    raise TooLarge(f"the body has more than {longest} bytes")
    except TimeoutError as error:
        raise TooSlow(f"the body did not come within {deadline_s:g} s") from error
    except RequestPayloadError as error:
        raise InvalidRequest(f"the body cannot be read: {error}") from error
    return body


async def invite(request: BaseRequest) -> None:
    """Tell a client that waits to be asked for its body to send it (RFC 9110, 10.1.1). Raises InvalidRequest."""
    expected = request.headers.get(hdrs.EXPECT)
    if expected is None:
        return
    if expected.lower() != "100-continue":
        raise InvalidRequest(f"Expect: {expected} cannot be met", "leave it out")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # What aiohttp counts here decides whether an answer has begun.
    request.writer.output_size = 0


def check_text(params: Struct, longest: int) -> None:
    """Raises TooLarge when the parameters have a text of more than `longest` bytes."""
    text = getattr(params, "text", "")
    if len(text) * 4 > longest and len(text.encode()) > longest:
        raise TooLarge(f"text has {len(text.encode())} bytes, more than {longest}", "shorten it, or put it into a file")
