"""S12: what a page of another site, or a name that was pointed at this address, gets done through a browser.

The requests are those of browsers (https://fetch.spec.whatwg.org), written to a socket: with the cookie of an admin,
and to a gateway that is free on this machine.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import product
from typing import NamedTuple

import pytest

from carapax.config import Config, GatewayConfig
from carapax.gateway.auth import Gate
from carapax.store.audit import Actor
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.gateway.raw import connect, statuses
from tests.proof.figures import Figure, bound, shown
from tests.running import run

DESK = "https://desk.example"
SITES = Config(gateway=GatewayConfig(port=0, allowed_origins=(DESK,), allowed_hosts=("desk.example",)))
ORIGINS = [
    "https://evil.example",
    "http://evil.example:{port}",
    "null",
    "http://localhost:1",
    "http://127.0.0.1",
    "http://127.0.0.2:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://evil.example#127.0.0.1:{port}",
    "http://127.0.0.1:{port}@evil.example",
    "http://evil.example/127.0.0.1:{port}",
    "file://",
    "chrome-extension://abcdefghijklmnop",
    "moz-extension://127.0.0.1:{port}",
    "https://desk.example.evil.example",
    "https://desk.example:444",
    "http://desk.example",
    "https://evildesk.example",
    "http://[::1]:{port}",
    "http://0.0.0.0:{port}",
    "",
]
FETCHED = [
    {},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
]
REFERERS = [
    "https://evil.example/page",
    "https://evil.example/?http://127.0.0.1:{port}/",
    "http://127.0.0.1/",
    "http://127.0.0.1:{port}.evil.example/",
    "https://desk.example.evil.example/",
    "about:blank",
]
NAMES = [
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example",
    "127.0.0.1.evil.example:{port}",
    "127-0-0-1.rebind.example",
    "desk.example.evil.example",
    "10.0.0.1:{port}",
    "192.168.0.1",
    "0.0.0.0:{port}",
    "[::2]:{port}",
    "localhost@evil.example",
    "evil.example#localhost",
    "2130706433:{port}",
    "0x7f000001:{port}",
    "127.1:{port}",
    "localhost.localdomain",
]
"""Names that somebody may point at this address: their pages are of the same origin as what they then call."""
CHANGES = [
    ("POST", "/api/sessions", "application/json", '{"title": "planted"}'),
    ("POST", "/api/sessions", "text/plain", '{"title": "planted"}'),
    ("POST", "/rpc", "application/json", '{"jsonrpc":"2.0","id":1,"method":"session.create","params":{}}'),
    ("POST", "/rpc", "text/plain", '{"jsonrpc":"2.0","id":1,"method":"session.create","params":{}}'),
    (
        "POST",
        "/v1/chat/completions",
        "application/json",
        '{"model":"carapax","messages":[{"role":"user","content":"a"}]}',
    ),
    ("POST", "/login", "application/json", '{"token": "SECRET"}'),
    ("POST", "/logout", "application/json", "{}"),
    ("POST", "/auth/setup", "application/json", '{"code": "CODE"}'),
    ("POST", "/auth/setup", "text/plain", '{"code": "CODE"}'),
    ("POST", "/auth/password", "application/json", '{"password": "PASSWORD"}'),
    ("POST", "/auth/passkey/begin", "application/json", "{}"),
    ("POST", "/auth/passkey/finish", "application/json", '{"credential": {}}'),
    ("POST", "/api/owner/password", "application/json", '{"new": "another battery"}'),
    ("POST", "/api/owner/sign-out", "application/json", "{}"),
    ("DELETE", "/api/tokens/TOKEN", "application/json", ""),
    ("POST", "/api/tokens", "application/x-www-form-urlencoded", "name=planted"),
]
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Attempt(NamedTuple):
    host: str
    headers: dict[str, str]


def attempts() -> Iterator[Attempt]:
    """What a browser says of where a request comes from, when it comes from a page that is not ours."""
    for origin, fetched in product(ORIGINS, FETCHED):
        yield Attempt("127.0.0.1:{port}", {"Origin": origin, **fetched})
    for referer, fetched in product(REFERERS, FETCHED[:3]):
        yield Attempt("127.0.0.1:{port}", {"Referer": referer, **fetched})
    for fetched in FETCHED[1:4]:
        yield Attempt("127.0.0.1:{port}", fetched)
        yield Attempt("127.0.0.1:{port}", {"Origin": "http://127.0.0.1:{port}", **fetched})
    for name in NAMES:
        for headers in ({}, {"Origin": f"http://{name}", "Sec-Fetch-Site": "same-origin"}):
            yield Attempt(name, headers)


@asynccontextmanager
async def opened(*, free: bool) -> AsyncGenerator[tuple[GatewayClient, str, str], None]:
    """A gateway, and the token and secret of an admin, or nothing where it is free."""
    async with gateway_client(lambda request: "said", config=SITES) as gateway:
        if free:
            yield gateway, "none", ""
        else:
            token, secret = await gateway.services.tokens.create("admin", ("admin",))
            yield gateway, token.id, secret.reveal()


async def cookie_of(gateway: GatewayClient) -> dict[str, str]:
    """That of an owner who has just signed in."""
    _, secret = await gateway.services.signins.create("password", Actor("owner"))
    return {"Cookie": f"carapax-{gateway.gateway.port}={secret.reveal()}"}


async def ask(gateway: GatewayClient, attempt: Attempt, head: str, more: dict[str, str], body: str = "") -> int:
    port = gateway.gateway.port
    headers = {**attempt.headers, **more}
    lines = [head, f"Host: {attempt.host}", *(f"{name}: {value}" for name, value in headers.items())]
    text = "\r\n".join(lines).replace("{port}", str(port)) + "\r\n\r\n" + body
    async with connect(gateway.url) as connection:
        connection.send(text.encode())
        return statuses(await connection.read_head())[0]


async def accepted(*, free: bool) -> tuple[int, list[tuple[str, Attempt, int]]]:
    tried, got_in = 0, list[tuple[str, Attempt, int]]()
    async with opened(free=free) as (gateway, token, secret):
        code = gateway.services.owner.code.make().reveal()
        cookie = await cookie_of(gateway) if secret else {}
        for attempt in attempts():
            status = await ask(gateway, attempt, "GET /ws HTTP/1.1", {**UPGRADE, **cookie})
            if status < 400:
                got_in.append(("upgrade", attempt, status))
            for method, path, kind, body in CHANGES:
                body = body.replace("SECRET", secret).replace("CODE", code)
                more = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **cookie}
                status = await ask(gateway, attempt, f"{method} {path.replace('TOKEN', token)} HTTP/1.1", more, body)
                if status < 400:
                    got_in.append((f"{method} {path}", attempt, status))
            tried += 1 + len(CHANGES)
        if await gateway.services.journal.sessions(limit=1):
            got_in.append(("a session was made", Attempt("", {}), 0))
        if not free and await gateway.services.tokens.check(secret) is None:
            got_in.append(("a token was revoked", Attempt("", {}), 0))
        if len(await gateway.services.signins.list()) != (not free) or not gateway.services.owner.code.is_open:
            got_in.append(("somebody signed in or out, or used the code", Attempt("", {}), 0))
    return tried, got_in


def test_no_page_of_another_site_changes_anything_or_opens_a_websocket() -> None:
    async def main() -> tuple[int, list[tuple[str, Attempt, int]]]:
        free, guarded = await accepted(free=True), await accepted(free=False)
        return free[0] + guarded[0], free[1] + guarded[1]

    tried, got_in = run(main(), within_s=120)
    number = len(list(attempts()))
    what = f"browser-borne: {number} origins, hosts and referers, changes or upgrades taken"
    shown(Figure("S12", what, bound(len(got_in), tried), "0", not got_in))
    assert got_in == []
    assert number >= 150


def test_our_own_page_is_let_in() -> None:
    """Else nothing above would mean anything."""

    async def main() -> list[int]:
        own = [
            Attempt("127.0.0.1:{port}", {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}),
            Attempt("desk.example", {"Origin": DESK}),
            Attempt("127.0.0.1:{port}", {}),
        ]
        async with opened(free=True) as (gateway, _, _):
            found = [await ask(gateway, each, "GET /ws HTTP/1.1", UPGRADE) for each in own]
            for method, path, kind, body in CHANGES[:1]:
                more = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
                found += [await ask(gateway, each, f"{method} {path} HTTP/1.1", more, body) for each in own]
            return found

    assert run(main()) == [101] * 3 + [201] * 3


@pytest.mark.parametrize("guard", ["check_host", "check_origin"])
def test_a_guard_that_is_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch, guard: str) -> None:
    monkeypatch.setattr(Gate, guard, lambda *given, **named: None)
    monkeypatch.setattr(f"{__name__}.ORIGINS", ORIGINS[:2])
    monkeypatch.setattr(f"{__name__}.CHANGES", CHANGES[:1])
    _, got_in = run(accepted(free=True), within_s=60)
    assert {"upgrade", "POST /api/sessions", "a session was made"} <= {what for what, _, _ in got_in}
