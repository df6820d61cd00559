import asyncio
from pathlib import Path

import pytest

from carapax.config import AgentConfig
from carapax.errors import InvalidRequest, NotFound
from carapax.events import (
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionStarted,
    StateChanged,
    Steered,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import UserMessage
from carapax.testing import Pause, call
from tests.agent.running import FunctionTool
from tests.running import run
from tests.sessions.opened import opened

ECHO = FunctionTool("echo", lambda given: f"you said {given.get('text')}")


def test_a_steered_message_is_taken_between_tool_calls(tmp_path: Path) -> None:
    async def scenario() -> None:
        pause = Pause()
        async with opened(tmp_path, [(pause, call("echo", text="x")), "both done"], tools=[ECHO]) as gateway:
            session = await gateway.say("first")
            await pause.reached()
            await gateway.say("and also", session)
            pause.release()
            await gateway.finished(session)
            events = await gateway.events(session)
            assert sum(isinstance(event, RunStarted) for event in events) == 1
            assert sum(isinstance(event, Steered) for event in events) == 1
            assert gateway.provider.requests[1].messages[-1] == UserMessage("and also", "ann")

    run(scenario())


def test_followups_get_a_run_each(tmp_path: Path) -> None:
    async def scenario() -> None:
        pause = Pause()
        agent = AgentConfig(sandbox="bubblewrap", queue="followup")
        async with opened(tmp_path, [(pause, "one"), "two", "three"], agent=agent) as gateway:
            session = await gateway.say("1")
            await pause.reached()
            await gateway.say("2", session)
            await gateway.say("3", session)
            pause.release()
            await gateway.until(
                session,
                lambda envelope: isinstance(envelope.event, ModelResponded) and envelope.event.message.text == "three",
            )
            taken = [event.messages for event in await gateway.events(session) if isinstance(event, RunStarted)]
            assert [len(messages) for messages in taken] == [1, 1, 1]

    run(scenario())


def test_collected_messages_of_one_sender_share_a_run_and_another_senders_do_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        pause = Pause()
        agent = AgentConfig(sandbox="bubblewrap", queue="collect")
        async with opened(tmp_path, [(pause, "one"), "two", "three"], agent=agent) as gateway:
            session = await gateway.say("1")
            await pause.reached()
            for text, sender in (("2", "ann"), ("3", "ann"), ("4", "bob"), ("5", "ann")):
                await gateway.say(text, session, sender)
            pause.release()
            await gateway.until(
                session,
                lambda envelope: isinstance(envelope.event, ModelResponded) and envelope.event.message.text == "three",
            )
            taken = [event.messages for event in await gateway.events(session) if isinstance(event, RunStarted)]
            assert [len(messages) for messages in taken][:3] == [1, 2, 1]

    run(scenario())


def test_a_run_is_cancelled_and_the_next_message_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        pause = Pause()
        async with opened(tmp_path, [("half", pause), "fresh"]) as gateway:
            session = await gateway.say("long task")
            await pause.reached()
            assert await gateway.sessions.cancel(session)
            ended = await gateway.finished(session)
            assert ended.event == RunFinished("cancelled", "stopped on request")
            assert not await gateway.sessions.cancel(session)
            await gateway.say("again", session)
            assert (await gateway.finished(session, ended.seq)).event == RunFinished("done")

    run(scenario())


def test_a_call_that_was_running_when_it_was_cancelled_has_an_unknown_outcome(tmp_path: Path) -> None:
    async def scenario() -> None:
        started = asyncio.Event()

        async def wait(given: object) -> str:
            started.set()
            await asyncio.Event().wait()
            return ""

        tool = FunctionTool("wait", wait, effects=frozenset({"write"}), rerun="at_most_once")
        async with opened(tmp_path, [call("wait")], tools=[tool]) as gateway:
            session = await gateway.say("go")
            await asyncio.wait_for(started.wait(), 5)
            await gateway.sessions.cancel(session)
            await gateway.finished(session)
            events = await gateway.events(session)
            assert [type(event) for event in events[-3:]] == [ToolCalled, ToolReturned, RunFinished]
            returned = events[-2]
            assert isinstance(returned, ToolReturned) and "unknown" in returned.result.text

    run(scenario())


def test_a_person_runs_a_tool_and_it_is_journaled(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, ["hello"], tools=[ECHO]) as gateway:
            session, result = await gateway.sessions.execute("echo", {"text": "x"})
            assert (result.text, result.is_error) == ("you said x", False)
            kinds = [type(event) for event in await gateway.events(session)]
            assert kinds == [SessionStarted, StateChanged, RunStarted, ToolCalled, ToolReturned, RunFinished]
            with pytest.raises(InvalidRequest, match="number"):
                await gateway.sessions.execute("echo", {"number": "many"}, session=session)
            with pytest.raises(NotFound, match="no tool 'eco'"):
                await gateway.sessions.execute("eco", {}, session=session)
            await gateway.say("and now you", session)
            await gateway.finished(session, len(kinds))
            assert gateway.provider.requests[0].messages == (UserMessage("and now you", "ann"),)

    run(scenario())
