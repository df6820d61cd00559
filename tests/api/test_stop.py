"""The kill switch, from outside."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from carapax.cli.stored import Stored
from carapax.config import Config, GatewayConfig, Home
from carapax.testing import Pause, call
from carapax.testing.gateway import GatewayClient, SocketClient, gateway_client
from tests.running import run

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)
SESSIONS = 20
WITHIN_S = 10
TOLD = "all agents were stopped by local: they misbehave"


def survivors(mark: str) -> list[int]:
    """The processes of this machine that carry a mark in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


async def seen(socket: SocketClient, kind: str, sessions: int) -> None:
    """Wait until an event of a kind was seen in so many sessions."""
    found: set[str] = set()
    async with asyncio.timeout(60):
        while len(found) < sessions:
            event = await socket.event()
            if event["event"]["kind"] == kind:
                found.add(event["session"])


async def released(gateway: GatewayClient, sessions: int) -> None:
    """Release the agents and wait until so many sessions have answered."""
    async with gateway.socket() as socket:
        await socket.rpc("session.subscribe")
        await socket.rpc("agents.release")
        await seen(socket, "run_finished", sessions)


async def happened(gateway: GatewayClient, session: str, kind: str) -> list[dict[str, Any]]:
    events = (await gateway.rpc("session.events", session=session))["events"]
    return [each["event"] for each in events if each["event"]["kind"] == kind]


async def answers(gateway: GatewayClient, session: str) -> list[str]:
    said = await happened(gateway, session, "model_responded")
    parts = [part for each in said for part in each["message"]["parts"]]
    return [part["text"] for part in parts if part["type"] == "text"]


@needs_bubblewrap
def test_a_stop_ends_every_tool_of_20_sessions_and_what_waits_is_answered_once_after_the_release(
    tmp_path: Path,
) -> None:
    mark = f"600{os.getpid()}"

    async def stopped() -> list[str]:
        script = [call("shell", command=f"echo up; sleep {mark}")] * SESSIONS
        async with gateway_client(script, home=tmp_path) as gateway, gateway.socket() as socket:
            await socket.rpc("session.subscribe")
            sessions = [(await gateway.rpc("session.message", text="go"))["session"] for _ in range(SESSIONS)]
            await seen(socket, "tool_progress", SESSIONS)
            assert len(survivors(mark)) >= SESSIONS
            async with asyncio.timeout(WITHIN_S):
                done = await gateway.rpc("agents.stop", reason="they misbehave")
            assert survivors(mark) == []
            assert (sorted(done["ended"]), done["remaining"]) == (sorted(sessions), [])
            status = await gateway.rpc("status")
            assert (status["running"], status["stopped"]) == ([], done["stopped"])
            for session in sessions:
                sent = await gateway.rpc("session.message", session=session, text="still there?", wait=True)
                assert (sent["stopped"], "reply" in sent) == (TOLD, False)
            return sessions

    async def restarted(sessions: list[str]) -> None:
        async with gateway_client(["yes"] * SESSIONS, home=tmp_path) as gateway:
            assert (await gateway.rpc("status"))["stopped"]["reason"] == "they misbehave"
            for session in sessions:
                ended = await happened(gateway, session, "run_finished")
                assert [(each["reason"], each["detail"]) for each in ended] == [("cancelled", TOLD)]
            assert len(gateway.model.requests) == 0
            await released(gateway, SESSIONS)
            for session in sessions:
                assert await answers(gateway, session) == ["yes"]
            assert len(gateway.model.requests) == SESSIONS

    run(restarted(run(stopped())))


def test_while_stopped_no_tool_runs_by_hand_and_no_completion_is_made() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            await gateway.rpc("agents.stop", reason="they misbehave")
            with pytest.raises(RuntimeError, match="all agents were stopped by local"):
                await gateway.rpc("tools.execute", tool="list_files", arguments={})
            asked = {"model": "carapax/main", "messages": [{"role": "user", "content": "hi"}]}
            async with gateway.call("POST", "/v1/chat/completions", json=asked) as response:
                assert (response.status, TOLD in await response.text()) == (503, True)
            assert await gateway.rpc("session.list") == {"sessions": [], "found": {}}

    run(main())


def test_a_run_that_a_crash_cut_short_is_closed_and_not_gone_on_with_while_agents_are_stopped(tmp_path: Path) -> None:
    async def cut_short() -> str:
        pause = Pause()
        async with gateway_client([("half", pause)], home=tmp_path) as gateway:
            session: str = (await gateway.rpc("session.message", text="go"))["session"]
            await pause.reached()
            return session

    async def restarted(session: str) -> None:
        async with gateway_client(["never said"], home=tmp_path) as gateway, gateway.socket() as socket:
            await socket.rpc("session.subscribe", session=session, after=0)
            await seen(socket, "run_finished", 1)
            (ended,) = await happened(gateway, session, "run_finished")
            assert (ended["reason"], ended["detail"]) == ("cancelled", "all agents were stopped by local")
            await gateway.rpc("agents.release")
            assert gateway.model.requests == []

    session = run(cut_short())
    Stored(Home.resolve(tmp_path, None, None, {})).stop_agents("")
    run(restarted(session))


def test_whoever_may_write_may_stop_and_only_an_admin_may_release(tmp_path: Path) -> None:
    async def main() -> None:
        config = Config(gateway=GatewayConfig(port=0))
        async with gateway_client(config=config, home=tmp_path) as gateway:
            secrets = {
                scope: (await gateway.services.tokens.create(scope, [scope]))[1].reveal()
                for scope in ("read", "write", "admin")
            }
            statuses = {}
            for scope, secret in secrets.items():
                for what, method in (("stop", "POST"), ("release", "DELETE")):
                    headers = {"Authorization": f"Bearer {secret}"}
                    async with gateway.call(method, "/api/stop", json={}, headers=headers) as response:
                        statuses[scope, what] = response.status
            assert statuses == {
                ("read", "stop"): 403,
                ("read", "release"): 403,
                ("write", "stop"): 200,
                ("write", "release"): 403,
                ("admin", "stop"): 200,
                ("admin", "release"): 200,
            }

    run(main())


def test_a_home_without_a_gateway_can_be_stopped_as_well(tmp_path: Path) -> None:
    Stored(Home.resolve(tmp_path, None, None, {})).stop_agents("maintenance")

    async def main() -> None:
        async with gateway_client(["hello"], home=tmp_path) as gateway:
            sent = await gateway.rpc("session.message", text="hi")
            assert sent["stopped"] == "all agents were stopped by local: maintenance"
            await released(gateway, 1)
            assert await answers(gateway, sent["session"]) == ["hello"]

    run(main())
