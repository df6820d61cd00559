"""The gateway's one port: every request comes through `Gateway.handle`."""

import asyncio
import itertools
import resource
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from aiohttp import hdrs, web
from msgspec import Struct

from carapax.api import OPERATIONS, Operation, Services
from carapax.api.file import FileWanted
from carapax.api.message import Page
from carapax.api.session import Session
from carapax.contracts import Supervise
from carapax.errors import CarapaxError, InvalidRequest, RateLimited, Unavailable
from carapax.gateway import files, metrics, ndjson, openai, openapi, sse
from carapax.gateway.auth import Credential, Gate, changes, check_bind, permit
from carapax.gateway.connection import Listener
from carapax.gateway.embeddings import respond_embeddings
from carapax.gateway.encryption import AUTHORITY, respond_authority, respond_plain
from carapax.gateway.entrance import Entrance
from carapax.gateway.errors import MethodNotAllowed
from carapax.gateway.held import Held
from carapax.gateway.limits import check_head, read_body
from carapax.gateway.listening import listening
from carapax.gateway.peer import Peer
from carapax.gateway.responses import refusal, respond
from carapax.gateway.rest import Route, Routes, check_json_type, query_of, respond_operation
from carapax.gateway.rpc import Rpc
from carapax.gateway.static import Static
from carapax.gateway.stream import Socket, open_websocket
from carapax.gateway.tailnet import in_tailnet
from carapax.redaction import Secret
from carapax.throttle import Rate
from carapax.tls.names import is_named

P = TypeVar("P", bound=Struct)
STOP_S = 5.0
SPARE_FILES = 1024
_WEB = Path(__file__).parent.parent / "web"
_NAMED = {"/rpc": ("POST",), "/ws": ("GET",), **Entrance.PATHS}


class Gateway:
    """Everything that is served. `port` is known once it is open; `encrypted` is whether it takes TLS only."""

    def __init__(self, services: Services, local: Secret, supervise: Supervise) -> None:
        self.port = 0
        self.encrypted = services.certificates.context is not None
        self.held = Held(services.tokens, services.signins, services.owner)
        self._services = services
        self._supervise = supervise
        self._gate = Gate(
            services,
            local,
            lambda host: is_named(host, services.certificates.names) or host in services.tailscale.names,
        )
        self._entrance = Entrance(services, self._gate)
        self._routes = Routes(OPERATIONS)
        self._static = Static(_WEB)
        self._anonymous = Rate(lambda: services.config.limits.anonymous_per_minute)
        self._authenticated = Rate(lambda: services.config.limits.authenticated_per_minute)
        self._files = Rate(lambda: services.config.limits.static_per_minute)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Nothing of its body is read before it is known who asks."""
        try:
            check_head(request)
            peer = self._gate.peer(request)
            self._gate.check_ban(request, peer, asyncio.get_running_loop().time())
            self._gate.check_host(request, peer)
            response = await self._answer(request, peer)
        except CarapaxError as error:
            response = openai.refusal(error) if openai.serves(request.path) else refusal(error)
        if not response.prepared:
            self._allow_page(request, response)
        return response

    async def _answer(self, request: web.BaseRequest, peer: Peer) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        path = request.path
        if path in AUTHORITY and request.method in ("GET", "HEAD"):
            self._files.take(peer.address, now, "requests for files from this address")
            return respond_authority(request, self._services.certificates)
        if self.encrypted and not request.secure:
            return respond_plain(request)
        if self._static.has(path) and request.method in ("GET", "HEAD"):
            self._files.take(peer.address, now, "requests for files from this address")
            return self._static.respond(request)
        upgrade = path == "/ws"
        self._gate.check_origin(request, peer, changes=upgrade or changes(request))
        if request.method == "OPTIONS" and self._gate.allowed_origin(request):
            return respond(status=204)
        if path == "/health" and request.method in ("GET", "HEAD"):
            return respond(b'{"status":"ok"}')
        if path in _NAMED and request.method not in _NAMED[path]:
            raise MethodNotAllowed(f"{request.method} is not for {path}", _NAMED[path])
        if path in Entrance.PATHS:
            return await self._entrance.respond(request, peer)
        credential = await self._identify(request, peer, now)
        return await self._serve(request, credential)

    async def _identify(self, request: web.BaseRequest, peer: Peer, now: float) -> Credential:
        """Who asks; calls that show nothing, or nothing known, are counted by address."""
        try:
            credential = await self._gate.identify(request, peer)
        except CarapaxError as error:
            if not isinstance(error, RateLimited):
                self._anonymous.take(peer.address, now, "calls without a credential from this address")
            raise
        self._authenticated.take(credential.account, now, "calls")
        return credential

    async def _serve(self, request: web.BaseRequest, credential: Credential) -> web.StreamResponse:
        services = replace(self._services, caller=credential.caller)
        path = request.path
        if path == "/ws":
            return await self._socket(request, services, credential)
        if path == metrics.PATH:
            return await metrics.respond_metrics(request, services)
        if path == "/rpc":
            return await self._respond_rpc(request, services, credential)
        if openai.serves(path):
            return await self._respond_openai(request, services, credential)
        if path == "/api/openapi.json" and request.method == "GET":
            return respond(self._page)
        route = self._routes.find(request.method, request.raw_path)
        permit(credential.caller, route.operation)
        with self._hold(credential):
            return await self._respond_route(request, route, services)

    async def _respond_openai(
        self, request: web.BaseRequest, services: Services, credential: Credential
    ) -> web.StreamResponse:
        permit(credential.caller, OPERATIONS[openai.operation_of(request)])
        if request.path == openai.MODELS:
            return await openai.respond_models(services)
        with self._hold(credential):
            if request.path == openai.EMBEDDINGS:
                return await respond_embeddings(request, services)
            return await openai.respond_completion(request, services)

    async def _respond_route(self, request: web.BaseRequest, route: Route, services: Services) -> web.StreamResponse:
        """As JSON, or as a stream where an operation has such a form and the caller asks for it."""
        name = route.operation.name
        if name == "session.events" and sse.wanted(request):
            return await sse.respond_events(request, self._bind(request, route, Page), services)
        if name == "session.export" and ndjson.wanted(request):
            return await ndjson.respond_export(request, self._bind(request, route, Session), services)
        if name == "session.import" and ndjson.sent(request):
            return await ndjson.respond_import(request, services)
        if name == "file.add" and files.sent(request):
            return await files.respond_added(request, services)
        if name == "file.get" and files.wanted(request):
            return await files.respond_file(request, self._bind(request, route, FileWanted), services)
        return await respond_operation(request, route, services, self._supervise)

    def _bind(self, request: web.BaseRequest, route: Route, kind: type[P]) -> P:
        params = route.operation.bind({**query_of(request, route.operation.params), **route.fields}, strict=False)
        assert isinstance(params, kind)
        return params

    @cached_property
    def _page(self) -> bytes:
        return openapi.document(OPERATIONS)

    async def _respond_rpc(
        self, request: web.BaseRequest, services: Services, credential: Credential
    ) -> web.StreamResponse:
        check_json_type(request)
        limits = services.config.limits
        raw = bytes(await read_body(request, limits))
        rpc = Rpc(OPERATIONS, limits.json_depth, limits.message_bytes, self._supervise)
        with self._hold(credential):
            answer = await rpc.answer(raw, services, self._admitter(credential, counted=1))
        return respond(status=204) if answer is None else respond(answer)

    async def _socket(self, request: web.BaseRequest, services: Services, credential: Credential) -> web.StreamResponse:
        limits = services.config.limits
        if len(self.held) >= limits.sockets:
            raise Unavailable(f"{limits.sockets} connections are open", "try again later")
        _allow_files(limits.sockets + SPARE_FILES)
        ws = open_websocket(limits)
        if not ws.can_prepare(request):
            raise InvalidRequest("this is no WebSocket handshake", "connect with the ws scheme")
        await ws.prepare(request)
        transport = request.transport
        opened = Socket(ws, self._socket_rpc, services, self._admitter(credential, counted=0))
        try:
            with self.held.hold(credential, opened.drop):
                await opened.serve()
        finally:
            if transport is not None and transport.get_write_buffer_size():
                transport.abort()
        return ws

    def _socket_rpc(self) -> Rpc:
        limits = self._services.config.limits
        return Rpc(OPERATIONS, limits.json_depth, limits.socket_text_bytes, self._supervise)

    def _admitter(self, credential: Credential, *, counted: int) -> Callable[[Operation], None]:
        """Checks scope and rate of each operation of RPC requests, of which the first `counted` were counted before."""
        loop = asyncio.get_running_loop()
        uncounted = itertools.count(-counted)

        def admit(operation: Operation) -> None:
            permit(credential.caller, operation)
            if next(uncounted) >= 0:
                self._authenticated.take(credential.account, loop.time(), "calls")

        return admit

    @contextmanager
    def _hold(self, credential: Credential) -> Iterator[None]:
        """Cancels the request when its credential ends, should it take that long."""
        task = asyncio.current_task()
        assert task is not None
        with self.held.hold(credential, task.cancel):
            yield

    def _allow_page(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Let pages of `gateway.allowed_origins` read the answer (https://fetch.spec.whatwg.org/#http-cors-protocol)."""
        origin = self._gate.allowed_origin(request)
        if origin:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "GET, POST, PATCH, DELETE"
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = "Authorization, Content-Type, Last-Event-ID"
            response.headers[hdrs.VARY] = hdrs.ORIGIN


@asynccontextmanager
async def open_gateway(services: Services, supervise: Supervise, *, local: Secret) -> AsyncGenerator[Gateway, None]:
    """Listen on the configured address until the block ends; open connections are then closed.

    `local` is the secret that commands of this start show. Raises ConfigError for an address that is not safe or not
    there, Unavailable when the port is taken.
    """
    config = services.config.gateway
    _allow_files(services.config.limits.sockets + SPARE_FILES)
    gateway = Gateway(services, local, supervise)
    set_up = gateway.encrypted and services.owner.code.is_open
    check_bind(config, guarded=set_up or await services.owner.guarded())
    server = Listener(metrics.measured(gateway.handle, services, gateway.held), lambda: services.config.limits)
    runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
    await runner.setup()
    watch = _watch(services, gateway)
    watching = asyncio.get_running_loop().create_task(supervise("watching", watch))
    try:
        async with (
            listening(
                runner,
                server,
                config.host,
                config.port,
                context=lambda: services.certificates.context,
                supervise=supervise,
            ) as gateway.port,
            in_tailnet(services, gateway.port, supervise, encrypted=gateway.encrypted),
        ):
            yield gateway
    finally:
        watching.cancel()
        try:
            gateway.held.drop_all()
        finally:
            await runner.cleanup()
            await asyncio.wait([watching])
            watch.close()  # where listening failed, it has not begun


async def _watch(services: Services, gateway: Gateway) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(gateway.held.watch())
        group.create_task(services.gauges.watch_loop())


def _allow_files(wanted: int) -> None:
    """Each connection is an open file; take as many as are wanted and the system gives without asking."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and now < wanted:
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, allowed), most))
