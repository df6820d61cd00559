"""placeholder"""

from aiohttp import web

from carapax.api.services import Services
from carapax.errors import CarapaxError
from carapax.gateway.responses import refusal as _refusal

OPERATION: dict[str, str] = {"/v1/chat/completions": "session.message", "/v1/models": "agent.list"}


def serves(path: str) -> bool:
    return path in OPERATION


def refusal(error: CarapaxError) -> web.Response:
    return _refusal(error)


async def respond(request: web.BaseRequest, services: Services) -> web.StreamResponse:
    raise NotImplementedError
