"""Agents that change while they run."""

from pathlib import Path

import pytest

from carapax.errors import Unavailable
from carapax.testing.provider import Pause
from tests.fakes.live_sandbox import BROKEN, MISSING, OPEN
from tests.parts.live import gateway_on, until
from tests.running import run

FILE = """\
[agents.main]
model = "demo/demo"
sandbox = "tests.fakes.live_sandbox"
persona = "old persona"
[sandboxes."tests.fakes.live_sandbox"]
mark = "old"
"""


def marks() -> list[str]:
    return [sandbox.mark for sandbox in OPEN]


def test_a_run_under_way_keeps_its_agent_and_the_next_has_the_new_one(tmp_path: Path) -> None:
    pause = Pause()

    async def main() -> None:
        async with gateway_on(tmp_path, FILE, [("one ", pause, "two"), "three"]) as (gateway, file):
            session = (await gateway.rpc("session.message", text="hi"))["session"]
            await pause.reached()
            file.write_text(FILE.replace("old", "new"))
            await until(lambda: marks() == ["old", "new"])
            pause.release()
            await until(lambda: marks() == ["new"])
            assert "old persona" in str(gateway.model.requests[0])
            await gateway.rpc("session.message", session=session, text="again")
            await until(lambda: len(gateway.model.requests) == 2)
            assert "new persona" in str(gateway.model.requests[1])
        assert marks() == []

    run(main())


def test_a_sandbox_that_cannot_be_opened_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, FILE) as (gateway, file):
            settings = gateway.services.settings
            before, [opened] = settings.current, OPEN
            changes = {
                ("agents", "first"): {"sandbox": "local", "model": "demo/demo"},
                ("agents", "other"): {"sandbox": "tests.fakes.live_sandbox", "model": "demo/demo"},
                ("sandboxes", "tests.fakes.live_sandbox", "works"): False,
                ("budget", "daily_usd"): 1.0,
            }
            with pytest.raises(Unavailable, match="cannot be opened here"):
                await settings.change(changes)
            assert (settings.current, OPEN, file.read_text()) == (before, [opened], FILE)
            assert gateway.services.accounts.standing() == []
            file.write_text(f"{FILE}works = false\n")
            await until(lambda: settings.problem is not None)
            assert settings.problem and "cannot be opened here" in settings.problem.message
            assert (settings.current, OPEN) == (before, [opened])

    run(main())


def test_a_sandbox_that_was_not_there_at_the_start_is_there_as_soon_as_it_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carapax.settings.FIRST_WAIT_S", 0.05)

    async def main() -> None:
        MISSING.add("old")
        async with gateway_on(tmp_path, FILE) as (gateway, _):
            sessions = gateway.services.sessions
            await gateway.services.settings.change({("agents", "main", "description"): "c"})
            assert (sessions.status().sandbox_ok, marks()) == (False, [])
            BROKEN.add("old")
            MISSING.clear()
            await gateway.services.settings.change({("agents", "main", "description"): "d"})
            BROKEN.clear()
            await until(lambda: sessions.status().sandbox_ok)
            assert (marks(), sessions.status().description) == (["old"], "d")
        assert marks() == []

    run(main())


def test_agents_come_and_go_with_their_tools(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, FILE) as (gateway, _):
            settings, sessions = gateway.services.settings, gateway.services.sessions
            await settings.change({("agents", "bob"): {"tools": ["read_*"], "sandbox": "local", "model": "demo/demo"}})
            assert [spec.name for spec in sessions.status("bob").tools] == ["read_file"]
            session = (await gateway.rpc("session.create", agent="bob"))["id"]
            await settings.change({("agents", "bob"): None})
            assert [status.name for status in sessions.agents()] == ["main"]
            await gateway.rpc("session.message", session=session, text="still there?")
            transcript = await sessions.transcript(session)
            await until(lambda: not sessions.running() and transcript.run is None and not transcript.waiting)
            events = (await gateway.rpc("session.events", session=session))["events"]
            assert "there is no agent 'bob' any more" in str(events[-1])

    run(main())
