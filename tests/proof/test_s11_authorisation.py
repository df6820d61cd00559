"""S11: every operation, by every way in, with every credential: who lacks the scope is refused.

What each operation needs is written here a second time, so that one that is declared with too low a scope is found.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from carapax.api import OPERATIONS, Operation
from carapax.api.operation import Scope
from carapax.config import Config, GatewayConfig, LimitsConfig
from carapax.store.audit import Actor
from carapax.testing.gateway import LOCAL_SECRET, GatewayClient, gateway_client
from tests.proof.figures import Figure, bound, shown
from tests.running import run

SCOPES = ("read", "write", "approve", "admin")
ADMIN = {"token", "secret", "audit", "ban", "doctor", "log", "owner", "passkey", "signin", "tailscale"}
"""Resources that only an admin may so much as look at."""
NEEDS = {
    "agents.stop": "write",
    "agents.release": "admin",
    "agent.persona": "admin",
    "setup.status": "admin",
    "setup.finish": "admin",
    "agent.set_persona": "admin",
    "approval.answer": "approve",
    "channel.check": "admin",
    "config.set": "admin",
    "config.reload": "admin",
    "grant.remove": "approve",
    "session.vouch": "approve",
    "workspace.vouch": "approve",
    "model.recover": "admin",
    "model.refresh": "admin",
    "provider.add": "admin",
    "provider.remove": "admin",
}
READS = {"session.subscribe", "session.unsubscribe", "policy.test"}
"""Without a path, or with parameters that fit into no address, and so without a method that says so."""
OTHERS = [
    ("GET", "/v1/models", "read"),
    ("POST", "/v1/chat/completions", "write"),
    ("POST", "/v1/embeddings", "write"),
    ("GET", "/api/openapi.json", "read"),
    ("POST", "/rpc", "read"),
    ("GET", "/none", "read"),
    ("GET", "/api/none", "read"),
    ("GET", "/v1/none", "read"),
]
CREDENTIALS = 18
REFUSED = {401, 403, 429}
OPEN = Config(gateway=GatewayConfig(port=0), limits=LimitsConfig(anonymous_per_minute=100_000))
UNKNOWN = {"unknown-parameter": 1}


def needed(operation: Operation) -> str:
    """What it must need at least: an admin's scope for what is an admin's, write for whatever can change something."""
    if operation.name in NEEDS:
        return NEEDS[operation.name]
    if operation.name.split(".")[0] in ADMIN:
        return "admin"
    return "read" if operation.name in READS or (operation.method == "GET" and operation.paths) else "write"


def covers(credential: str, scope: str) -> bool:
    held = {"local": "admin", "owner": "admin", "reader": "read"}.get(credential, credential)
    return held in SCOPES and SCOPES.index(held) >= SCOPES.index(scope)


@asynccontextmanager
async def guarded() -> AsyncGenerator[tuple[GatewayClient, dict[str, dict[str, str]]], None]:
    async with gateway_client(config=OPEN) as gateway:
        secrets = {"wrong": "cpx_wrong", "empty": "", "local": LOCAL_SECRET}
        for scope in SCOPES:
            secrets[scope] = (await gateway.services.tokens.create(scope, (scope,)))[1].reveal()
        revoked, secret = await gateway.services.tokens.create("revoked", ("admin",))
        await gateway.services.tokens.revoke(revoked.id)
        secrets |= {"revoked": secret.reveal(), "cut": secrets["admin"][:-1], "longer": secrets["admin"] + "x"}
        credentials = {name: {"Authorization": f"Bearer {secret}"} for name, secret in secrets.items()}
        credentials |= {
            "none": {},
            "basic": {"Authorization": "Basic YTpi"},
            "claims": {"X-Scopes": "admin", "X-Carapax-Token": secrets["admin"], "X-Forwarded-User": "admin"},
            "cookie of a revoked one": {"Cookie": f"{cookie(gateway)}={secrets['revoked']}"},
            "token as a cookie": {"Cookie": f"{cookie(gateway)}={secrets['admin']}"},
        }
        credentials |= await signed_in(gateway)
        assert len(credentials) == CREDENTIALS
        yield gateway, credentials


async def signed_in(gateway: GatewayClient) -> dict[str, dict[str, str]]:
    """The cookies of an owner, of a browser that has shown a token of little scope, and of one that is out again."""
    signins, owner = gateway.services.signins, Actor("owner")
    (reader,) = [token.id for token in await gateway.services.tokens.list() if token.name == "read"]
    _, inside = await signins.create("password", owner)
    _, reading = await signins.create("token", owner, credential=reader)
    ended, out = await signins.create("passkey", owner)
    await signins.end(ended.id, owner)
    made = {"owner": inside, "reader": reading, "signed out": out}
    return {name: {"Cookie": f"{cookie(gateway)}={secret.reveal()}"} for name, secret in made.items()}


def cookie(gateway: GatewayClient) -> str:
    return f"carapax-{gateway.gateway.port}"


def path_of(operation: Operation, path: str) -> str:
    for field in operation.params.__struct_fields__:
        path = path.replace("{" + field + "}", "none-such")
    return path


def lift(gateway: GatewayClient) -> None:
    """Whoever shows wrong tokens is banned, which would hide whether they open anything."""
    gateway.services.bans.lift("127.0.0.1", asyncio.get_running_loop().time())
    for key in list(gateway.services.bans.all(0)):
        gateway.services.bans.lift(key, 0)


async def over_rest(gateway: GatewayClient, operation: Operation, headers: dict[str, str]) -> Iterator[bool]:
    """Whether each of its paths is open. Parameters that nobody knows keep it from being done."""
    opened = []
    for path in operation.paths:
        given = {"params": UNKNOWN} if operation.method == "GET" else {"json": UNKNOWN}
        async with gateway.call(operation.method, path_of(operation, path), headers=headers, **given) as response:
            opened.append(response.status not in REFUSED)
    return iter(opened)


async def over_rpc(gateway: GatewayClient, operation: Operation, headers: dict[str, str]) -> Iterator[bool]:
    """Whether it is open alone and in a batch, where it comes after one that is open to all who are in."""
    one = {"jsonrpc": "2.0", "id": 1, "method": operation.name, "params": UNKNOWN}
    opened = []
    for request in (one, [{**one, "id": 2, "method": "health", "params": {}}, one]):
        async with gateway.call("POST", "/rpc", json=request, headers=headers) as response:
            answer = await response.json(content_type=None)
            last = answer[-1] if isinstance(answer, list) else answer
            opened.append(response.status == 200 and last.get("error", {}).get("code") != -32003)
    return iter(opened)


async def over_websocket(gateway: GatewayClient, headers: dict[str, str]) -> Iterator[tuple[str, bool]]:
    opened = []
    try:
        async with gateway.socket(headers=headers) as socket:
            for name in OPERATIONS:
                try:
                    await socket.rpc(name, **UNKNOWN)
                except RuntimeError as error:
                    opened.append((name, '"code":-32003' not in str(error)))
    except WSServerHandshakeError:
        opened = [(name, False) for name in OPERATIONS]
    return iter(opened)


async def matrix() -> tuple[int, list[tuple[str, str, str]]]:
    """How much was tried, and where the answer was another than it must be."""
    tried, wrong = 0, list[tuple[str, str, str]]()

    def judge(way: str, name: str, scope: str, credential: str, opened: bool) -> None:
        nonlocal tried
        tried += 1
        if opened != covers(credential, scope):
            wrong.append((way, name, credential))

    async with guarded() as (gateway, credentials):
        for operation, (credential, headers) in product(list(OPERATIONS.values()), credentials.items()):
            scope = needed(operation)
            for opened in await over_rest(gateway, operation, headers):
                if operation.name != "health":  # over REST it is open to all
                    judge("REST", operation.name, scope, credential, opened)
            for opened in await over_rpc(gateway, operation, headers):
                judge("RPC", operation.name, scope, credential, opened)
            lift(gateway)
        for credential, headers in credentials.items():
            for name, opened in await over_websocket(gateway, headers):
                judge("WebSocket", name, needed(OPERATIONS[name]), credential, opened)
            for method, path, scope in OTHERS:
                given: dict[str, Any] = {} if method == "GET" else {"json": {}}
                async with gateway.call(method, path, headers=headers, **given) as response:
                    judge(path, method, scope, credential, response.status not in REFUSED)
            lift(gateway)
    return tried, wrong


def test_who_lacks_the_scope_is_refused_at_every_way_in() -> None:
    tried, wrong = run(matrix())
    without = [operation.name for operation in OPERATIONS.values() if operation.scope not in SCOPES]
    shown(
        Figure(
            "S11",
            f"authorisation: {len(OPERATIONS)} operations by 5 ways with {CREDENTIALS} credentials: not as declared",
            bound(len(wrong), tried),
            "0",
            not wrong,
        )
    )
    shown(Figure("S11", "operations without a scope", f"{len(without)}", "0", not without))
    assert (wrong, without) == ([], [])
    assert tried > 2_000


@pytest.mark.parametrize(("name", "scope"), [("token.create", "write"), ("tools.execute", "read")])
def test_an_operation_with_too_low_a_scope_is_found(monkeypatch: pytest.MonkeyPatch, name: str, scope: Scope) -> None:
    planted = replace(OPERATIONS[name], scope=scope)
    monkeypatch.setattr(f"{__name__}.OTHERS", [])
    whole = dict(OPERATIONS)
    OPERATIONS.clear()
    OPERATIONS.update({"health": whole["health"], name: planted})
    try:
        _, wrong = run(matrix())
    finally:
        OPERATIONS.clear()
        OPERATIONS.update(whole)
    assert {found for _, found, _ in wrong} == {name}
