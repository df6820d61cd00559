import asyncio
from typing import Any

import pytest

from carapax.config import Config, GatewayConfig
from carapax.redaction import Secret
from carapax.store.audit import LOCAL
from carapax.store.database import Statement
from carapax.testing.gateway import LOCAL_SECRET, GatewayClient, gateway_client
from carapax.throttle import PASSWORD
from tests.fakes.authenticator import Authenticator
from tests.gateway.test_entrance import WORDS, Browser, opened
from tests.running import run

AGED = Statement("UPDATE signins SET created_at = created_at - 601")
LAST = "this is the last credential, and others can reach the gateway"
OURS = {"Authorization": f"Bearer {LOCAL_SECRET}"}


async def local(gateway: GatewayClient, method: str, path: str, **body: object) -> tuple[int, Any]:
    """What a command of the same user gets."""
    given = {"json": body} if method != "GET" else {}
    async with gateway.call(method, path, headers=OURS, **given) as response:
        return response.status, await response.json()


def test_the_owner_is_told_by_what_they_are_known() -> None:
    async def main() -> list[dict[str, Any]]:
        async with gateway_client() as gateway:
            found = [(await local(gateway, "GET", "/api/owner"))[1]]
            assert (await local(gateway, "POST", "/api/owner/code"))[0] == 201
            await gateway.services.tokens.create("first", ("read",))
            assert await local(gateway, "POST", "/api/owner/password", new=WORDS) == (200, {"free": False})
            return [*found, (await local(gateway, "GET", "/api/owner"))[1]]

    told = {"password": False, "passkeys": [], "tokens": 0, "free": True, "public": False, "setup": False}
    assert run(main()) == [told, told | {"password": True, "tokens": 1, "free": False, "setup": True}]


def test_only_a_command_on_this_machine_makes_a_setup_code() -> None:
    async def main() -> tuple[list[int], bool]:
        async with opened() as (gateway, browser):
            found = [(await browser.post("/api/owner/code"))[0]]
            await browser.set_up()
            found.append((await browser.post("/api/owner/code"))[0])
            _, secret = await gateway.services.tokens.create("admin", ("admin",))
            headers = {"Authorization": f"Bearer {secret.reveal()}"}
            found.append((await browser.ask("POST", "/api/owner/code", json={}, headers=headers))[0])
            status, made = await local(gateway, "POST", "/api/owner/code")
            assert status == 201
            return found, (await browser.post("/auth/setup", code=made["code"]))[0] == 204

    assert run(main()) == ([403, 403, 403], True)


def test_a_program_of_this_machine_needs_the_code_to_take_the_gateway_over() -> None:
    async def main() -> list[tuple[int, str]]:
        async with opened() as (_, browser):
            asked = [("/api/owner/password", {"new": WORDS}), ("/api/owner/passkey", {})]
            answers = [await browser.post(path, **body) for path, body in asked]
            return [(status, told["detail"]) for status, told in answers]

    assert run(main()) == [(403, "the setup code is needed")] * 2


def test_a_sign_in_of_the_future_is_none_of_just_now() -> None:
    async def main() -> int:
        async with opened() as (gateway, browser):
            await browser.set_up()
            await gateway.services.audit.database.transact(
                [Statement("UPDATE signins SET created_at = created_at + 601")]
            )
            return (await browser.post("/api/owner/password", new=WORDS))[0]

    assert run(main()) == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/owner/password", {"new": "another battery"}), ("/api/owner/passkey", {}), ("/api/passkeys/none", None)],
)
def test_who_signed_in_a_while_ago_says_the_password_or_signs_in_again(path: str, body: dict[str, Any] | None) -> None:
    async def main() -> list[int]:
        async with opened() as (gateway, browser):
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            method = "POST" if body is not None else "DELETE"
            found = []
            for current in (None, "not this one", WORDS):
                await gateway.services.audit.database.transact([AGED])
                given = (body or {}) | ({"current": current} if current else {})
                found.append((await browser.ask(method, path, json=given))[0])
            await browser.post("/auth/password", password=WORDS if body != {"new": "another battery"} else body["new"])
            return [*found, (await browser.ask(method, path, json=body or {}))[0]]

    done = 404 if body is None else 200
    assert run(main()) == [403, 400, done, done]


def test_who_cannot_say_a_password_is_told_what_is_possible() -> None:
    async def main() -> list[tuple[int, str, str]]:
        async with opened() as (gateway, browser):
            await gateway.services.tokens.create("first", ("read",))
            _, secret = await gateway.services.tokens.create("admin", ("admin",))
            key, found, token = Authenticator(), [], {"Authorization": f"Bearer {secret.reveal()}"}

            async def ask(**said: Any) -> None:
                await gateway.services.audit.database.transact([AGED])
                status, told = await browser.ask("POST", "/api/owner/password", **said)
                found.append((status, told["detail"], told["hint"]))

            await browser.set_up()
            await ask(json={"new": WORDS})
            await ask(json={"new": WORDS, "current": "there is none"})
            await ask(json={"new": WORDS}, headers=token)
            await browser.set_up()
            assert (await browser.make_passkey(key))[0] == 201
            await ask(json={"new": WORDS})
            return found

    how = "`carapax owner code` prints one, and where to type it"
    code, old = f"sign in with a new setup code: {how}", "you signed in a while ago"
    assert run(main()) == [
        (403, old, code),
        (403, old, code),
        (403, "a token is not enough for this", code),
        (403, old, f"sign in again with a passkey, or with a setup code: {how}"),
    ]


def test_a_wrong_current_password_is_counted_and_named() -> None:
    async def main() -> tuple[list[int], dict[str, str]]:
        async with opened() as (gateway, browser):
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            await gateway.services.audit.database.transact([AGED])
            told = [await browser.post("/api/owner/passkey", current=f"wrong {number}") for number in range(11)]
            return [status for status, _ in told], told[0][1]["fields"]

    assert run(main()) == ([400] * 10 + [429], {"current": "this is not it"})


def test_strangers_who_guess_the_password_do_not_keep_the_owner_from_saying_it() -> None:
    async def main() -> tuple[int, int]:
        async with opened() as (gateway, browser):
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            await gateway.services.audit.database.transact([AGED])
            for _ in range(10):
                gateway.services.bans.fail(PASSWORD, None, asyncio.get_running_loop().time(), grows=False)
            said, _ = await browser.post("/api/owner/passkey", current=WORDS)
            _, secret = await gateway.services.tokens.create("admin", ("admin",))
            headers = {"Authorization": f"Bearer {secret.reveal()}"}
            return said, (await browser.ask("POST", "/api/owner/passkey", json={"current": WORDS}, headers=headers))[0]

    assert run(main()) == (200, 429)


def test_passwords_that_are_said_at_the_same_time_are_counted_as_those_one_by_one() -> None:
    async def main() -> list[int]:
        async with opened() as (gateway, browser):
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            await gateway.services.audit.database.transact([AGED])
            said = (browser.post("/api/owner/password", new=WORDS, current=f"wrong {number}") for number in range(30))
            return sorted([status for status, _ in await asyncio.gather(*said)])

    assert run(main()) == [400] * 10 + [429] * 20


def test_a_token_alone_changes_no_credential_of_the_owner() -> None:
    async def main() -> list[int]:
        async with opened() as (gateway, browser):
            _, secret = await gateway.services.tokens.create("admin", ("admin",))
            await gateway.services.owner.password.set(Secret(WORDS), LOCAL)
            headers = {"Authorization": f"Bearer {secret.reveal()}"}
            found = [
                (await browser.ask(method, path, json=body, headers=headers))[0]
                for method, path, body in (
                    ("POST", "/api/owner/password", {"new": "another battery"}),
                    ("POST", "/api/owner/password", {"new": None}),
                    ("POST", "/api/owner/passkey", {}),
                    ("DELETE", "/api/passkeys/none", {}),
                )
            ]
            await browser.post("/login", token=secret.reveal())
            return [*found, (await browser.post("/api/owner/passkey"))[0]]

    assert run(main()) == [403] * 5


def test_passkeys_are_named_and_removed_and_end_what_they_let_in() -> None:
    async def main() -> tuple[list[Any], bool]:
        async with opened() as (_, browser):
            first, second = Authenticator(), Authenticator()
            await browser.set_up()
            _, made = await browser.make_passkey(first)
            assert (await browser.make_passkey(second))[0] == 201
            again, _ = await browser.make_passkey(first)
            path = f"/api/passkeys/{made['id']}"
            renamed = (await browser.ask("PATCH", path, json={"name": "phone"}))[0]
            names = [each["name"] for each in (await browser.ask("GET", "/api/owner"))[1]["passkeys"]]
            other = Browser(browser.gateway)
            assert await other.show_passkey(second) == 204
            removed = await other.ask("DELETE", path, json={})
            return [again, renamed, names, removed], (await browser.standing())["signed_in"]

    assert run(main()) == ([409, 200, ["phone", "laptop"], (200, {"free": False})], False)


def test_the_last_credential_leaves_this_machine_free_unless_others_can_come_in() -> None:
    async def main(*proxies: str) -> list[Any]:
        config = Config(gateway=GatewayConfig(behind_proxy=proxies))
        async with opened(config) as (gateway, browser):
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            token, _ = await gateway.services.tokens.create("first", ("read",))
            found = [await local(gateway, "DELETE", f"/api/tokens/{token.id}")]
            return [*found, (await browser.post("/api/owner/password", new=None)), (await browser.standing())["free"]]

    (revoked, removed, free), (also_revoked, kept, still_free) = run(main()), run(main("192.0.2.1"))
    assert revoked[0] == also_revoked[0] == 200
    assert (removed, free) == ((200, {"free": True}), True)
    assert (kept[0], kept[1]["detail"]) == (409, LAST)
    assert still_free is False


@pytest.mark.parametrize(
    ("proxies", "told"), [((), (200, {"free": True})), (("192.0.2.1",), (409, LAST))], ids=["alone", "public"]
)
@pytest.mark.parametrize("kind", ["token", "passkey"])
def test_the_last_of_whatever_kind_is_kept_where_others_can_come_in(
    kind: str, proxies: tuple[str, ...], told: tuple[int, object]
) -> None:
    async def main() -> tuple[int, object]:
        async with opened(Config(gateway=GatewayConfig(behind_proxy=proxies))) as (gateway, browser):
            if kind == "token":
                token, _ = await gateway.services.tokens.create("only", ("admin",))
                status, said = await local(gateway, "DELETE", f"/api/tokens/{token.id}")
            else:
                await browser.set_up()
                passkey = (await browser.make_passkey(Authenticator()))[1]["id"]
                status, said = await browser.ask("DELETE", f"/api/passkeys/{passkey}", json={})
            return status, said.get("detail", {"free": True})

    assert run(main()) == told
