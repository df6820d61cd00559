"""A whole gateway in this process, and a client that speaks to it through its port."""

import asyncio
import itertools
import ssl
import tempfile
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientResponse, ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType
from msgspec.structs import replace

from carapax.api import Services
from carapax.app import open_app, supervise
from carapax.clock import Clock
from carapax.config import Config, FactsConfig, GatewayConfig, Home
from carapax.configdoc import written
from carapax.configfile import NO_FILE, Source
from carapax.contracts import Tool
from carapax.gateway.server import Gateway, open_gateway
from carapax.redaction import Secret
from carapax.testing.models import OneProvider
from carapax.testing.provider import Script, ScriptedProvider

_NOWHERE = FactsConfig("http://127.0.0.1:1/no-table")
LOCAL_SECRET = "local-secret-of-this-start"


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """A gateway that is open, and ways to call it. `url` has no slash at its end."""

    url: str
    http: ClientSession
    services: Services
    gateway: Gateway
    model: ScriptedProvider

    async def rpc(self, method: str, /, **params: object) -> Any:
        """The result of a JSON-RPC call over HTTP. Raises RuntimeError with the error it was answered with."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.http.post(f"{self.url}/rpc", json=request) as response:
            return _result(await response.json(content_type=None))

    @asynccontextmanager
    async def call(self, method: str, path: str, **options: Any) -> AsyncGenerator[ClientResponse, None]:
        """Any request; `options` are those of `aiohttp.ClientSession.request`."""
        async with self.http.request(method, self.url + path, **options) as response:
            yield response

    @asynccontextmanager
    async def socket(self, **options: Any) -> AsyncGenerator["SocketClient", None]:
        """A WebSocket; `options` are those of `aiohttp.ClientSession.ws_connect`."""
        async with self.http.ws_connect(f"{self.url}/ws", **options) as ws:
            yield SocketClient(ws)


class SocketClient:
    """JSON-RPC over one WebSocket. Events that come while an answer is awaited are kept for `event`."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.ws = ws
        self._ids = itertools.count(1)
        self._events: list[dict[str, Any]] = []

    async def rpc(self, method: str, /, **params: object) -> Any:
        """The result of a call. Raises RuntimeError with the error it was answered with."""
        request_id = next(self._ids)
        await self.ws.send_json({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        while True:
            message = await self._receive()
            if message.get("id") == request_id:
                return _result(message)
            self._events.append(message["params"])

    async def event(self) -> dict[str, Any]:
        """The next envelope that was sent."""
        if self._events:
            return self._events.pop(0)
        params: dict[str, Any] = (await self._receive())["params"]
        return params

    async def events_until(self, kind: str) -> list[dict[str, Any]]:
        """Envelopes up to and with the first event of a kind."""
        seen = [await self.event()]
        while seen[-1]["event"]["kind"] != kind:
            seen.append(await self.event())
        return seen

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            message = await self.ws.receive()
        if message.type is not WSMsgType.TEXT:
            raise ConnectionError(f"closed with {self.ws.close_code}: {message.extra}")
        answer: dict[str, Any] = msgspec.json.decode(message.data)
        return answer


@asynccontextmanager
async def gateway_client(
    script: Script = (),
    *,
    config: Config | None = None,
    tools: Iterable[Tool] = (),
    home: Path | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncGenerator[GatewayClient, None]:
    """Open a gateway on a free port of this machine, whose model answers from `script`, on a temporary home unless one
    is given. It fetches nothing from outside unless it is told from where. `tools` come on top of its own. Everything
    is closed and removed at the end."""
    config = config or Config(gateway=GatewayConfig(port=0))
    if config.facts == FactsConfig():
        config = replace(config, facts=_NOWHERE)
    model = ScriptedProvider(script)
    with tempfile.TemporaryDirectory(prefix="carapax-") as folder:
        place = Home.resolve(home or Path(folder), None, None, {})
        said = None if place.config_file.exists() else written(msgspec.to_builtins(config, enc_hook=_revealed))
        async with (
            open_app(
                config,
                place,
                environ=environ or {},
                source=None if said is None else Source(said, NO_FILE),
                clock=clock,
                models=OneProvider(model),
                tools=tools,
            ) as services,
            open_gateway(services, supervise, local=Secret(LOCAL_SECRET)) as gateway,
            ClientSession(connector=TCPConnector(ssl=_trusting(services.certificates.authority_pem))) as http,
        ):
            scheme = "https" if gateway.encrypted else "http"
            yield GatewayClient(f"{scheme}://127.0.0.1:{gateway.port}", http, services, gateway, model)


def _trusting(authority: bytes) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cadata=authority.decode()) if authority else True


def _revealed(value: object) -> str:
    assert isinstance(value, Secret)
    return value.reveal()


def _result(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise RuntimeError(msgspec.json.encode(answer["error"]).decode())
    return answer["result"]
