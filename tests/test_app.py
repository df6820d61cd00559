import asyncio
import io
import logging
from pathlib import Path

import pytest

from carapax import confidential
from carapax.app import Tasks, open_app, supervise
from carapax.config import AgentConfig, Config, Home
from carapax.errors import Broken, ConfigError, NotFound, StoreLocked
from carapax.logs.logs import Logs
from carapax.redaction import MASK, Secret
from carapax.vault import open_vault
from tests.running import run


def test_an_unexpected_failure_is_logged_and_named_and_an_expected_one_passes(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(error: Exception) -> None:
        raise error

    with pytest.raises(Broken, match="the engine failed unexpectedly: ZeroDivisionError"):
        run(supervise("the engine", fail(ZeroDivisionError())))
    assert "the engine failed" in caplog.text
    with pytest.raises(NotFound):
        run(supervise("the engine", fail(NotFound("nothing there"))))


def test_closing_ends_every_task_also_one_that_resists() -> None:
    ended: list[str] = []

    async def work(name: str, cancellations: int) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancellations -= 1
                if cancellations <= 0:
                    ended.append(name)
                    raise

    async def scenario() -> None:
        tasks = Tasks()
        tasks.spawn("obeys", work("obeys", 1))
        tasks.keep("goes on", lambda: work("goes on", 1))
        await asyncio.sleep(0)
        await tasks.close()

    run(scenario())
    assert sorted(ended) == ["goes on", "obeys"]


def test_a_home_is_opened_once_and_can_be_opened_again(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "data")
    config = Config(agents={"main": AgentConfig(model="demo/demo")})

    async def scenario() -> None:
        async with open_app(config, home, environ={}) as services:
            assert [agent.name for agent in services.sessions.agents()] == ["main"]
            with pytest.raises(StoreLocked):
                async with open_app(config, home, environ={}):
                    pass
        async with open_app(config, home, environ={}):
            pass

    run(scenario())


def test_an_unknown_sandbox_or_tool_is_a_wrong_configuration(tmp_path: Path) -> None:
    async def scenario(config: Config) -> None:
        async with open_app(config, Home(tmp_path, tmp_path / "data"), environ={}):
            pass

    with pytest.raises(ConfigError, match="there is no sandbox"):
        run(scenario(Config(agents={"main": AgentConfig(sandbox="nowhere")})))
    with pytest.raises(ConfigError, match="there is no tool"):
        run(scenario(Config(extra_tools=("no.such.tool",))))


def test_nothing_in_the_vault_is_logged_from_the_start_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidential, "FOLLOW_S", 0.0)
    written = io.StringIO()
    told = logging.getLogger("test")

    async def main() -> None:
        vault = open_vault(Home(tmp_path, tmp_path))
        await vault.set("first", Secret("first-Value-4711"))
        with Logs(written, least="warning") as logs:
            async with open_app(Config(), Home(tmp_path, tmp_path), environ={}, logs=logs):
                told.warning("first-Value-4711")
                logs.flush()
                assert written.getvalue().endswith(f" WARNING test: {MASK}\n")
                await vault.set("second", Secret("second-Value-4711"))
                async with asyncio.timeout(30):
                    while written.getvalue().count(MASK) < 2:
                        await asyncio.sleep(0)
                        told.warning("second-Value-4711")
                        logs.flush()

    run(main())
