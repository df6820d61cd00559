"""`GET /metrics`, for Prometheus."""

import asyncio
from collections.abc import Awaitable, Callable, Sized

from aiohttp import hdrs, web

from carapax.api import Services, covers
from carapax.errors import Forbidden
from carapax.gateway import openai
from carapax.gateway.errors import MethodNotAllowed
from carapax.gateway.responses import respond
from carapax.logs.about import About, about
from carapax.telemetry.exposition import OPEN, TEXT
from carapax.telemetry.trace import coming_in

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
PATH = "/metrics"
_SIGN_IN = ("/login", "/logout", "/auth")


async def respond_metrics(request: web.BaseRequest, services: Services) -> web.Response:
    """All metrics, as OpenMetrics to those who take it. Raises Forbidden without the scope read."""
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(f"{request.method} is not for {PATH}", ("GET", "HEAD"))
    if not covers(services.caller.scopes, "read"):
        raise Forbidden("the metrics need the scope 'read'", "use a token that has it")
    as_open = "application/openmetrics-text" in request.headers.get(hdrs.ACCEPT, "")
    text = await services.gauges.written(as_open=as_open)
    return respond(text.encode(), content_type=OPEN if as_open else TEXT)


def measured(handle: Handle, services: Services, held: Sized) -> Handle:
    """The same, with every request counted, given a name, which its answer bears, and timed. `held` are the requests
    and connections that are open."""
    requests, clock = services.gauges.meters.requests, services.clock
    services.gauges.meters.connections.read = lambda: len(held)

    async def handle_measured(request: web.BaseRequest) -> web.StreamResponse:
        time = asyncio.get_running_loop().time
        began, status, name = time(), "gone", clock.new_id()
        try:
            with about(About(request=name)), coming_in(_traceparent(request)):
                response = await handle(request)
            status = str(response.status)
            if not response.prepared:
                response.headers["X-Request-Id"] = name
            return response
        finally:
            requests.observe((route_of(request.path), status), time() - began)

    return handle_measured


def _traceparent(request: web.BaseRequest) -> str:
    """Of a call; what comes over a WebSocket is no part of the call that opened it."""
    return "" if request.path == "/ws" else request.headers.get("traceparent", "")


def route_of(path: str) -> str:
    """What a request is for, in one of a few words."""
    if path in ("/ws", "/rpc", PATH):
        return path
    if path.startswith(_SIGN_IN):
        return "sign-in"
    if openai.serves(path):
        return "/v1"
    return "/api" if path.startswith("/api/") or path in ("/health", "/status") else "page"
