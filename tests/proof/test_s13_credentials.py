"""S13: the life of a credential: what is revoked is refused within a second, and guessing gets ten tries in five
minutes, for each account and each source, whatever else stands in the request."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import product
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector, WSServerHandshakeError

from carapax.config import Config, GatewayConfig, LimitsConfig
from carapax.gateway import held
from carapax.redaction import Secret
from carapax.store.audit import Actor
from carapax.testing import Pause
from carapax.testing.gateway import GatewayClient, gateway_client
from carapax.throttle import Bans
from tests.proof.figures import Figure, shown
from tests.running import run

OPEN = Config(gateway=GatewayConfig(port=0), limits=LimitsConfig(anonymous_per_minute=100_000))
WITHIN_S = 1.0
ALLOWED = 10


def bearer(secret: Secret) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret.reveal()}"}


@asynccontextmanager
async def opened() -> AsyncGenerator[GatewayClient, None]:
    """A gateway that needs tokens, whose model never answers."""
    async with gateway_client(lambda request: Pause(), config=OPEN) as gateway:
        await gateway.services.tokens.create("first", ("admin",))
        yield gateway


async def until_closed(read: Callable[[], Awaitable[object]]) -> None:
    """Read until the other side closes, in whatever way."""
    try:
        while await read():
            pass
    except (ClientError, ConnectionError):
        return


async def held_open(
    gateway: GatewayClient, headers: dict[str, str], stack: AsyncExitStack, group: asyncio.TaskGroup
) -> list[Callable[[], Any]]:
    """Everything that can stay open with a credential; each gives something true as long as it is served."""
    session = (await gateway.services.sessions.create()).id
    quiet = await stack.enter_async_context(gateway.socket(headers=headers))
    busy = await stack.enter_async_context(gateway.socket(headers=headers))
    events = await gateway.http.get(
        f"{gateway.url}/api/sessions/{session}/events", headers={**headers, "Accept": "text/event-stream"}
    )
    said = {"model": "carapax", "stream": True, "messages": [{"role": "user", "content": "a"}]}
    answer = await gateway.http.post(f"{gateway.url}/v1/chat/completions", json=said, headers=headers)
    waiting = group.create_task(waited(gateway, headers))
    stack.callback(events.close)
    stack.callback(answer.close)

    async def ask() -> bool:
        await asyncio.sleep(0.05)
        return bool(await busy.rpc("health"))

    async def hear() -> bool:
        return (await quiet.ws.receive()).type.name == "TEXT"

    async def wait() -> bool:
        await waiting
        return False

    return [ask, hear, events.content.readany, answer.content.readany, wait]


async def waited(gateway: GatewayClient, headers: dict[str, str]) -> None:
    with suppress(ClientError):
        async with gateway.call("POST", "/api/messages", json={"text": "a", "wait": True}, headers=headers):
            pass


async def outlived() -> list[str]:
    """What was served after its credential was revoked for a second: a token, a sign-in, one of a revoked token."""
    found = list[str]()
    async with opened() as gateway, asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        tokens, signins = gateway.services.tokens, gateway.services.signins
        token, secret = await tokens.create("short", ("write",))
        inside, first = await signins.create("password", Actor("owner"))
        _, second = await signins.create("token", Actor(token.id), credential=token.id)
        shown = [bearer(secret), cookie(gateway, first), cookie(gateway, second)]
        ways = [way for headers in shown for way in await held_open(gateway, headers, stack, group)]
        await tokens.revoke(token.id)
        await signins.end(inside.id, Actor("owner"))
        done = await asyncio.gather(*(_ends(way) for way in ways))
        found += [f"held {number}" for number, ended in enumerate(done) if not ended]
        doors = (("GET", "/status"), ("GET", "/ws"), ("POST", "/rpc"), ("GET", "/v1/models"))
        for (method, path), headers in product(doors, shown):
            async with gateway.call(method, path, headers=headers) as response:
                found += [] if response.status == 401 else [path]
        async with gateway.call("POST", "/login", json={"token": secret.reveal()}) as response:
            found += [] if response.status == 401 else ["/login"]
    return found


def cookie(gateway: GatewayClient, secret: Secret) -> dict[str, str]:
    return {"Cookie": f"carapax-{gateway.gateway.port}={secret.reveal()}"}


async def _ends(way: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(WITHIN_S):
            await until_closed(way)
    except TimeoutError:
        return False
    return True


def test_what_is_revoked_is_refused_within_a_second() -> None:
    found = run(outlived())
    shown(
        Figure("S13", "15 open connections and 13 doors, served 1 s after revocation", f"{len(found)}", "0", not found)
    )
    assert found == []


def test_a_revocation_that_nobody_watches_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "CHECK_S", 100.0)
    assert len(run(outlived())) >= 4


def test_a_token_cannot_be_widened_nor_come_back() -> None:
    async def main() -> list[int]:
        found = []
        async with opened() as gateway:
            tokens = gateway.services.tokens
            token, secret = await tokens.create("write", ("write",))
            widened = {"name": "mine", "scopes": ["admin"]}
            tries: list[dict[str, Any]] = [
                {"json": widened},
                {"json": {**widened, "scope": "admin"}},
                {"json": widened, "params": {"scope": "admin"}},
                {"json": widened, "headers": {"X-Scopes": "admin", "X-Carapax-Scope": "admin"}},
            ]
            for each in tries:
                headers = bearer(secret) | each.pop("headers", {})
                async with gateway.call("POST", "/api/tokens", headers=headers, **each) as response:
                    found.append(response.status)
            await tokens.revoke(token.id)
            _, new = await tokens.create("write", ("write",))
            for shown_secret in (
                secret,
                new,
                Secret(secret.reveal().split("_")[0] + "_" + new.reveal().split("_", 1)[1]),
            ):
                async with gateway.call("GET", "/status", headers=bearer(shown_secret)) as response:
                    found.append(response.status)
        return found

    assert run(main()) == [403, 403, 403, 403, 401, 200, 200]


EVASIONS: list[dict[str, Any]] = [
    {},
    {"headers": {"X-Forwarded-For": "203.0.113.{number}"}},
    {"headers": {"Forwarded": "for=203.0.113.{number}"}},
    {"headers": {"X-Real-IP": "203.0.113.{number}", "CF-Connecting-IP": "203.0.113.{number}"}},
    {"headers": {"User-Agent": "browser/{number}", "X-Device-Token": "{number}"}},
    {"params": {"deviceToken": "{number}"}},
    {"headers": {"Origin": "{url}", "Sec-Fetch-Site": "same-origin"}},
    {"path": "/api/sessions"},
    {"path": "/v1/models"},
    {"path": "/ws"},
    {"path": "/login", "json": {"token": "{secret}"}},
    {"path": "/login", "json": {"token": "{secret}"}, "params": {"deviceToken": "{number}"}},
    {"cookie": True},
    {"path": "/auth/password", "json": {"password": "{secret}"}},
    {"path": "/auth/setup", "json": {"code": "{secret}"}},
    {
        "path": "/auth/passkey/finish",
        "json": {"credential": {"id": "{secret}"}},
        "headers": {"Host": "localhost:{port}", "Origin": "http://localhost:{port}"},
    },
    {"lower": True},
    {"new": True},
]


def filled(value: Any, **words: object) -> Any:
    if isinstance(value, dict):
        return {key: filled(each, **words) for key, each in value.items()}
    return value.format(**words) if isinstance(value, str) else value


async def guess(gateway: GatewayClient, http: ClientSession, secret: str, number: int, evasion: dict[str, Any]) -> bool:
    """Show a wrong token in some way. Returns whether it was looked at."""
    given = filled(evasion, number=number, url=gateway.url, secret=secret, port=gateway.gateway.port)
    headers = given.get("headers", {})
    if "json" not in given:
        scheme = "bearer" if given.get("lower") else "Bearer"
        cookie = {"Cookie": f"carapax-{gateway.gateway.port}=cps_{secret}"}
        headers |= cookie if given.get("cookie") else {"Authorization": f"{scheme} {secret}"}
    if given.get("new"):
        headers["Connection"] = "close"
    path = given.get("path", "/status")
    if path == "/ws":
        try:
            async with http.ws_connect(gateway.url + path, headers=headers):
                return True
        except WSServerHandshakeError as refused:
            return refused.status == 401
    method = "POST" if "json" in given else "GET"
    options = {key: given[key] for key in ("json", "params") if key in given}
    async with http.request(method, gateway.url + path, headers=headers, **options) as response:
        return response.status not in (400, 429)


@asynccontextmanager
async def source(address: str) -> AsyncGenerator[ClientSession, None]:
    """A client at an address of this machine's network."""
    async with ClientSession(connector=TCPConnector(local_addr=(address, 0))) as http:
        yield http


async def looked_at(count: int) -> dict[str, int]:
    """How many guesses were looked at from one source, from one in parallel, at one account from many sources, and of
    those that come in one way only."""
    found = dict.fromkeys(("one source", "at the same time", "one account"), 0)
    async with opened() as gateway:
        async with source("127.0.7.1") as http:
            for number in range(count):
                secret = f"cpx_none{number}_{number:043}"
                found["one source"] += await guess(gateway, http, secret, number, EVASIONS[number % len(EVASIONS)])
        async with source("127.0.7.2") as http:
            many = (guess(gateway, http, f"cpx_some{number}_{number:043}", number, {}) for number in range(count))
            found["at the same time"] = sum(await asyncio.gather(*many))
        victim, _ = await gateway.services.tokens.create("victim", ("admin",))
        for place in range(count // 5):
            async with source(f"127.0.8.{place + 1}") as http:
                for number in range(5):
                    secret = f"cpx_{victim.id}_{place * 5 + number:043}"
                    found["one account"] += await guess(gateway, http, secret, number, {})
        for way, evasion in enumerate(EVASIONS, 1):
            async with source(f"127.0.9.{way}") as http:
                tries = [f"cpx_way{way}_{number:043}" for number in range(min(count, 30))]
                looked = [await guess(gateway, http, secret, number, evasion) for number, secret in enumerate(tries)]
            found[f"only {evasion}"] = sum(looked)
    return found


def test_ten_guesses_are_looked_at_in_five_minutes() -> None:
    found = run(looked_at(300), within_s=60)
    most = max(found.values())
    ways = f"of 300 by one source in {len(EVASIONS)} ways, of 30 in each way alone"
    what = f"guesses looked at {ways}, of 300 at once, of 300 at one account"
    shown(Figure("S13", what, f"{most}", f"{ALLOWED} in 5 min", most <= ALLOWED))
    assert found == dict.fromkeys(found, ALLOWED)


def test_a_limit_that_is_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bans, "fail", lambda *given, **named: 0.0)
    assert set(run(looked_at(30)).values()) == {30}


def test_a_right_token_is_not_told_from_a_wrong_one_during_a_ban() -> None:
    async def main() -> tuple[bool, bool]:
        async with opened() as gateway, source("127.0.7.3") as http:
            _, secret = await gateway.services.tokens.create("victim", ("admin",))
            for number in range(ALLOWED):
                assert await guess(gateway, http, f"cpx_none{number}_{number:043}", number, {})
            right = await guess(gateway, http, secret.reveal(), 0, {})
            async with source("127.0.7.4") as elsewhere:
                return right, await guess(gateway, elsewhere, secret.reveal(), 0, {})

    assert run(main()) == (False, True)
