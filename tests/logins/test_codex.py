import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from carapax.configfile import free_port
from carapax.errors import ModelUnauthorized, ModelUnavailable, Unavailable
from carapax.http import Http
from carapax.logins.codex import Codex
from carapax.redaction import Secret
from carapax.testing import FakeClock, MemoryVault
from tests.fakes.sign_in import TokenServer, codex_tokens, jwt, token_server
from tests.running import run

TOKEN = "/oauth/token"
TEN_DAYS = 864_000


class Desk:
    """A login with all that it uses at hand."""

    def __init__(self, server: TokenServer, http: Http, home: Path) -> None:
        self.asked = server.asked[TOKEN]
        self.http = http
        self.clock = FakeClock()
        self.vault = MemoryVault()
        self.port = free_port()
        self.environ = {"CODEX_AUTH_URL": server.url, "CODEX_CALLBACK_PORT": str(self.port)}
        self.login = Codex(self.vault, http, self.clock, self.environ, home)

    async def visit(self, query: str) -> int:
        """What the browser gets that comes back, tried until somebody listens."""
        while True:
            try:
                url = f"http://localhost:{self.port}/auth/callback?{query}"
                async with self.http.request("GET", url) as response:
                    return response.status
            except Unavailable:
                await asyncio.sleep(0)

    async def sign_in(self) -> None:
        challenge = await self.login.begin()
        await self.login.finish(challenge, "the-code")


@asynccontextmanager
async def desk(home: Path, *answers: Any) -> AsyncIterator[Desk]:
    told: Iterable[Any] = answers or [codex_tokens()]
    async with token_server({TOKEN: told}) as server, Http() as http:
        yield Desk(server, http, home)


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


def test_the_browser_is_sent_with_a_challenge_that_only_we_can_meet(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at:
            challenge = await at.login.begin()
            asked = {name: values[0] for name, values in parse_qs(urlsplit(challenge.url).query).items()}
            assert (len(asked.pop("state")), len(asked.pop("code_challenge"))) == (32, 43)
            assert asked == {
                "response_type": "code",
                "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
                "redirect_uri": f"http://localhost:{at.port}/auth/callback",
                "scope": "openid profile email offline_access",
                "code_challenge_method": "S256",
                "id_token_add_organizations": "true",
                "codex_cli_simplified_flow": "true",
                "originator": "carapax",
            }
            assert (challenge.code, challenge.expires_at) == ("", at.clock.now() + 600)
            await at.login.finish(challenge, "the-code")
            [form] = at.asked
            assert len(form.pop("code_verifier")) == 86
            assert form == {
                "grant_type": "authorization_code",
                "code": "the-code",
                "redirect_uri": f"http://localhost:{at.port}/auth/callback",
                "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
            }

    run(main())


def test_openai_takes_browsers_back_to_one_port_only(tmp_path: Path) -> None:
    async def main() -> str:
        return (await Codex(MemoryVault(), Http(), FakeClock(), {}, tmp_path).begin()).url

    assert "redirect_uri=http%3A%2F%2Flocalhost%3A1455%2Fauth%2Fcallback" in run(main())


def test_the_browser_comes_back_to_us(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at, asyncio.TaskGroup() as group:
            challenge = await at.login.begin()
            finishing = group.create_task(at.login.finish(challenge))
            state = state_of(challenge.url)
            assert await at.visit("state=forged&code=theirs") == 400
            assert await at.visit(f"state={state}&code=the-code") == 200
            await finishing
            assert at.asked[0]["code"] == "the-code"
            credential = await at.login.get()
            assert credential.key == Secret(codex_tokens()["access_token"])
            assert credential.headers["chatgpt-account-id"] == "acc-1"

    run(main())


def test_a_refusal_comes_back_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at, asyncio.TaskGroup() as group:
            challenge = await at.login.begin()

            async def finish() -> None:
                with pytest.raises(ModelUnauthorized, match="the sign-in was refused: not today"):
                    await at.login.finish(challenge)

            finishing = group.create_task(finish())
            query = f"state={state_of(challenge.url)}&error=access_denied&error_description=not+today"
            assert await at.visit(query) == 200
            await finishing

    run(main())


def test_a_sign_in_that_nobody_finishes_is_given_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at:
            challenge = await at.login.begin()
            at.clock.advance(600)
            with pytest.raises(ModelUnauthorized, match="in time"):
                await at.login.finish(challenge)

    run(main())


def test_a_port_that_is_taken_is_told_with_the_way_around(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at, await asyncio.start_server(lambda reader, writer: None, "localhost", at.port):
            challenge = await at.login.begin()
            with pytest.raises(ModelUnavailable, match=r"port \d+, where.*paste the address"):
                await at.login.finish(challenge)
            pasted = f"http://localhost:{at.port}/auth/callback?code=by-hand&state={state_of(challenge.url)}"
            await at.login.finish(challenge, pasted)
            assert at.asked[0]["code"] == "by-hand"
            with pytest.raises(ModelUnauthorized, match="another sign-in"):
                await at.login.finish(challenge, "http://localhost:1455/auth/callback?code=x&state=y")

    run(main())


def test_tokens_are_renewed_before_they_end_by_the_clock_here(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path, codex_tokens(1), {**codex_tokens(2), "refresh_token": None}, codex_tokens(3)) as at:
            await at.sign_in()
            first = await at.login.get()
            at.clock.advance(TEN_DAYS - 301)
            assert await at.login.get() == first
            at.clock.advance(2)
            assert (await at.login.get()).key == Secret(codex_tokens(2)["access_token"])
            assert at.asked[1] == {
                "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
                "grant_type": "refresh_token",
                "refresh_token": "rt_1",
                "scope": "openid profile email",
            }
            again = Codex(at.vault, at.http, at.clock, {}, tmp_path)
            assert (await again.get()).key == Secret(codex_tokens(2)["access_token"])

    run(main())


def test_an_answer_without_a_new_refresh_token_leaves_the_old_one(tmp_path: Path) -> None:
    short = {"access_token": "opaque", "expires_in": 3600}

    async def main() -> None:
        async with desk(tmp_path, codex_tokens(1), short, codex_tokens(2)) as at:
            await at.sign_in()
            at.clock.advance(TEN_DAYS)
            credential = await at.login.get()
            assert (credential.key, credential.headers["chatgpt-account-id"]) == (Secret("opaque"), "acc-1")
            at.clock.advance(3301)
            await at.login.get()
            assert [asked.get("refresh_token") for asked in at.asked] == [None, "rt_1", "rt_1"]

    run(main())


def test_tokens_that_still_last_are_used_while_openai_does_not_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path, codex_tokens(1), (503, "<html>")) as at:
            await at.sign_in()
            at.clock.advance(TEN_DAYS - 1)
            assert (await at.login.get()).key == Secret(codex_tokens(1)["access_token"])
            at.clock.advance(1)
            with pytest.raises(ModelUnavailable, match="status 503"):
                await at.login.get()

    run(main())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {"error": {"code": "refresh_token_expired", "message": "Too old."}}), "refresh_token_expired: Too old."),
        ((401, {"error": {"code": "refresh_token_reused", "message": "Used."}}), "refresh_token_reused: Used."),
        ((400, {"error": "invalid_grant"}), "invalid_grant"),
        ((403, {}), "no reason was given"),
        ((400, {"error": {"message": "Who knows\nrt_1?"}}), "Who knows ********"),
    ],
)
def test_a_refused_renewal_says_to_sign_in_again(tmp_path: Path, answer: Any, words: str) -> None:
    async def main() -> None:
        async with desk(tmp_path, codex_tokens(1), answer) as at:
            await at.sign_in()
            refused = await at.login.get()
            errors = await asyncio.gather(*(at.login.renew(refused) for _ in range(64)), return_exceptions=True)
            [said] = {str(error) for error in errors}
            assert words in said
            assert "sign in: `carapax models login codex`" in said
            assert len(at.asked) == 2
            assert "rt_1" not in said

    run(main())


def test_all_whose_tokens_were_refused_share_one_renewal(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path, codex_tokens(1), codex_tokens(2), codex_tokens(3)) as at:
            await at.sign_in()
            refused = await at.login.get()
            renewed = await asyncio.gather(*(at.login.renew(refused) for _ in range(64)))
            assert {found.key for found in renewed if found} == {Secret(codex_tokens(2)["access_token"])}
            late = await at.login.renew(refused)
            assert late is not None
            assert late.key == Secret(codex_tokens(2)["access_token"])
            assert len(at.asked) == 2

    run(main())


def test_a_refresh_token_that_another_process_used_at_the_same_time_loses_nothing(tmp_path: Path) -> None:
    reused = (401, {"error": {"code": "refresh_token_reused"}})

    async def main() -> None:
        first_done = asyncio.Event()
        async with desk(tmp_path, codex_tokens(1), codex_tokens(2), first_done, reused) as at:
            await at.sign_in()
            refused = await at.login.get()
            other = Codex(at.vault, at.http, at.clock, at.environ, tmp_path)
            async with asyncio.TaskGroup() as group:
                both = [group.create_task(login.renew(refused)) for login in (at.login, other)]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                first_done.set()
            assert {found.key for task in both if (found := task.result())} == {Secret(codex_tokens(2)["access_token"])}
            assert len(at.asked) == 3

    run(main())


def write_login(home: Path, **content: Any) -> Path:
    file = home / ".codex" / "auth.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def test_the_login_of_the_command_line_is_followed_and_never_written(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at:
            with pytest.raises(ModelUnauthorized, match="nobody is signed in to Codex"):
                await at.login.get()
            now = int(at.clock.now())
            old, new = codex_tokens(1, iat=now), codex_tokens(22, iat=now)
            file = write_login(tmp_path, OPENAI_API_KEY=None, tokens={**old, "account_id": "acc-9"}, last_refresh="x")
            first = await at.login.get()
            assert (first.key, first.headers["chatgpt-account-id"]) == (Secret(old["access_token"]), "acc-9")
            assert await at.login.renew(first) is None
            write_login(tmp_path, tokens=new)
            second = await at.login.renew(first)
            assert second is not None
            assert (second.key, second.headers["chatgpt-account-id"]) == (Secret(new["access_token"]), "acc-1")
            at.clock.advance(TEN_DAYS)
            with pytest.raises(ModelUnauthorized, match="has expired"):
                await at.login.get()
            assert json.loads(file.read_text()) == {"tokens": new}
            await at.sign_in()
            assert (await at.login.get()).key == Secret(codex_tokens()["access_token"])
            file.unlink()
            assert (await at.login.get()).key == Secret(codex_tokens()["access_token"])

    run(main())


def test_a_key_that_the_command_line_was_given_goes_where_keys_go(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at:
            write_login(tmp_path, OPENAI_API_KEY="sk-1")
            credential = await at.login.get()
            assert (credential.key, credential.base_url, credential.headers) == (
                Secret("sk-1"),
                "https://api.openai.com/v1",
                {},
            )

    run(main())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"tokens": {"access_token": 1}}', "\x00"])
def test_a_file_that_says_something_else_is_no_login(tmp_path: Path, content: str) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at:
            write_login(tmp_path).write_text(content)
            with pytest.raises(ModelUnauthorized, match="nobody is signed in"):
                await at.login.get()

    run(main())


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.!!.c", jwt({"exp": "soon"}), ""])
def test_a_token_that_says_nothing_of_itself_is_used_all_the_same(tmp_path: Path, token: str) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at:
            write_login(tmp_path, tokens={"access_token": token or "x", "account_id": "a"})
            assert (await at.login.get()).key == Secret(token or "x")

    run(main())
