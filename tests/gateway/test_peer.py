"""Where a request comes from, whatever it says of that itself."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, HttpVersion10, HttpVersion11

from carapax.config import Config, GatewayConfig
from carapax.gateway.peer import plain
from carapax.store.audit import LOCAL
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.running import run

OUTSIDE = "203.0.113.9"


@asynccontextmanager
async def behind(*proxies: str) -> AsyncGenerator[GatewayClient, None]:
    """A gateway with a setup code, whose sign-ins tell which address each counts as."""
    config = Config(gateway=GatewayConfig(behind_proxy=proxies, allowed_hosts=("gateway.example",)))
    async with gateway_client(config=config) as gateway:
        await gateway.services.tokens.create("first", ("read",))
        yield gateway


async def seen(gateway: GatewayClient, headers: dict[str, str], host: str = "") -> tuple[str, bool]:
    """The address that a sign-in with these headers has, and whether its cookie is for encrypted connections only."""
    code = gateway.services.owner.code.make().reveal()
    given = headers | ({"Host": host} if host else {})
    async with gateway.call("POST", "/auth/setup", json={"code": code}, headers=given) as response:
        assert response.status == 204, await response.text()
        secure = "Secure" in response.headers["Set-Cookie"]
    (signin,) = await gateway.services.signins.list()
    await gateway.services.signins.end(signin.id, LOCAL)
    return signin.address, secure


BELIEVED = [
    ({"X-Forwarded-For": OUTSIDE}, (OUTSIDE, False)),
    ({"X-Forwarded-For": OUTSIDE, "X-Forwarded-Proto": "https"}, (OUTSIDE, True)),
    ({"X-Forwarded-For": f"10.6.6.6, {OUTSIDE}", "X-Forwarded-Proto": "HTTPS"}, (OUTSIDE, True)),
    ({"X-Forwarded-For": f"{OUTSIDE}, 10.0.0.2, 127.0.0.1"}, (OUTSIDE, False)),
    ({"X-Forwarded-For": f"1.2.3.4, {OUTSIDE}, 10.0.0.2"}, (OUTSIDE, False)),
    ({"X-Forwarded-For": f"{OUTSIDE}:4711"}, (OUTSIDE, False)),
    ({"X-Forwarded-For": f"127.0.0.1, garbage, {OUTSIDE}"}, (OUTSIDE, False)),
    ({"X-Forwarded-For": "garbage"}, ("127.0.0.1", False)),
    ({"X-Forwarded-For": f"{OUTSIDE}, garbage, 10.0.0.2"}, ("10.0.0.2", False)),
    ({"X-Forwarded-For": "2001:db8::7"}, ("2001:db8::/64", False)),
    ({"X-Forwarded-For": "[2001:db8::7]:443"}, ("2001:db8::/64", False)),
    ({"X-Forwarded-For": f"::ffff:{OUTSIDE}"}, (OUTSIDE, False)),
    ({"Forwarded": f"for={OUTSIDE};proto=https"}, (OUTSIDE, True)),
    ({"Forwarded": f'for=10.9.9.9, for="{OUTSIDE}:80"; proto=http'}, (OUTSIDE, False)),
    ({"Forwarded": 'for="[2001:db8::7]:443";proto=https'}, ("2001:db8::/64", True)),
    ({"Forwarded": f'for="x, for={OUTSIDE}'}, (OUTSIDE, False)),
    ({"Forwarded": "for=_hidden;proto=https"}, ("127.0.0.1", True)),
    ({"Forwarded": f"for={OUTSIDE}", "X-Forwarded-For": OUTSIDE}, (OUTSIDE, False)),
    ({"X-Forwarded-For": OUTSIDE, "X-Forwarded-Proto": "https, http"}, (OUTSIDE, False)),
    ({}, ("127.0.0.1", False)),
]


def test_a_known_proxy_is_believed_about_the_last_address_that_is_none_of_ours() -> None:
    async def main() -> list[tuple[str, bool]]:
        async with behind("127.0.0.1", "10.0.0.0/24") as gateway:
            return [await seen(gateway, headers) for headers, _ in BELIEVED]

    assert run(main()) == [expected for _, expected in BELIEVED]


def test_nobody_else_is_believed() -> None:
    async def main() -> set[tuple[str, bool]]:
        async with behind("10.0.0.0/24") as gateway:
            return {await seen(gateway, headers) for headers, _ in BELIEVED}

    assert run(main()) == {("127.0.0.1", False)}


def test_a_proxy_that_says_two_things_is_refused() -> None:
    async def main() -> int:
        headers = {"Forwarded": f"for={OUTSIDE}", "X-Forwarded-For": "198.51.100.1"}
        async with behind("127.0.0.1") as gateway, gateway.call("GET", "/auth", headers=headers) as response:
            return response.status

    assert run(main()) == 400


@pytest.mark.parametrize(
    ("proxies", "host", "forwarded", "status"),
    [
        (("127.0.0.1",), "inner.example", "gateway.example", 200),
        (("127.0.0.1",), "gateway.example", "evil.example", 403),
        (("127.0.0.1",), "gateway.example", "gateway.example, evil.example", 200),
        ((), "gateway.example", "evil.example", 200),
        ((), "evil.example", "gateway.example", 403),
    ],
)
def test_the_name_that_was_called_is_what_a_known_proxy_says(
    proxies: tuple[str, ...], host: str, forwarded: str, status: int
) -> None:
    async def main() -> int:
        headers = {"Host": host, "X-Forwarded-Host": forwarded, "X-Forwarded-For": OUTSIDE}
        async with behind(*proxies) as gateway, gateway.call("GET", "/auth", headers=headers) as response:
            return response.status

    assert run(main()) == status


TELLING = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", "Via"]
TELLING += ["X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Tailscale-User-Login"]


@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize("proxies", [(), ("127.0.0.1",)])
def test_what_came_through_a_proxy_is_never_free(name: str, proxies: tuple[str, ...]) -> None:
    async def main() -> list[int]:
        config = Config(gateway=GatewayConfig(behind_proxy=proxies))
        found = []
        async with gateway_client(config=config) as gateway:
            for headers in ({}, {name: "127.0.0.1"}, {name: ""}):
                async with gateway.call("GET", "/status", headers=headers) as response:
                    found.append(response.status)
        return found

    assert run(main()) == [401 if proxies else 200, 401, 401]


def test_what_speaks_less_than_browsers_do_is_never_free() -> None:
    async def main() -> list[int]:
        found = []
        async with gateway_client() as gateway:
            for version in (HttpVersion11, HttpVersion10):
                async with ClientSession(version=version) as http, http.get(f"{gateway.url}/status") as response:
                    found.append(response.status)
        return found

    assert run(main()) == [200, 401]


def test_an_address_has_one_spelling() -> None:
    spelt = ["::ffff:192.0.2.7", "192.0.2.7", "fe80::1%eth0", "2001:DB8::1", "unix"]
    assert [plain(each) for each in spelt] == ["192.0.2.7", "192.0.2.7", "fe80::1", "2001:db8::1", "unix"]
