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
)
from carapax.messages import Inbound, Sender, ToolResult, UserMessage
from carapax.testing import Pause, call
from tests.agent.running import FunctionTool
from tests.running import run
from tests.sessions.opened import opened


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


def test_a_run_that_a_message_begins_while_another_agent_is_chosen_is_that_agents(tmp_path: Path) -> None:
    async def scenario() -> None:
        config = Config(agents={"main": AgentConfig(sandbox="local"), "second": AgentConfig(sandbox="local")})
        async with opened(tmp_path, ["one", "two"], config=config) as gateway:
            session = await gateway.say("first")
            after = (await gateway.finished(session)).seq
            async with asyncio.TaskGroup() as both:
                both.create_task(gateway.sessions.configure(session, {"agent": "second"}))
                both.create_task(gateway.say("again", session))
            await gateway.finished(session, after)
            begun = [event.agent for event in await gateway.events(session) if isinstance(event, RunStarted)]
            assert begun == ["main", "second"]

    run(scenario())


def test_a_repetition_does_not_disturb_the_run_that_a_message_beside_it_begins(tmp_path: Path) -> None:
    async def scenario() -> None:
        tool = FunctionTool("look", lambda given: "seen")
        async with opened(tmp_path, ["one", call("look"), "done"], tools=[tool]) as gateway:
            session = await gateway.say("hi", dedupe_key="k")
            last = await gateway.finished(session)
            async with asyncio.TaskGroup() as both:
                both.create_task(gateway.say("hi", session, dedupe_key="k"))
                both.create_task(gateway.say("look", session))
            await gateway.finished(session, last.seq)
            assert gateway.provider.requests[-1].messages[-1] == ToolResult("call_1", "look", "seen")

    run(scenario())
