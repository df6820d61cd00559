import asyncio
from pathlib import Path

import pytest

from carapax.config import AgentConfig, Config
from carapax.errors import NotFound
from carapax.events import ModelResponded, Rerun, RunFinished, RunStarted, ToolCalled, ToolReturned
from carapax.messages import Inbound, Sender, ToolResult
from carapax.sessions.session import ATTEMPTS
from carapax.store.transcripts import UNKNOWN_OUTCOME
from carapax.testing import MemoryChannel, Pause, call
from tests.agent.running import FunctionTool
from tests.running import run
from tests.sessions.opened import Opened, opened


async def answered(gateway: Opened, session: str, text: str) -> None:
    await gateway.until(
        session, lambda kept: isinstance(kept.event, ModelResponded) and kept.event.message.text == text
    )


def waiting_tool(rerun: Rerun) -> tuple[FunctionTool, list[str], asyncio.Event, asyncio.Event]:
    """A tool that stands still in its first run, and counts its runs."""
    runs: list[str] = []
    started, go_on = asyncio.Event(), asyncio.Event()

    async def work(given: object) -> str:
        runs.append("run")
        started.set()
        await go_on.wait()
        return "worked"

    return FunctionTool("work", work, effects=frozenset({"write"}), rerun=rerun), runs, started, go_on


def test_a_run_that_a_restart_cut_short_is_told_and_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        pause = Pause()
        async with opened(tmp_path, [("half of", pause)]) as gateway:
            session = await gateway.say("hello")
            await pause.reached()
        async with opened(tmp_path, ["the whole answer"]) as gateway:
            await answered(gateway, session, "the whole answer")
            await gateway.finished(session, (await gateway.journal.session(session)).seq - 1)
            runs = [
                (event.attempt, event.resumes != "") if isinstance(event, RunStarted) else event.reason
                for event in await gateway.events(session)
                if isinstance(event, RunStarted | RunFinished)
            ]
            assert runs == [(1, False), "interrupted", (2, True), "done"]

    run(scenario())


def test_a_call_that_may_have_taken_effect_is_never_run_again_and_the_model_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        tool, runs, started, _ = waiting_tool("at_most_once")
        async with opened(tmp_path, [call("work")], tools=[tool]) as gateway:
            session = await gateway.say("do it")
            await asyncio.wait_for(started.wait(), 30)
        async with opened(tmp_path, ["I will check"], tools=[tool]) as gateway:
            await answered(gateway, session, "I will check")
            assert gateway.provider.requests[0].messages[-1] == ToolResult("call_1", "work", UNKNOWN_OUTCOME, True)
        assert runs == ["run"]

    run(scenario())


def test_a_call_that_may_run_again_does(tmp_path: Path) -> None:
    async def scenario() -> None:
        tool, runs, started, go_on = waiting_tool("idempotent")
        async with opened(tmp_path, [call("work")], tools=[tool]) as gateway:
            session = await gateway.say("do it")
            await asyncio.wait_for(started.wait(), 30)
        go_on.set()
        async with opened(tmp_path, ["it worked"], tools=[tool]) as gateway:
            await answered(gateway, session, "it worked")
            assert gateway.provider.requests[0].messages[-1] == ToolResult("call_1", "work", "worked")
            kinds = [type(event) for event in await gateway.events(session)]
            assert kinds.count(ToolCalled) == 2 and kinds.count(ToolReturned) == 1
        assert runs == ["run", "run"]

    run(scenario())


def test_a_run_that_never_survives_is_given_up_and_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        channel = MemoryChannel()
        session = ""
        for _ in range(ATTEMPTS):
            pause = Pause()
            async with opened(tmp_path, [pause], channels=[channel]):
                session = session or (await channel.say("poison")).session
                await pause.reached()
        async with opened(tmp_path, [], channels=[channel]):
            assert (await channel.reply()).text == "[failed] the gateway stopped 3 times during this run; send it again"

    run(scenario())


def test_a_message_that_no_run_took_is_answered_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        pause = Pause()
        async with opened(tmp_path, [pause]) as gateway:
            session = await gateway.say("first")
            await pause.reached()
            await gateway.say("second", session)
        async with opened(tmp_path, lambda request: f"answer to {request.messages[-1].text}") as gateway:
            await answered(gateway, session, "answer to second")

    run(scenario())


def test_a_reply_that_was_not_sent_is_sent_after_a_restart_and_only_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        channel = MemoryChannel()
        channel.fail_after(1)
        async with opened(tmp_path, ["the answer"], channels=[channel]):
            await channel.say("hello")
            assert (await channel.reply()).text == "the answer"
        async with opened(tmp_path, ["another"], channels=[channel]):
            await channel.say("again")
            assert (await channel.reply(10)).text == "another"
        assert [message.text for message in channel.sent] == ["the answer", "another"]

    run(scenario())


def test_sessions_of_an_agent_that_was_taken_out_are_told_so_and_keep_nobody_from_starting(tmp_path: Path) -> None:
    async def scenario() -> None:
        agents = {"main": AgentConfig(sandbox="bubblewrap"), "other": AgentConfig(sandbox="bubblewrap")}
        inbound = Inbound("test", "", Sender("ann"), "hello")
        pause = Pause()
        async with opened(tmp_path, [pause], config=Config(agents=agents)) as gateway:
            session = (await gateway.sessions.submit(inbound, agent="other")).session
            await pause.reached()
        async with opened(tmp_path, []) as gateway:
            told = "there is no agent 'other' any more (configure it again, or start a new session)"
            failed = RunFinished("failed", told)
            await gateway.until(session, lambda kept: kept.event == failed)
            seq = (await gateway.journal.session(session)).seq
            await gateway.say("are you there", session)
            assert (await gateway.finished(session, seq)).event == failed
            with pytest.raises(NotFound):
                await gateway.sessions.execute("shell", {}, session=session)
            assert (await gateway.sessions.end(session)).state == "ended"

    run(scenario())
