"""A chat platform outside of the gateway, over HTTP, and the channel extension that speaks to it.

The platform gives a message again until it is acknowledged, and now and then once more after that. It takes a reply
with a key it knows only once, and now and then fails before or after it took one.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web
from msgspec import Struct, field

from carapax.contracts import ChannelLimits, Submit
from carapax.errors import CarapaxError, InvalidRequest, Unavailable
from carapax.messages import Inbound, Outbound, Sender

POLL_S = 5.0
RETRY_S = 0.2


class Said(Struct):
    """Something a person said on the platform; the platform's `key` for it never changes."""

    key: str
    conversation: str
    sender: str
    text: str


class Sent(Struct):
    """A reply the platform was asked to post."""

    key: str
    conversation: str
    text: str


class Platform(Struct):
    """The platform's side. `taken` holds each reply once, in the order they came; `attempts` counts tries by key."""

    faults: random.Random | None = None
    waiting: dict[str, Said] = field(default_factory=dict)
    acknowledged: dict[str, Said] = field(default_factory=dict)
    taken: dict[str, Sent] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    altered: list[str] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def say(self, said: Said) -> None:
        """A person says something; the gateway will be given it until it acknowledges."""
        async with self.changed:
            self.waiting[said.key] = said
            self.changed.notify_all()

    def routes(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/updates", self._updates),
                web.post("/acknowledge/{key}", self._acknowledge),
                web.post("/send", self._send),
                web.get("/me", self._me),
            ]
        )
        return app

    async def _updates(self, request: web.Request) -> web.Response:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S), self.changed:
                await self.changed.wait_for(lambda: bool(self.waiting))
        updates = list(self.waiting.values())
        if self.acknowledged and self._chance(0.1):
            updates.append(list(self.acknowledged.values())[-1])
        return web.json_response([{name: getattr(said, name) for name in said.__struct_fields__} for said in updates])

    async def _me(self, request: web.Request) -> web.Response:
        return web.json_response({"name": "the gateway"})

    async def _acknowledge(self, request: web.Request) -> web.Response:
        async with self.changed:
            if said := self.waiting.pop(request.match_info["key"], None):
                self.acknowledged[said.key] = said
            self.changed.notify_all()
        return web.json_response({})

    async def _send(self, request: web.Request) -> web.Response:
        sent = Sent(**await request.json())
        self.attempts[sent.key] += 1
        if self._chance(0.05):
            return web.json_response({"error": "not taken"}, status=503)
        async with self.changed:
            if self.taken.setdefault(sent.key, sent) != sent:
                self.altered.append(sent.key)
            self.changed.notify_all()
        if self._chance(0.05):
            return web.json_response({"error": "taken, but you will not know"}, status=502)
        return web.json_response({"id": f"post-{sent.key}"})

    def _chance(self, likely: float) -> bool:
        return self.faults is not None and self.faults.random() < likely


@asynccontextmanager
async def serving(platform: Platform, port: int = 0) -> AsyncIterator[str]:
    """The platform's address while it is up."""
    runner = web.AppRunner(platform.routes(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The channel to the platform.

    url: where the platform is
    max_text: longest message it takes
    hasty: acknowledge before the gateway has kept a message: a bug, for programmes that must find it
    """

    url: str
    max_text: int = 4000
    hasty: bool = False


class ChatPlatform:
    """The channel: polls for what was said, acknowledges what was kept, posts replies with their keys."""

    def __init__(self, config: Config, name: str = "chat") -> None:
        self._config = config
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def limits(self) -> ChannelLimits:
        return ChannelLimits(max_text=self._config.max_text)

    async def __aenter__(self) -> "ChatPlatform":
        self._http = aiohttp.ClientSession(self._config.url, timeout=aiohttp.ClientTimeout(total=POLL_S * 2))
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._http.close()

    async def run(self, submit: Submit) -> None:
        while True:
            try:
                async with self._http.get("/updates") as response:
                    updates = [Said(**said) for said in await response.json()]
                for said in updates:
                    await self._accept(submit, said)
            except (aiohttp.ClientError, TimeoutError, CarapaxError):
                await asyncio.sleep(RETRY_S)

    async def _accept(self, submit: Submit, said: Said) -> None:
        inbound = Inbound(self._name, said.conversation, Sender(said.sender), said.text, dedupe_key=said.key)
        if self._config.hasty:
            await self._acknowledge(said)
            await asyncio.sleep(RETRY_S)
        await submit(inbound)
        await self._acknowledge(said)

    async def _acknowledge(self, said: Said) -> None:
        async with self._http.post(f"/acknowledge/{said.key}") as response:
            response.raise_for_status()

    async def check(self) -> str:
        try:
            async with self._http.get("/me") as response:
                name: str = (await response.json())["name"]
                return name
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{self._name} cannot be reached: {error}", "see whether it runs") from error

    async def send(self, message: Outbound) -> str:
        sent = {"key": message.key, "conversation": message.conversation, "text": message.text}
        try:
            async with self._http.post("/send", json=sent) as response:
                if response.status >= 500:
                    raise Unavailable(f"{self._name} answered {response.status}")
                if response.status >= 400:
                    raise InvalidRequest(f"{self._name} refused with {response.status}")
                receipt: str = (await response.json())["id"]
                return receipt
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{self._name} cannot be reached: {error}") from error


EXTENSION = ChatPlatform
