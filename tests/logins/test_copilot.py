import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carapax.errors import ModelUnauthorized, ModelUnavailable
from carapax.http import Http
from carapax.logins.copilot import Copilot
from carapax.models.credential import Credential
from carapax.redaction import Secret
from carapax.testing import FakeClock, MemoryVault
from tests.fakes.sign_in import DEVICE_CODE, GRANTED, PENDING, SLOW_DOWN, TokenServer, copilot_key, token_server
from tests.running import run

DEVICE, TOKEN, KEY = "/login/device/code", "/login/oauth/access_token", "/copilot_internal/v2/token"


class Desk:
    """A login with all that it uses at hand."""

    def __init__(self, server: TokenServer, http: Http, signed_in: bool, **environ: str) -> None:
        self.server = server
        self.clock = FakeClock()
        self.vault = MemoryVault({"login:copilot": "ghu_kept"} if signed_in else {})
        told = {"COPILOT_GITHUB_URL": server.url, "COPILOT_GITHUB_API_URL": server.url, **environ}
        self.login = Copilot(self.vault, http, self.clock, told, Path("/nowhere"))


@asynccontextmanager
async def desk(
    tokens: Iterable[Any] = ({},), keys: Iterable[Any] = ({},), *, signed_in: bool = True, **environ: str
) -> AsyncIterator[Desk]:
    answers = {DEVICE: [DEVICE_CODE], TOKEN: tokens, KEY: keys}
    async with token_server(answers) as server, Http() as http:
        yield Desk(server, http, signed_in, **environ)


def test_a_person_signs_in_by_a_code_and_the_key_of_that_is_used() -> None:
    async def main() -> None:
        async with desk([PENDING, SLOW_DOWN, GRANTED], [copilot_key()], signed_in=False) as at:
            challenge = await at.login.begin()
            assert (challenge.url, challenge.code) == (DEVICE_CODE["verification_uri"], "WDJB-MJHT")
            assert challenge.expires_at == at.clock.now() + 900
            await at.login.finish(challenge)
            assert await at.vault.get("login:copilot") == Secret(GRANTED["access_token"])
            credential = await at.login.get()
            assert (credential.key, credential.base_url) == (Secret(copilot_key()["token"]), "https://api.example")
            assert sorted(credential.headers) == ["Copilot-Integration-Id", "Editor-Plugin-Version", "Editor-Version"]
            server = at.server
            assert server.asked[DEVICE] == [{"client_id": "Iv1.b507a08c87ecfe98", "scope": "read:user"}]
            assert server.asked[TOKEN] == 3 * [
                {
                    "client_id": "Iv1.b507a08c87ecfe98",
                    "device_code": DEVICE_CODE["device_code"],
                    "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                }
            ]
            assert server.headers[KEY][0]["authorization"] == f"token {GRANTED['access_token']}"

    run(main())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({**PENDING, "error": "expired_token"}, "not typed in time"),
        ({**PENDING, "error": "access_denied"}, "cancelled at GitHub"),
        ({**PENDING, "error": "device_flow_disabled", "error_description": "Not for this app."}, "Not for this app"),
    ],
)
def test_a_sign_in_that_was_refused_says_why_and_what_to_do(answer: dict[str, Any], words: str) -> None:
    async def main() -> None:
        async with desk([PENDING, answer], signed_in=False) as at:
            with pytest.raises(ModelUnauthorized, match=words) as raised:
                await at.login.finish(await at.login.begin())
            assert raised.value.hint == "sign in: `carapax models login copilot`"
            assert await at.vault.names() == []

    run(main())


def test_a_code_that_is_too_old_is_not_asked_about() -> None:
    async def main() -> None:
        async with desk([PENDING], signed_in=False) as at:
            challenge = await at.login.begin()
            at.clock.advance(901)
            with pytest.raises(ModelUnauthorized, match="not typed in time"):
                await at.login.finish(challenge)
            assert at.server.asked[TOKEN] == []

    run(main())


def test_who_asks_can_be_told() -> None:
    async def main() -> None:
        async with desk(signed_in=False, COPILOT_CLIENT_ID="ours") as at:
            await at.login.begin()
            assert at.server.asked[DEVICE][0]["client_id"] == "ours"

    run(main())


def test_a_key_is_renewed_before_it_ends_whatever_the_clock_here_says() -> None:
    """GitHub says when it ends by its own clock, which may be hours off ours."""

    async def main() -> None:
        for expires_at in (1, 4_000_000_000):
            async with desk(keys=[copilot_key(number, expires_at=expires_at) for number in (1, 2)]) as at:
                first = await at.login.get()
                at.clock.advance(1300)
                assert await at.login.get() == first
                at.clock.advance(200)
                assert (await at.login.get()).key != first.key
                assert len(at.server.asked[KEY]) == 2

    run(main())


def test_a_key_that_still_lasts_is_used_while_github_does_not_answer() -> None:
    async def main() -> None:
        async with desk(keys=[copilot_key(), (502, "<html>")]) as at:
            first = await at.login.get()
            at.clock.advance(1400)
            assert await at.login.get() == first
            at.clock.advance(200)
            with pytest.raises(ModelUnavailable, match="status 502"):
                await at.login.get()

    run(main())


def test_all_who_need_a_key_share_one_request_for_it() -> None:
    async def main() -> None:
        async with desk(keys=[copilot_key(1), copilot_key(2)]) as at:
            first = await asyncio.gather(*(at.login.get() for _ in range(64)))
            second = await asyncio.gather(*(at.login.renew(first[0]) for _ in range(64)))
            assert (len(set(map(_key, first))), len(set(map(_key, second)))) == (1, 1)
            assert len(at.server.asked[KEY]) == 2
            assert await at.login.renew(first[0]) == second[0]
            assert len(at.server.asked[KEY]) == 2

    run(main())


def test_all_who_need_a_key_share_the_refusal_of_it() -> None:
    async def main() -> None:
        async with desk(keys=[(401, {"message": "Bad credentials"})]) as at:
            errors = await asyncio.gather(*(at.login.get() for _ in range(64)), return_exceptions=True)
            assert {str(error) for error in errors} == {
                "GitHub has ended the sign-in of Copilot (sign in: `carapax models login copilot`)"
            }
            assert len(at.server.asked[KEY]) == 1

    run(main())


def test_an_account_without_copilot_is_told_in_githubs_own_words() -> None:
    denied = {
        "message": "Resource not accessible",
        "error_details": {"message": "No access to GitHub Copilot found: ghu_kept"},
    }

    async def main() -> None:
        async with desk(keys=[(403, denied)]) as at:
            with pytest.raises(ModelUnauthorized, match=r"No access to GitHub Copilot found: \*") as raised:
                await at.login.get()
            assert "github.com/settings/copilot" in raised.value.hint
            assert "ghu_kept" not in str(raised.value)

    run(main())


def test_nobody_signed_in_is_said_without_asking_anybody() -> None:
    async def main() -> None:
        async with desk(signed_in=False) as at:
            with pytest.raises(ModelUnauthorized, match="nobody is signed in"):
                await at.login.get()
            assert at.server.asked[KEY] == []

    run(main())


@pytest.mark.parametrize(
    "answer", ["<html>", "[]", '{"token": 1}', (500, {}), "\ud800".encode("utf-8", "replace").decode()]
)
def test_an_answer_that_cannot_be_used_is_no_refusal(answer: Any) -> None:
    async def main() -> None:
        async with desk(keys=[answer]) as at:
            with pytest.raises(ModelUnavailable, match="cannot be used"):
                await at.login.get()

    run(main())


def test_no_server_at_all_is_a_model_error_too() -> None:
    async def main() -> None:
        async with Http() as http:
            vault = MemoryVault({"login:copilot": "ghu_kept"})
            environ = {"COPILOT_GITHUB_API_URL": "http://127.0.0.1:9"}
            login = Copilot(vault, http, FakeClock(), environ, Path("/nowhere"))
            with pytest.raises(ModelUnavailable, match="the login copilot: no connection"):
                await login.get()

    run(main())


def _key(credential: Credential) -> str:
    return credential.key.reveal()
