"""Files as they are over HTTP: bytes in, bytes out."""

from urllib.parse import quote

from aiohttp import hdrs, web

from carapax.api.file import AddFile, FileWanted, save
from carapax.api.services import Services
from carapax.gateway.limits import read_body
from carapax.gateway.responses import COMMON, respond_json
from carapax.gateway.rest import query_of
from carapax.mediatype import IMAGES

_JSON = "application/json"
_SEALED = "default-src 'none'; sandbox"


def sent(request: web.BaseRequest) -> bool:
    """Whether the body is the file itself."""
    return hdrs.CONTENT_TYPE in request.headers and request.content_type != _JSON


def wanted(request: web.BaseRequest) -> bool:
    """Whether the file itself is asked for."""
    return _JSON not in request.headers.get(hdrs.ACCEPT, "")


async def respond_added(request: web.BaseRequest, services: Services) -> web.Response:
    """Keep the body. Raises InvalidRequest, TooLarge, TooSlow."""
    query = query_of(request, AddFile)
    data = await read_body(request, services.config.limits, services.config.limits.attachment_bytes)
    return respond_json(await save(services, str(query.get("name", "")), data, request.content_type), 201)


async def respond_file(request: web.BaseRequest, params: FileWanted, services: Services) -> web.StreamResponse:
    """The file, which is shown in place only if it is an image; nothing in it can run. Raises NotFound."""
    found = await services.files.find(params.digest)
    shown = "inline" if found.media_type in IMAGES else "attachment"
    headers = {
        hdrs.CONTENT_DISPOSITION: f"{shown}; filename*=UTF-8''{quote(found.digest[:16])}",
        hdrs.CACHE_CONTROL: "private, max-age=31536000, immutable",
        "Content-Security-Policy": _SEALED,
    }
    response = web.StreamResponse(headers={**COMMON, **headers, hdrs.CONTENT_TYPE: found.media_type})
    response.content_length = found.size
    await response.prepare(request)
    async for piece in services.files.pieces(params.digest):
        await response.write(piece)
    return response
