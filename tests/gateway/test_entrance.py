"""The doors that need no credential, as a browser and as an attacker meets them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carapax.config import Config, GatewayConfig
from carapax.redaction import Secret
from carapax.store.audit import LOCAL, newest
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.fakes.authenticator import PRESENT, Authenticator
from tests.gateway.raw import burst
from tests.running import run

WORDS = "correct horse battery"


class Browser:
    """A page of ours at `localhost`, which keeps its cookie."""

    def __init__(self, gateway: GatewayClient) -> None:
        self.gateway = gateway
        self.host = f"localhost:{gateway.gateway.port}"
        self.origin = f"http://{self.host}"
        self.cookie = ""

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = {"Host": self.host, "Origin": self.origin, "Cookie": self.cookie, **options.pop("headers", {})}
        if method == "GET":
            del headers["Origin"]
        async with self.gateway.call(method, path, headers=headers, **options) as response:
            if "Set-Cookie" in response.headers:
                self.cookie = response.headers["Set-Cookie"].partition(";")[0]
            return response.status, await response.json(content_type=None) if response.content_length else None

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        return await self.ask("POST", path, json=body)

    async def standing(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask("GET", "/auth"))[1]
        return found

    async def set_up(self) -> None:
        status, _ = await self.post("/auth/setup", code=self.gateway.services.owner.code.make().reveal())
        assert status == 204

    async def make_passkey(self, authenticator: Authenticator) -> tuple[int, Any]:
        status, begun = await self.post("/api/owner/passkey")
        assert status == 200, begun
        return await self.post(
            "/api/passkeys", name="laptop", credential=authenticator.create(begun["options"], self.origin)
        )

    async def show_passkey(self, authenticator: Authenticator) -> int:
        _, options = await self.post("/auth/passkey/begin")
        return (await self.post("/auth/passkey/finish", credential=authenticator.get(options, self.origin)))[0]


@asynccontextmanager
async def opened(config: Config | None = None) -> AsyncGenerator[tuple[GatewayClient, Browser], None]:
    async with gateway_client(config=config) as gateway:
        yield gateway, Browser(gateway)


def test_from_the_setup_code_to_a_passkey_and_in_again() -> None:
    async def main() -> list[tuple[Any, ...]]:
        async with opened() as (gateway, browser):
            key, found = Authenticator(), []

            async def note() -> None:
                known = await browser.standing()
                keys = ("signed_in", "free", "how", "scopes", "setup", "owned", "password", "passkeys")
                found.append(tuple(known[name] for name in keys))

            await note()
            await browser.set_up()
            await note()
            assert (await browser.make_passkey(key))[0] == 201
            await note()
            assert await browser.ask("POST", "/logout") == (204, None)
            await note()
            assert await gateway.services.signins.list() == []
            assert await browser.show_passkey(key) == 204
            await note()
            return found

    free, guarded = (True, True, "", ["admin"], False, False, False, False), (True, False)
    assert run(main()) == [
        free,
        (True, True, "code", ["admin"], False, False, False, False),
        (*guarded, "passkey", ["admin"], False, True, False, True),
        (False, False, "", [], False, True, False, True),
        (*guarded, "passkey", ["admin"], False, True, False, True),
    ]


def test_from_the_setup_code_to_a_password_and_in_again_elsewhere() -> None:
    async def main() -> list[str]:
        async with opened() as (gateway, browser):
            other = Browser(gateway)
            await browser.set_up()
            assert (await browser.post("/api/owner/password", new=WORDS))[0] == 200
            assert (await other.post("/auth/password", password="not this one"))[0] == 401
            assert (await other.post("/auth/password", password=WORDS))[0] == 204
            _, listed = await other.ask("GET", "/api/signins")
            (own,) = [each for each in listed["signins"] if each["id"] == listed["current"]]
            assert (own["how"], own["address"]) == ("password", "127.0.0.1")
            kinds = [one.entry.kind for one in reversed(await newest(gateway.services.audit.database))]
            assert await browser.post("/api/owner/sign-out", others=True) == (200, {"ended": 1})
            assert (await other.standing())["signed_in"] is False
            assert (await browser.standing())["signed_in"] is True
            return kinds

    assert run(main()) == ["auth.login", "owner.password.set", "auth.refused", "auth.login"]


def test_a_setup_code_says_what_is_wrong_with_it_and_counts() -> None:
    async def main() -> list[str]:
        async with opened() as (gateway, browser):
            code = gateway.services.owner.code.make().reveal()
            said = []
            for shown in ("AAAA-AAAA", code, code):
                status, told = await browser.post("/auth/setup", code=shown)
                said.append(f"{status} {told['detail']} ({told['hint']})" if told else str(status))
            for _ in range(8):
                status, told = await browser.post("/auth/setup", code="AAAA-AAAA")
            status, told = await browser.post("/auth/setup", code=gateway.services.owner.code.make().reveal())
            return [*said, str(status)]

    assert run(main()) == [
        "401 this is not the setup code (4 tries are left; it stands in the terminal of the gateway)",
        "204",
        "401 the setup code was used already (`carapax owner code` prints a new one)",
        "429",
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/setup", {}),
        ("/auth/setup", {"code": 1}),
        ("/auth/setup", {"code": "x", "more": 1}),
        ("/auth/password", {"password": None}),
        ("/auth/passkey/begin", {"host": "evil.example"}),
        ("/auth/passkey/finish", {"credential": "x"}),
        ("/login", {}),
    ],
)
def test_what_does_not_fit_is_refused_and_named(path: str, body: dict[str, Any]) -> None:
    async def main() -> tuple[int, str]:
        async with opened() as (_, browser):
            status, told = await browser.ask("POST", path, json=body)
            return status, told["detail"]

    status, detail = run(main())
    assert status == 400
    assert detail.startswith(f"{path}: ")


HALVES = b'{"password": "\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800"}'


@pytest.mark.parametrize(
    ("headers", "body", "statuses"),
    [
        ({"Content-Type": "text/plain"}, b'{"password": "x"}', {415}),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"password=x", {415}),
        ({"Content-Type": "application/json"}, b"[]", {400}),
        ({"Content-Type": "application/json"}, b'{"password": "' + b"x" * 20_000 + b'"}', {413}),
        ({"Content-Type": "application/json"}, HALVES, {400, 401}),
    ],
)
def test_a_body_that_is_none_of_ours_is_refused(headers: dict[str, str], body: bytes, statuses: set[int]) -> None:
    async def main() -> int:
        async with opened() as (gateway, browser):
            await gateway.services.owner.password.set(Secret(WORDS), LOCAL)
            return (await browser.ask("POST", "/auth/password", data=body, headers=headers))[0]

    assert run(main()) in statuses


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_a_page_without_a_name_of_ours_has_no_passkeys(host: str) -> None:
    async def main() -> tuple[int, str]:
        async with opened() as (gateway, browser):
            browser.host = f"{host}:{gateway.gateway.port}"
            browser.origin = f"http://{browser.host}"
            status, told = await browser.post("/auth/passkey/begin")
            return status, told["hint"].replace(str(gateway.gateway.port), "PORT")

    expected = {"127.0.0.1": (400, "open http://localhost:PORT/")}
    assert run(main()) == expected.get(host, (403, "add the name to gateway.allowed_hosts"))


def test_a_program_without_a_page_cannot_begin() -> None:
    async def main() -> int:
        async with (
            opened() as (_, browser),
            browser.gateway.call("POST", "/auth/passkey/begin", json={}, headers={"Host": browser.host}) as response,
        ):
            return response.status

    assert run(main()) == 400


def test_a_passkey_is_refused_in_the_same_words_whatever_is_wrong() -> None:
    async def main() -> set[tuple[int, str]]:
        async with opened() as (_, browser):
            key, said = Authenticator(), set()
            await browser.set_up()
            await browser.make_passkey(key)
            unseen = Authenticator(5, PRESENT, key.id, key.key)
            evil = "http://evil.example"
            for forged, origin in ((Authenticator(), browser.origin), (key, evil), (unseen, browser.origin)):
                _, options = await browser.post("/auth/passkey/begin")
                status, told = await browser.post("/auth/passkey/finish", credential=forged.get(options, origin))
                said.add((status, told["detail"]))
            answer = key.get((await browser.post("/auth/passkey/begin"))[1], browser.origin)
            assert (await browser.post("/auth/passkey/finish", credential=answer))[0] == 204
            status, told = await browser.post("/auth/passkey/finish", credential=answer)
            return said | {(status, told["detail"])}

    assert run(main()) == {(401, "the passkey was refused")}


def test_signing_in_anew_ends_the_sign_in_before() -> None:
    async def main() -> list[int]:
        async with opened() as (gateway, browser):
            found = []
            for _ in range(2):
                await browser.set_up()
                found.append(len(await gateway.services.signins.list()))
            return found

    assert run(main()) == [1, 1]


def test_a_cookie_that_ended_is_taken_back_and_is_no_guess() -> None:
    async def main() -> tuple[bool, str]:
        async with opened() as (gateway, browser):
            await gateway.services.tokens.create("first", ("read",))
            browser.cookie = f"carapax-{gateway.gateway.port}=cps_gone_{'x' * 43}"
            for _ in range(20):
                kept, browser.cookie = browser.cookie, browser.cookie
                signed_in = (await browser.standing())["signed_in"]
                taken, browser.cookie = browser.cookie, kept
            return signed_in, taken.partition("=")[2]

    assert run(main()) == (False, '""')


async def answered(asking: Awaitable[tuple[int, Any]]) -> bool:
    """Whether it was, and not refused for coming too often."""
    status, _ = await asking
    assert status in (200, 429)
    return status == 200


def test_signing_in_is_limited_by_address() -> None:
    async def main() -> int:
        async with opened() as (_, browser):
            return await burst(lambda: answered(browser.post("/auth/passkey/begin")), 60)

    assert run(main()) == 60


def test_a_stranger_looks_so_often_and_who_is_in_as_often_as_they_like() -> None:
    async def main() -> tuple[int, set[int]]:
        async with opened() as (_, browser):
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            inside, browser.cookie = browser.cookie, ""
            found = await burst(lambda: answered(browser.ask("GET", "/auth")), 60)
            browser.cookie = inside
            return found, {(await browser.ask("GET", "/auth"))[0] for _ in range(62)}

    assert run(main()) == (60, {200})


@pytest.mark.parametrize("named", ["192.0.2.7", "password", "2001:db8::/64"])
def test_a_secret_that_names_an_address_or_the_password_bans_neither(named: str) -> None:
    async def main() -> list[str]:
        async with opened() as (gateway, browser):
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            for number in range(10):
                browser.cookie = f"carapax-{gateway.gateway.port}=cps_{named}_{number}"
                assert (await browser.ask("GET", "/api/sessions"))[0] == 401
            return list(gateway.services.bans.all(asyncio.get_running_loop().time()))

    assert run(main()) == ["127.0.0.1"]


def test_strangers_who_guess_the_password_do_not_lock_out_where_the_owner_is_in() -> None:
    async def main() -> list[int]:
        config = Config(gateway=GatewayConfig(behind_proxy=("127.0.0.1",)))
        async with opened(config) as (gateway, _):

            async def try_from(address: str, password: str) -> int:
                headers, shown = {"X-Forwarded-For": address}, {"password": password}
                return (await Browser(gateway).ask("POST", "/auth/password", json=shown, headers=headers))[0]

            await gateway.services.owner.password.set(Secret(WORDS), LOCAL)
            assert await try_from("192.0.2.7", WORDS) == 204
            found = [await try_from(f"203.0.113.{number}", "not this one") for number in range(10)]
            assert found == [401] * 10
            return [
                await try_from("198.51.100.1", WORDS),
                await try_from("192.0.2.7", WORDS),
                *[await try_from("192.0.2.7", "not this one") for _ in range(10)],
                await try_from("192.0.2.7", WORDS),
            ]

    assert run(main()) == [429, 204, *[401] * 10, 429]


def test_a_socket_of_a_sign_in_that_is_ended_is_closed() -> None:
    async def main() -> int | None:
        async with opened() as (gateway, browser):
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            async with gateway.socket(headers={"Cookie": browser.cookie, "Host": browser.host}) as socket:
                assert await socket.rpc("health") == {"status": "ok"}
                await gateway.services.signins.end_all(LOCAL)
                async with asyncio.timeout(30):
                    await socket.ws.receive()
                return socket.ws.close_code

    assert run(main()) == 1008


def test_of_several_cookies_that_of_the_sign_in_counts_and_of_two_sign_ins_none() -> None:
    async def main() -> list[int]:
        async with opened() as (gateway, browser):
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            tossed, other = f"{browser.cookie.partition('=')[0]}=cps_tossed_{'x' * 43}", Browser(gateway)
            assert (await other.post("/auth/password", password=WORDS))[0] == 204
            found = []
            for sent in (
                f"{tossed}; {browser.cookie}",
                f"{browser.cookie}; {tossed}",
                f"{browser.cookie}; {other.cookie}",
            ):
                async with gateway.call("GET", "/api/sessions", headers={"Cookie": sent}) as response:
                    found.append(response.status)
            return found

    assert run(main()) == [200, 200, 401]


def test_several_wrong_cookies_are_one_guess_and_the_same_again_are_none() -> None:
    async def main() -> list[list[int]]:
        found: list[list[int]] = []
        async with opened() as (gateway, browser):
            await gateway.services.owner.password.set(Secret(WORDS), LOCAL)
            for tries in ([0] * 12, range(12)):
                found.append([])
                for number in tries:
                    browser.cookie = "; ".join(f"carapax-{gateway.gateway.port}=cps_{n}_{number}" for n in range(2))
                    found[-1].append((await browser.ask("GET", "/api/sessions"))[0])
        return found

    assert run(main()) == [[401] * 12, [401] * 10 + [429] * 2]


def test_over_https_the_cookie_is_one_that_only_the_host_itself_can_set() -> None:
    async def main() -> tuple[str, list[int], str]:
        config = Config(gateway=GatewayConfig(behind_proxy=("127.0.0.1",), allowed_hosts=("gateway.example",)))
        async with opened(config) as (gateway, browser):
            await gateway.services.owner.password.set(Secret(WORDS), LOCAL)
            browser.host, browser.origin = "gateway.example", "https://gateway.example"
            over = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
            body = {"password": WORDS}
            assert (await browser.ask("POST", "/auth/password", json=body, headers=over))[0] == 204
            own, found = browser.cookie, []
            for browser.cookie in (own, own.removeprefix("__Host-")):
                found.append((await browser.ask("GET", "/api/sessions", headers=over))[0])
            browser.cookie = own
            async with gateway.call(
                "POST", "/logout", headers={"Host": browser.host, "Origin": browser.origin, "Cookie": own, **over}
            ) as response:
                taken_back = response.headers["Set-Cookie"]
            return own.partition("=")[0].replace(str(gateway.gateway.port), "PORT"), found, taken_back

    name, found, taken_back = run(main())
    assert (name, found) == ("__Host-carapax-PORT", [200, 401])
    assert taken_back.startswith("__Host-")
    assert taken_back.endswith("; Max-Age=0; Path=/; Secure")


def test_behind_a_proxy_over_https_the_cookie_is_for_encrypted_connections_only() -> None:
    async def main() -> str:
        config = Config(gateway=GatewayConfig(behind_proxy=("127.0.0.1",), allowed_hosts=("gateway.example",)))
        async with opened(config) as (gateway, _):
            code = gateway.services.owner.code.make().reveal()
            headers = {
                "Host": "gateway.example",
                "Origin": "https://gateway.example",
                "X-Forwarded-For": "203.0.113.9",
                "X-Forwarded-Proto": "https",
            }
            async with gateway.call("POST", "/auth/setup", json={"code": code}, headers=headers) as response:
                cookie = response.headers["Set-Cookie"].partition("; ")[2]
            headers["Cookie"] = response.headers["Set-Cookie"].partition(";")[0]
            async with gateway.call("POST", "/api/owner/passkey", json={}, headers=headers) as response:
                assert (await response.json())["options"]["rp"]["id"] == "gateway.example"
            return cookie

    assert run(main()) == "HttpOnly; Max-Age=3600; Path=/; SameSite=Strict; Secure"
