import asyncio
from pathlib import Path

import pytest

from carapax.config import AgentConfig
from carapax.errors import InvalidRequest, NotFound
from carapax.events import (
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
    Steered,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import UserMessage
from carapax.store import leases
from carapax.testing import Pause, call
from tests.agent.running import FunctionTool
from tests.running import run
from tests.sessions.opened import opened
from tests.store.opened import opened_journal

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


def test_a_message_that_finds_its_session_at_rest_begins_a_run_in_the_same_commit(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, ["one", "two"]) as gateway:
            session = await gateway.say("first")
            began = [type(event) for event in await gateway.events(session)][:4]
            assert began == [SessionStarted, MessageReceived, StateChanged, RunStarted]
            ended = await gateway.finished(session)
            await gateway.until(session, lambda kept: kept.seq == ended.seq, after=ended.seq - 1)
            await asyncio.sleep(0)
            await gateway.say("second", session)
            later = [type(envelope.event) for envelope in await gateway.journal.read(session, ended.seq)][:2]
            assert later == [MessageReceived, RunStarted]

    run(scenario())


def test_a_message_is_kept_without_a_run_where_another_gateway_has_the_lease(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, ["one", "two"]) as gateway:
            session = await gateway.say("first")
            ended = await gateway.finished(session)
            await asyncio.sleep(0)
            far = leases.acquire(session, "theirs", "another", 1e11, 30)
            await gateway.journal.append(session, StateChanged("mark", 1), also=[far])
            await gateway.say("second", session)
            kept = [type(envelope.event) for envelope in await gateway.journal.read(session, ended.seq)]
            assert kept == [StateChanged, MessageReceived]
            await gateway.journal.append(session, StateChanged("mark", 2), also=[leases.release(session, "theirs")])
            assert (await gateway.finished(session, ended.seq)).event == RunFinished("done")

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


def test_a_run_that_has_hardly_begun_is_cancelled_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, ["fresh"]) as gateway:
            session = await gateway.say("oh no")
            assert await gateway.sessions.cancel(session)
            ended = await gateway.finished(session)
            assert ended.event == RunFinished("cancelled", "stopped on request")
            assert not any(isinstance(event, ModelResponded) for event in await gateway.events(session))
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
            await asyncio.wait_for(started.wait(), 30)
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


def test_a_tool_whose_caller_goes_away_is_stopped_and_the_session_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        started = asyncio.Event()

        async def work(given: object) -> str:
            started.set()
            await asyncio.Event().wait()
            return "never"

        async with opened(tmp_path, [], tools=[FunctionTool("work", work), ECHO]) as gateway:
            session = (await gateway.sessions.create()).id
            caller = asyncio.get_running_loop().create_task(gateway.sessions.execute("work", {}, session=session))
            await started.wait()
            caller.cancel()
            await asyncio.wait([caller])
            assert caller.cancelled() and gateway.sessions.running() == ()
            assert [type(event) for event in (await gateway.events(session))[-2:]] == [ToolReturned, RunFinished]
            assert (await gateway.sessions.execute("echo", {"text": "x"}, session=session))[1].text == "you said x"

    run(scenario())


def test_a_tool_that_a_person_runs_can_be_cancelled(tmp_path: Path) -> None:
    async def scenario() -> None:
        started = asyncio.Event()

        async def work(given: object) -> str:
            started.set()
            await asyncio.Event().wait()
            return "never"

        async with opened(tmp_path, [], tools=[FunctionTool("work", work)]) as gateway:
            session = (await gateway.sessions.create()).id
            caller = asyncio.get_running_loop().create_task(gateway.sessions.execute("work", {}, session=session))
            await started.wait()
            assert gateway.sessions.running() == (session,)
            assert await gateway.sessions.cancel(session)
            _, result = await caller
            assert result.is_error and "unknown" in result.text
            assert not await gateway.sessions.cancel(session)
            assert (await gateway.journal.session(session)).state == "idle"

    run(scenario())


def test_a_tool_that_cannot_be_called_like_this_leaves_no_session(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, [], tools=[ECHO]) as gateway:
            with pytest.raises(NotFound):
                await gateway.sessions.execute("eco", {})
            with pytest.raises(InvalidRequest):
                await gateway.sessions.execute("echo", {"number": "many"})
            assert await gateway.journal.sessions() == []

    run(scenario())


def test_a_gateway_that_stops_right_after_a_cancel_begins_no_further_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        pause = Pause()
        agent = AgentConfig(sandbox="bubblewrap", queue="followup")
        async with opened(tmp_path, [(pause, "one"), "two"], agent=agent) as gateway:
            session = await gateway.say("1")
            await pause.reached()
            await gateway.say("2", session)
            await gateway.sessions.cancel(session)
        assert len(gateway.provider.requests) == 1

    run(scenario())


def test_a_run_that_waits_to_go_on_does_not_in_a_session_that_has_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, [Pause()]) as gateway:
            session = await gateway.say("1")
            await gateway.until(session, lambda envelope: isinstance(envelope.event, RunStarted))
        async with opened_journal(tmp_path / "data" / "carapax.db") as journal:
            (started,) = [one for one in await journal.read(session) if isinstance(one.event, RunStarted)]
            await journal.append(session, RunFinished("interrupted"), run=started.run, fence=started.run)
            await journal.append(session, SessionEnded("enough"))
        async with opened(tmp_path, ["late"]) as gateway:
            closed = RunFinished("cancelled", "the session was ended")
            await gateway.until(session, lambda envelope: envelope.event == closed)
            assert gateway.provider.requests == []
            assert await gateway.journal.unfinished() == []

    run(scenario())
