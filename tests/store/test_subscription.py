import asyncio
from pathlib import Path

import pytest

from carapax.errors import InvalidRequest, Lagged, NotFound
from carapax.events import Envelope, TextDelta
from carapax.store.journal import Journal
from carapax.store.subscription import Subscription
from carapax.testing.clock import START
from tests.running import run
from tests.store.opened import ANSWERED, STARTED, STARTED_RUN, opened_journal, value


async def take(events: Subscription, count: int) -> list[tuple[int, str]]:
    return [(envelope.seq, type(envelope.event).__name__) for envelope in [await anext(events) for _ in range(count)]]


def test_a_watcher_sees_kept_and_streamed_events_in_their_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            async with journal.subscribe("s") as events:
                await journal.append("s", STARTED_RUN, run="r")
                journal.stream("s", "r", TextDelta("hel"))
                journal.stream("s", "r", TextDelta("lo"))
                await journal.append("s", ANSWERED, run="r")
                await journal.append("other", STARTED)
                journal.stream("other", "x", TextDelta("no"))
                await journal.append("s", value(1))
                assert [await anext(events) for _ in range(5)] == [
                    Envelope(2, "s", START, STARTED_RUN, "r"),
                    Envelope(2, "s", START, TextDelta("hel"), "r"),
                    Envelope(2, "s", START, TextDelta("lo"), "r"),
                    Envelope(3, "s", START, ANSWERED, "r"),
                    Envelope(4, "s", START, value(1)),
                ]

    run(scenario())


def test_a_watcher_of_all_sessions_sees_each_from_now_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("a", STARTED)
            async with journal.subscribe(None) as events:
                await journal.append("b", STARTED)
                await journal.append("a", value(1))
                journal.stream("b", "r", TextDelta("x"))
                seen = [await anext(events) for _ in range(3)]
            assert [(e.session, e.seq) for e in seen] == [("b", 1), ("a", 2), ("b", 1)]

    run(scenario())


def test_what_was_kept_before_comes_first_and_nothing_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED, *(value(number) for number in range(2, 1102)))
            async with journal.subscribe("s", after=3) as events:
                assert await take(events, 1) == [(4, "StateChanged")]
                await journal.append("s", STARTED_RUN, run="r")
                journal.stream("s", "r", TextDelta("x"))
                rest = await take(events, 1099)
                assert [seq for seq, _ in rest[:-1]] == list(range(5, 1103))
                assert rest[-2:] == [(1102, "RunStarted"), (1102, "TextDelta")]

    run(scenario())


def test_streamed_events_of_an_answer_that_is_already_kept_are_left_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            async with journal.subscribe("s", after=0) as events:
                journal.stream("s", "r", TextDelta("x"))
                await journal.append("s", ANSWERED, run="r")
                journal.stream("s", "r", TextDelta("y"))
                assert await take(events, 3) == [(1, "SessionStarted"), (2, "ModelResponded"), (2, "TextDelta")]

    run(scenario())


def test_replay_while_others_write_has_no_gap(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED, *(value(number) for number in range(2, 700)))

            async def write() -> None:
                for number in range(200):
                    await journal.append("s", value(number))

            async def watch(after: int) -> list[int]:
                async with journal.subscribe("s", after=after) as events:
                    return [seq for seq, _ in await take(events, 899 - after)]

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(write())
                watching = [tasks.create_task(watch(after)) for after in (0, 1, 499, 500, 698, 699)]
            for task, after in zip(watching, (0, 1, 499, 500, 698, 699), strict=True):
                assert task.result() == list(range(after + 1, 900))

    run(scenario())


def test_a_session_or_seq_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            with pytest.raises(NotFound):
                async with journal.subscribe("t", after=0):
                    pass
            for after in (-1, 2):
                with pytest.raises(InvalidRequest, match=f"has events 1 to 1: cannot go on after {after}"):
                    async with journal.subscribe("s", after=after):
                        pass
            async with journal.subscribe("s", after=1) as events:
                await journal.append("s", value(1))
                assert await take(events, 1) == [(2, "StateChanged")]

    run(scenario())


def test_a_slow_watcher_is_dropped_and_resumes_without_loss(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db", queue=10) as journal:
            await journal.append("s", STARTED)
            seen: list[int] = []

            async def read(until: int) -> None:
                async with journal.subscribe("s", after=seen[-1] if seen else 0) as events:
                    async for envelope in events:
                        seen.append(envelope.seq)
                        if len(seen) == 1:
                            await write(journal, 30)
                        if envelope.seq == until:
                            return

            with pytest.raises(Lagged, match="subscribe again after the last seq"):
                await read(31)
            await read(31)
            assert seen == list(range(1, 32))

    run(scenario())


async def write(journal: Journal, count: int) -> None:
    for number in range(count):
        await journal.append("s", value(number))


def test_one_slow_watcher_does_not_slow_or_drop_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            async with journal.subscribe("s", queue=2) as slow, journal.subscribe("s", queue=100) as quick:
                await write(journal, 3)
                assert [seq for seq, _ in await take(quick, 3)] == [2, 3, 4]
                with pytest.raises(Lagged):
                    await take(slow, 1)
                with pytest.raises(Lagged):
                    await take(slow, 1)

    run(scenario())


def test_a_waiting_watcher_can_be_cancelled_and_go_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            async with journal.subscribe("s") as events:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await anext(events)
                await journal.append("s", value(1))
                assert await take(events, 1) == [(2, "StateChanged")]

    run(scenario())


def test_nothing_is_told_after_a_watcher_has_left(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            async with journal.subscribe("s") as events:
                pass
            await write(journal, 1)
            journal.stream("s", "r", TextDelta("x"))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(events)

    run(scenario())
