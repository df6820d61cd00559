import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientError, ClientResponse, WSMsgType, WSServerHandshakeError

from carapax.api import OPERATIONS, Operation
from carapax.config import Config, GatewayConfig, LimitsConfig
from carapax.errors import ConfigError
from carapax.gateway.auth import check_bind
from carapax.store.audit import newest
from carapax.testing.gateway import LOCAL_SECRET, GatewayClient, gateway_client
from tests.gateway.raw import burst, connect, statuses
from tests.running import run

PAGE = "https://desk.example"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@asynccontextmanager
async def guarded() -> AsyncGenerator[tuple[GatewayClient, dict[str, dict[str, str]]], None]:
    """A gateway with tokens, and the headers of each kind of credential."""
    async with gateway_client() as gateway:
        tokens = gateway.services.tokens
        shown = {
            "none": {},
            "wrong": bearer("cpx_wrong"),
            "basic": {"Authorization": "Basic YTpi"},
            "empty": bearer(""),
        }
        for scope in ("read", "write", "approve", "admin"):
            _, secret = await tokens.create(scope, (scope,))
            shown[scope] = bearer(secret.reveal())
        revoked, secret = await tokens.create("revoked", ("admin",))
        await tokens.revoke(revoked.id)
        shown["revoked"] = bearer(secret.reveal())
        shown["local"] = bearer(LOCAL_SECRET)
        yield gateway, shown


CERTAIN = {"owner.code", "owner.password", "passkey.begin", "passkey.remove"}
"""What an admin may do who is certainly the owner: a token alone is not enough, whatever its scopes."""


def path_of(operation: Operation) -> str:
    path = operation.paths[0]
    for field in operation.params.__struct_fields__:
        path = path.replace("{" + field + "}", "none-such")
    return path


def expected(operation: Operation, shown: str) -> set[int]:
    """401 without a credential, 403 below the scope, and anything else once in: the parameters are empty."""
    order = ("read", "write", "approve", "admin")
    if operation.name == "health":
        return {200}
    if shown == "local":
        shown = "admin"
    if shown not in order:
        return {401, 429}
    if order.index(shown) < order.index(operation.scope):
        return {403}
    return {200, 201, 400, 404} | ({503} if operation.name == "model.refresh" else set())


def test_every_operation_has_a_scope() -> None:
    assert {operation.scope for operation in OPERATIONS.values()} <= {"read", "write", "approve", "admin"}
    assert all(operation.scope for operation in OPERATIONS.values())


def test_each_operation_over_rest_is_open_to_its_scope_and_nobody_else() -> None:
    async def main() -> list[tuple[str, str, int]]:
        wrong = []
        async with guarded() as (gateway, credentials):
            for operation in OPERATIONS.values():
                if not operation.paths:
                    continue
                for shown, headers in credentials.items():
                    async with gateway.call(operation.method, path_of(operation), headers=headers) as response:
                        allowed = expected(operation, shown) | ({403, 409} if operation.name in CERTAIN else set())
                        if response.status not in allowed:
                            wrong.append((operation.name, shown, response.status))
        return wrong

    assert run(main()) == []


async def rpc_code(gateway: GatewayClient, operation: Operation, headers: dict[str, str]) -> int:
    """The HTTP status where it is not 200, else the JSON-RPC code, or 0 for success."""
    request = {"jsonrpc": "2.0", "id": 1, "method": operation.name, "params": {"unknown-parameter": 1}}
    async with gateway.call("POST", "/rpc", json=request, headers=headers) as response:
        if response.status != 200:
            return response.status
        answer = await response.json()
        return int(answer.get("error", {}).get("code", 0))


def test_each_operation_over_rpc_is_open_to_its_scope_and_nobody_else() -> None:
    async def main() -> list[tuple[str, str, int]]:
        wrong = []
        told = {403: {-32003}, 401: {401, 429}, 200: {-32602}}
        async with guarded() as (gateway, credentials):
            for operation in OPERATIONS.values():
                for shown, headers in credentials.items():
                    status = min(expected(operation, shown))
                    if operation.name == "health" and shown not in ("read", "write", "approve", "admin", "local"):
                        status = 401
                    code = await rpc_code(gateway, operation, headers)
                    if code not in told[status]:
                        wrong.append((operation.name, shown, code))
        return wrong

    assert run(main()) == []


def test_each_operation_over_a_websocket_is_open_to_its_scope_and_nobody_else() -> None:
    async def main() -> list[tuple[str, str]]:
        wrong = []
        async with guarded() as (gateway, credentials):
            for shown in ("read", "write", "approve", "admin", "local"):
                async with gateway.socket(headers=credentials[shown]) as socket:
                    for operation in OPERATIONS.values():
                        try:
                            await socket.rpc(operation.name, **{"unknown-parameter": 1})
                        except RuntimeError as error:
                            refused = '"code":-32003' in str(error)
                            if refused != (expected(operation, shown) == {403}):
                                wrong.append((operation.name, shown))
        return wrong

    assert run(main()) == []


GUARDED = [("GET", "/ws"), ("POST", "/rpc"), ("GET", "/status"), ("GET", "/api/openapi.json"), ("GET", "/api/none")]
GUARDED += [("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/v1/none"), ("GET", "/none")]


@pytest.mark.parametrize("shown", ["none", "wrong", "basic", "empty", "revoked"])
def test_nothing_else_answers_without_a_credential(shown: str) -> None:
    async def main() -> set[tuple[int, str]]:
        found = set()
        async with guarded() as (gateway, credentials):
            for method, path in GUARDED:
                async with gateway.call(method, path, headers=credentials[shown]) as response:
                    found.add((response.status, response.headers["WWW-Authenticate"]))
        return found

    assert run(main()) == {(401, 'Bearer realm="carapax"')}


def test_health_the_page_and_log_in_need_no_credential() -> None:
    async def main() -> list[int]:
        async with guarded() as (gateway, credentials):
            found = []
            for path in ("/health", "/", "/index.html"):
                async with gateway.call("GET", path) as response:
                    found.append(response.status)
            secret = credentials["read"]["Authorization"].removeprefix("Bearer ")
            async with gateway.call("POST", "/login", json={"token": secret}) as response:
                found.append(response.status)
            return found

    assert run(main()) == [200, 200, 200, 204]


def test_this_machine_is_free_until_the_first_token_is_made() -> None:
    async def main() -> list[int]:
        async with gateway_client() as gateway:
            found = []
            for _ in range(2):
                async with gateway.call("GET", "/status") as response:
                    found.append(response.status)
                if len(found) == 1:
                    await gateway.rpc("token.create", name="first", scopes=["admin"])
            return found

    assert run(main()) == [200, 401]


def test_a_proxy_on_this_machine_is_not_this_machine() -> None:
    async def main() -> int:
        async with (
            gateway_client() as gateway,
            gateway.call("GET", "/status", headers={"X-Forwarded-For": "203.0.113.9"}) as response,
        ):
            return response.status

    assert run(main()) == 401


def test_the_cookie_of_log_in_opens_and_log_out_ends_it() -> None:
    async def main() -> tuple[list[int], str]:
        async with guarded() as (gateway, credentials):
            token = credentials["read"]["Authorization"].removeprefix("Bearer ")
            found = []
            async with gateway.call("POST", "/login", json={"token": token}) as response:
                name, _, rest = response.headers["Set-Cookie"].partition("=")
            assert name == f"carapax-{gateway.gateway.port}"
            secret, _, cookie = rest.partition("; ")
            assert secret.startswith("cps_")
            value = {"Cookie": f"{name}={secret}"}
            assert await shows(gateway, {"Cookie": f"{name}={token}"}) == 401
            assert await shows(gateway, bearer(secret)) == 401
            found.append(await shows(gateway, value))
            async with gateway.call("POST", "/logout", headers=value) as response:
                assert "Max-Age=0" in response.headers["Set-Cookie"]
                found.append(response.status)
            found.append(await shows(gateway, value))
            async with gateway.call("POST", "/login", json={"token": "cpx_wrong"}) as response:
                found.append(response.status)
            async with gateway.call("POST", "/login", json={"token": 1}) as response:
                found.append(response.status)
            return found, cookie

    found, cookie = run(main())
    assert found == [200, 204, 401, 401, 400]
    assert cookie == "HttpOnly; Max-Age=2592000; Path=/; SameSite=Strict"


async def shows(gateway: GatewayClient, headers: dict[str, str]) -> int:
    async with gateway.call("GET", "/status", headers=headers) as response:
        return response.status


def test_who_guesses_is_banned_and_who_is_in_stays_in() -> None:
    async def main() -> None:
        async with guarded() as (gateway, credentials):
            assert await shows(gateway, credentials["read"]) == 200
            found = [await shows(gateway, bearer(f"cpx_{number}_{'x' * 43}")) for number in range(12)]
            assert found == [401] * 10 + [429] * 2
            for path, status in (("/", 429), ("/health", 429), ("/login", 429)):
                async with gateway.call("GET", path) as response:
                    assert response.status == status
                    assert 290 < int(response.headers["Retry-After"]) <= 301
            assert await shows(gateway, credentials["read"]) == 200
            assert await shows(gateway, credentials["local"]) == 200
            assert await shows(gateway, credentials["admin"]) == 429
            gateway.services.bans.lift("127.0.0.1", asyncio.get_running_loop().time())
            assert await shows(gateway, credentials["admin"]) == 200
            entries = await newest(gateway.services.audit.database, kind="auth")
            kinds = [one.entry.kind for one in reversed(entries)]
            assert kinds == ["auth.accepted", *["auth.refused"] * 10, "auth.banned", "auth.accepted"]
            (ban,) = [one.entry.detail for one in entries if one.entry.kind == "auth.banned"]
            assert ban == {"banned": "127.0.0.1", "seconds": 300, "wrong": 10}

    run(main())


def test_guesses_at_the_same_time_are_counted_as_those_one_by_one() -> None:
    async def main() -> list[int]:
        async with guarded() as (gateway, _):
            guesses = (shows(gateway, bearer(f"cpx_{number}_{'x' * 43}")) for number in range(50))
            return sorted(await asyncio.gather(*guesses))

    assert run(main()) == [401] * 10 + [429] * 40


def test_a_token_that_was_right_and_is_revoked_is_no_guess() -> None:
    async def main() -> tuple[set[int], int]:
        async with guarded() as (gateway, credentials):
            made = [await gateway.services.tokens.create(f"short {number}", ("read",)) for number in range(12)]
            for token, secret in made:
                assert await shows(gateway, bearer(secret.reveal())) == 200
                await gateway.services.tokens.revoke(token.id)
            found = {await shows(gateway, bearer(secret.reveal())) for _, secret in made}
            return found, await shows(gateway, credentials["read"])

    assert run(main()) == ({401}, 200)


def test_calls_without_a_token_are_limited_by_address() -> None:
    async def main() -> int:
        async with guarded() as (gateway, _):

            async def ask() -> bool:
                async with gateway.call("GET", "/status") as response:
                    if response.status == 429:
                        assert 0 < int(response.headers["Retry-After"]) <= 2
                    else:
                        assert response.status == 401
                    return response.status == 401

            return await burst(ask, 60)

    assert run(main()) == 60


def test_the_socket_of_a_revoked_token_is_closed() -> None:
    async def main() -> tuple[WSMsgType, int | None]:
        async with guarded() as (gateway, _):
            token, secret = await gateway.services.tokens.create("short", ("read",))
            async with gateway.socket(headers=bearer(secret.reveal())) as socket:
                assert await socket.rpc("health") == {"status": "ok"}
                await gateway.services.tokens.revoke(token.id)
                async with asyncio.timeout(30):
                    message = await socket.ws.receive()
                return message.type, socket.ws.close_code

    assert run(main()) == (WSMsgType.CLOSE, 1008)


def test_a_free_socket_is_closed_when_the_first_token_is_made() -> None:
    async def main() -> int | None:
        async with gateway_client() as gateway, gateway.socket() as socket:
            await gateway.services.tokens.create("first", ("read",))
            async with asyncio.timeout(30):
                await socket.ws.receive()
            return socket.ws.close_code

    assert run(main()) == 1008


def test_a_stream_of_a_revoked_token_ends() -> None:
    async def main() -> bytes:
        async with guarded() as (gateway, _):
            token, secret = await gateway.services.tokens.create("short", ("write",))
            headers = {**bearer(secret.reveal()), "Accept": "text/event-stream"}
            session = await gateway.services.sessions.create()
            async with gateway.call("GET", f"/api/sessions/{session.id}/events", headers=headers) as response:
                first = await response.content.readline()
                await gateway.services.tokens.revoke(token.id)
                async with asyncio.timeout(30):
                    while await read_or_end(response):
                        pass
                return first

    assert run(main()) == b"id: 1\n"


async def read_or_end(response: ClientResponse) -> bytes:
    try:
        return await response.content.readany()
    except (OSError, ClientError):
        return b""


FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "file://"},
    {"Origin": "http://{host}.evil.example"},
    {"Origin": "http://evil.example#{host}"},
    {"Origin": "http://user@{host}"},
    {"Origin": "ftp://{host}"},
    {"Origin": "http://["},
    {"Referer": "https://evil.example/page"},
    {"Referer": "https://evil.example/?http://{host}/"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://{host}"},
]
OWN: list[dict[str, str]] = [
    {},
    {"Origin": "http://{host}"},
    {"Origin": "https://{host}"},
    {"Origin": PAGE},
    {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"},
    {"Referer": "http://{host}/"},
    {"Sec-Fetch-Site": "none"},
]
OTHER_HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "[::2]",
    "localhost@evil",
    "localhost:@evil.example",
    "localhost:1@evil.example",
    "localhost:abc",
    "localhost:99999",
    "[::1",
    "[::1]evil",
]
OWN_HOSTS = ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "127.0.0.5", "desk.example", "localhost."]
CHANGES = [("POST", "/rpc"), ("POST", "/api/sessions"), ("DELETE", "/api/tokens/none"), ("PATCH", "/api/sessions/none")]
CHANGES += [("POST", "/login"), ("POST", "/v1/chat/completions"), ("PUT", "/api/sessions"), ("POST", "/logout")]
SITES = Config(gateway=GatewayConfig(allowed_origins=(PAGE,), allowed_hosts=("desk.example",)))


async def status_of(gateway: GatewayClient, method: str, path: str, headers: dict[str, str]) -> int:
    host = gateway.url.removeprefix("http://")
    given = {name: value.replace("{host}", host) for name, value in headers.items()}
    options: dict[str, Any] = {} if method == "GET" else {"json": {}}
    async with gateway.call(method, path, headers=given, **options) as response:
        return response.status


def test_no_page_of_another_site_changes_anything() -> None:
    async def main() -> list[object]:
        async with gateway_client(config=SITES) as gateway:
            return [
                (method, path, headers, status)
                for method, path in CHANGES
                for headers in FOREIGN
                if (status := await status_of(gateway, method, path, headers)) != 403
            ]

    assert run(main()) == []


def test_no_page_of_another_site_opens_a_websocket() -> None:
    async def opens(gateway: GatewayClient, headers: dict[str, str]) -> int:
        host = gateway.url.removeprefix("http://")
        try:
            async with gateway.socket(headers={key: value.replace("{host}", host) for key, value in headers.items()}):
                return 101
        except WSServerHandshakeError as error:
            return error.status

    async def main() -> tuple[set[int], set[int]]:
        async with gateway_client(config=SITES) as gateway:
            return {await opens(gateway, headers) for headers in FOREIGN}, {
                await opens(gateway, headers) for headers in OWN
            }

    assert run(main()) == ({403}, {101})


def test_our_own_page_and_programs_are_let_in() -> None:
    async def main() -> set[int]:
        async with gateway_client(config=SITES) as gateway:
            return {await status_of(gateway, "POST", "/api/sessions", headers) for headers in OWN}

    assert run(main()) == {201}


def test_a_page_that_came_in_the_clear_is_another_than_the_one_that_did_not() -> None:
    async def main() -> list[int]:
        found = []
        config = Config(gateway=GatewayConfig(behind_proxy=("127.0.0.1",), allowed_hosts=("desk.example",)))
        async with gateway_client(config=config) as gateway:
            for origin, scheme in (("http", "https"), ("https", "https"), ("http", "http"), ("https", "")):
                headers = {"Host": "desk.example", "X-Forwarded-Proto": scheme, "X-Forwarded-For": "192.0.2.7"}
                found.append(
                    await status_of(gateway, "POST", "/logout", {**headers, "Origin": f"{origin}://desk.example"})
                )
        return found

    assert run(main()) == [403, 204, 204, 204]


def test_only_the_gateways_own_names_are_answered() -> None:
    async def main() -> tuple[set[int], set[int]]:
        async with gateway_client(config=SITES) as gateway:
            others = {
                await status_of(gateway, method, path, {"Host": host})
                for host in OTHER_HOSTS
                for method, path in [("GET", "/health"), ("GET", "/"), ("GET", "/auth"), ("POST", "/rpc")]
            }
            return others, {await status_of(gateway, "GET", "/status", {"Host": host}) for host in OWN_HOSTS}

    assert run(main()) == ({403}, {200})


def test_a_page_that_is_allowed_can_read_the_answers() -> None:
    async def main() -> list[tuple[int, str | None]]:
        async with gateway_client(config=SITES) as gateway:
            found = []
            for method, origin in [("OPTIONS", PAGE), ("GET", PAGE), ("OPTIONS", "https://evil.example"), ("GET", "")]:
                headers = {"Origin": origin} if origin else {}
                async with gateway.call(method, "/api/sessions", headers=headers) as response:
                    found.append((response.status, response.headers.get("Access-Control-Allow-Origin")))
            return found

    assert run(main()) == [(204, PAGE), (200, PAGE), (403, None), (200, None)]


def test_a_public_address_without_a_credential_is_refused() -> None:
    check_bind(GatewayConfig(host="127.0.0.1"), guarded=False)
    check_bind(GatewayConfig(host="0.0.0.0"), guarded=True)
    with pytest.raises(ConfigError, match=r"gateway\.host is 0\.0\.0\.0"):
        check_bind(GatewayConfig(host="0.0.0.0"), guarded=False)


def test_who_asks_is_known_before_the_body_is_read() -> None:
    async def main() -> bytes:
        async with guarded() as (gateway, _), connect(gateway.url) as connection:
            connection.send(
                b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000\r\nConnection: close\r\n\r\n"
            )
            return await connection.read_head()

    assert statuses(run(main())) == [401]


def test_errors_show_no_secret() -> None:
    async def main() -> str:
        async with (
            guarded() as (gateway, _),
            gateway.call("GET", "/status", headers=bearer("cpx_hunter2")) as response,
        ):
            return await response.text()

    assert "hunter2" not in run(main())


def test_calls_with_a_token_have_their_own_limit() -> None:
    async def main() -> tuple[list[bool], list[int]]:
        config = Config(limits=LimitsConfig(authenticated_per_minute=5))
        async with gateway_client(config=config) as gateway:
            _, secret = await gateway.services.tokens.create("one", ("read",))
            _, other = await gateway.services.tokens.create("other", ("read",))
            batch = [{"jsonrpc": "2.0", "id": number, "method": "health"} for number in range(7)]
            async with gateway.call("POST", "/rpc", json=batch, headers=bearer(secret.reveal())) as response:
                answered = ["result" in answer for answer in await response.json()]
            found = []
            for shown in (secret, other):
                async with gateway.call("GET", "/status", headers=bearer(shown.reveal())) as response:
                    found.append(response.status)
            return answered, found

    assert run(main()) == ([True] * 5 + [False] * 2, [429, 200])
