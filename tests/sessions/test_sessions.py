import asyncio
from pathlib import Path

import pytest

from carapax.config import AgentConfig, Config, LimitsConfig
from carapax.errors import Conflict, InvalidRequest, NotFound, RateLimited
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
from carapax.messages import Inbound, Sender, UserMessage
from carapax.testing import MemoryChannel, Pause, call
from tests.agent.running import FunctionTool
from tests.running import run
from tests.sessions.opened import opened

ECHO = FunctionTool("echo", lambda given: f"you said {given.get('text')}")


def test_a_message_becomes_an_answer_and_all_of_it_is_in_the_journal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, ["hello ann"]) as gateway:
            session = await gateway.say("hello")
            await gateway.finished(session)
            events = await gateway.events(session)
            assert [type(event) for event in events] == [
                SessionStarted,
                MessageReceived,
                StateChanged,
                RunStarted,
                ModelResponded,
                RunFinished,
            ]
            assert gateway.provider.requests[0].messages == (UserMessage("hello", "ann"),)

    run(scenario())


def test_a_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, ["one"]) as gateway:
            session = await gateway.say("first")
            await gateway.finished(session)
        async with opened(tmp_path, ["two"]) as gateway:
            after = (await gateway.journal.session(session)).seq
            await gateway.say("second", session)
            await gateway.finished(session, after)
            assert [message.text for message in gateway.provider.requests[0].messages] == ["first", "one", "second"]

    run(scenario())


def test_a_repeated_message_is_acknowledged_and_dropped(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, ["one"]) as gateway:
            inbound = Inbound("test", "room", Sender("ann"), "hello", dedupe_key="42")
            first, again = await asyncio.gather(gateway.sessions.submit(inbound), gateway.sessions.submit(inbound))
            assert {first.duplicate, again.duplicate} == {False, True}
            assert (first.session, first.message, first.seq) == (again.session, again.message, again.seq)
            await gateway.finished(first.session)
            assert len(gateway.provider.requests) == 1

    run(scenario())


def test_messages_of_one_conversation_share_a_session(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, lambda request: "ok") as gateway:
            inbounds = [Inbound("test", "room", Sender("ann"), f"message {number}") for number in range(5)]
            receipts = await asyncio.gather(*(gateway.sessions.submit(inbound) for inbound in inbounds))
            assert len({receipt.session for receipt in receipts}) == 1

    run(scenario())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("a\x00b", "U\\+0000"),
        ("\x1b[31mred", "U\\+001B"),
        ("x" * 100_001, "more than 100000"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_the_reason(tmp_path: Path, text: str, problem: str) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as gateway:
            with pytest.raises(InvalidRequest, match=problem):
                await gateway.say(text)
            assert await gateway.journal.sessions() == []

    run(scenario())


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


def test_an_ended_session_takes_no_more_and_its_run_stops(tmp_path: Path) -> None:
    async def scenario() -> None:
        pause = Pause()
        async with opened(tmp_path, [(pause, "never")]) as gateway:
            session = await gateway.say("go")
            await pause.reached()
            assert (await gateway.sessions.end(session, "enough")).state == "ended"
            await gateway.finished(session)
            assert SessionEnded("enough") in await gateway.events(session)
            with pytest.raises(Conflict, match="has ended"):
                await gateway.say("more", session)
            with pytest.raises(Conflict, match="has ended"):
                await gateway.sessions.end(session)

    run(scenario())


def test_unknown_sessions_and_agents_are_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as gateway:
            with pytest.raises(NotFound, match="nowhere"):
                await gateway.say("hi", "nowhere")
            with pytest.raises(NotFound, match="there is no agent 'nobody' \\(there are: main\\)"):
                await gateway.sessions.create(agent="nobody")

    run(scenario())


def test_a_session_takes_only_so_many_waiting_messages(tmp_path: Path) -> None:
    async def scenario() -> None:
        pause = Pause()
        config = Config(agents={"main": AgentConfig(sandbox="bubblewrap")}, limits=LimitsConfig(queued_messages=2))
        async with opened(tmp_path, [(pause, "one")], config=config) as gateway:
            session = await gateway.say("1")
            await pause.reached()
            await gateway.say("2", session)
            await gateway.say("3", session)
            with pytest.raises(RateLimited, match="2 messages wait"):
                await gateway.say("4", session)

    run(scenario())


def test_a_fork_goes_its_own_way(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, ["one", "two"]) as gateway:
            session = await gateway.say("first")
            end = await gateway.finished(session)
            fork = await gateway.sessions.fork(session, end.seq)
            await gateway.say("second", fork.id)
            await gateway.finished(fork.id, fork.seq)
            assert [message.text for message in gateway.provider.requests[1].messages] == ["first", "one", "second"]
            assert (await gateway.journal.session(session)).seq == end.seq

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


def test_a_reply_is_sent_once_in_order_and_split_to_the_platforms_limit(tmp_path: Path) -> None:
    async def scenario() -> None:
        channel = MemoryChannel(max_text=100)
        channel.fail(2)
        channel.fail_after(1)
        long = "word " * 40
        async with opened(tmp_path, [long.strip()], channels=[channel]):
            receipt = await channel.say("hello")
            sent = [await channel.reply(20) for _ in range(3)]
            assert " ".join(message.text for message in sent) == long.strip()
            assert len({message.key for message in channel.attempts}) == 3
            assert {message.conversation for message in sent} == {"home"}
            assert receipt.session

    run(scenario())


def test_a_failure_is_told_on_the_platform_it_came_from(tmp_path: Path) -> None:
    async def scenario() -> None:
        channel = MemoryChannel()
        async with opened(tmp_path, [], channels=[channel]):
            await channel.say("hello")
            assert (await channel.reply()).text.startswith("[failed] the script has no answer left")

    run(scenario())
