"""`carapax models login`."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carapax.cli.background import Background
from carapax.cli.signing import sign_in
from carapax.config import Home
from carapax.errors import NotFound
from carapax.redaction import Secret
from carapax.vault import open_vault
from tests.cli.conftest import Run
from tests.fakes.sign_in import DEVICE_CODE, GRANTED, PENDING, TokenServer, token_server
from tests.running import run as run_async

ANSWERS: dict[str, Iterable[Any]] = {
    "/login/device/code": [{**DEVICE_CODE, "interval": 0}],
    "/login/oauth/access_token": [PENDING, GRANTED, {**PENDING, "error": "access_denied"}],
}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[TokenServer, None]:
        async with token_server(ANSWERS) as server:
            yield server

    with Background(opened()) as server:
        monkeypatch.setenv("COPILOT_GITHUB_URL", server.url)
        yield server


def test_the_code_is_shown_and_what_comes_of_it_goes_into_the_vault(run: Run, home: Home, github: TokenServer) -> None:
    done = run("models", "login", "copilot")
    assert done.stdout.splitlines() == [
        f"Open     {DEVICE_CODE['verification_uri']}",
        f"Type in  {DEVICE_CODE['user_code']}",
        "signed in: its models are named copilot/MODEL",
    ]
    assert "waiting" in done.stderr
    assert GRANTED["access_token"] not in done.output
    assert run_async(open_vault(home).get("login:copilot")) == Secret(GRANTED["access_token"])
    assert "login:copilot" in run("models", "providers").stdout
    refused = run("models", "login", "copilot")
    assert (refused.exit_code, "cancelled at GitHub" in refused.stderr) == (1, True)


def test_a_vendor_without_a_login_is_told_those_that_have_one(home: Home) -> None:
    with pytest.raises(NotFound, match="did you mean copilot"):
        sign_in(home, "copilott")
    with pytest.raises(NotFound, match="there are: "):
        sign_in(home, "openai")
