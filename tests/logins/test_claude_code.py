import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carapax.errors import ModelUnauthorized
from carapax.http import Http
from carapax.logins.claude_code import ClaudeCode
from carapax.models.credential import Credential
from carapax.redaction import Secret
from carapax.testing import FakeClock, MemoryVault
from tests.running import run

BETA = {"anthropic-beta": "oauth-2025-04-20"}


def opened(home: Path, clock: FakeClock | None = None, **environ: str) -> ClaudeCode:
    return ClaudeCode(MemoryVault(), Http(), clock or FakeClock(), environ, home)


def write_login(home: Path, token: str, expires_at: float) -> Path:
    file = home / ".claude" / ".credentials.json"
    file.parent.mkdir(exist_ok=True)
    oauth = {"accessToken": token, "refreshToken": "r", "expiresAt": int(expires_at * 1000), "scopes": []}
    file.write_text(json.dumps({"claudeAiOauth": oauth, "other": 1}))
    return file


def test_the_token_of_the_file_is_used_until_it_expires_and_the_next_one_then(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        login = opened(tmp_path, clock)
        file = write_login(tmp_path, "one", clock.now() + 10)
        before = file.read_bytes()
        first = await login.get()
        assert first == Credential(Secret("one"), BETA)
        assert await login.renew(first) is None
        clock.advance(10)
        with pytest.raises(ModelUnauthorized, match="has expired"):
            await login.get()
        assert file.read_bytes() == before
        write_login(tmp_path, "another", clock.now() + 10)
        assert await login.renew(first) == Credential(Secret("another"), BETA)

    run(main())


def test_a_token_of_the_environment_comes_first(tmp_path: Path) -> None:
    async def main() -> None:
        write_login(tmp_path, "one", 0)
        assert await opened(tmp_path).get() == Credential(Secret("one"), BETA)
        login = opened(tmp_path, CLAUDE_CODE_OAUTH_TOKEN=" two\n")
        assert await login.get() == Credential(Secret("two"), BETA)
        moved = opened(Path("/nowhere"), CLAUDE_CONFIG_DIR=str(tmp_path / ".claude"))
        assert await moved.get() == Credential(Secret("one"), BETA)

    run(main())


def _gone(file: Path) -> Any:
    return file.unlink()


def _other(file: Path) -> Any:
    return file.write_text('{"claudeAiOauth": null}')


@pytest.mark.parametrize("change", [_gone, _other])
def test_without_a_login_the_error_says_where_to_get_one(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    async def main() -> None:
        login = opened(tmp_path)
        file = write_login(tmp_path, "one", 0)
        await login.get()
        change(file)
        with pytest.raises(ModelUnauthorized, match=r"\.credentials\.json") as raised:
            await login.get()
        assert "run `claude`" in raised.value.hint

    run(main())
