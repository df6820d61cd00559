import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from carapax.errors import Conflict, InvalidRequest, NotFound
from carapax.events import (
    Envelope,
    Event,
    Kept,
    MessageReceived,
    RunFinished,
    RunStarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
    Steered,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import Origin, Receipt, ToolCall, ToolResult
from carapax.store.database import Statement, Unexpected
from carapax.store.journal import Beginning, Duplicate, Journal
from carapax.store.leases import LeaseLost, acquire, release
from carapax.store.records import SessionInfo
from carapax.store.transcripts import FILE, UNKNOWN_OUTCOME
from carapax.testing.clock import START, FakeClock
from tests.running import run
from tests.store.opened import ANSWERED, CALLED, STARTED, STARTED_RUN, opened_database, opened_journal, said, value

INFO = SessionInfo("s", "main", "test", "room", START, START, seq=1, model="demo/demo")


def test_events_are_numbered_without_a_gap_and_read_back_as_they_were_appended(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = FakeClock(1_767_225_600.123_456_7)
        async with opened_journal(tmp_path / "a.db", clock=clock) as journal:
            first = await journal.append("s", STARTED)
            second = await journal.append("s", said("ünï \u2028 \U0001f980"), STARTED_RUN, run="r")
            assert [(e.seq, e.session, e.run, e.at) for e in first + second] == [
                (1, "s", "", 1_767_225_600.123_457),
                (2, "s", "r", 1_767_225_600.123_457),
                (3, "s", "r", 1_767_225_600.123_457),
            ]
            assert await journal.read("s") == list(first + second)

    run(scenario())


def test_text_that_is_no_unicode_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            with pytest.raises(InvalidRequest, match="a MessageReceived holds half a character"):
                await journal.append("s", said("\ud83e"))
            with pytest.raises(InvalidRequest, match="half a character"):
                await journal.append("\ud83e", value(1))
            await journal.append("s", value(1))
            assert len(await journal.read("s")) == 2

    run(scenario())


def test_a_part_of_a_session_is_read_by_seq(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED, *(value(number) for number in range(2, 1203)))

            async def read(after: int = 0, upto: int | None = None, limit: int | None = None) -> tuple[int, int, int]:
                seqs = [envelope.seq for envelope in await journal.read("s", after, upto, limit)]
                assert seqs == list(range(after + 1, after + 1 + len(seqs)))
                return len(seqs), min(seqs, default=0), max(seqs, default=0)

            assert await read() == (1202, 1, 1202)
            assert await read(after=700) == (502, 701, 1202)
            assert await read(upto=500) == (500, 1, 500)
            assert await read(after=10, upto=20) == (10, 11, 20)
            assert await read(after=10, upto=2000, limit=1100) == (1100, 11, 1110)
            assert await read(after=10, limit=0) == (0, 0, 0)
            assert await read(after=1202) == (0, 0, 0)
            assert await journal.read("nobody") == []

    run(scenario())


def test_a_session_begins_once_and_with_its_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            with pytest.raises(NotFound, match="no session 's'"):
                await journal.append("s", said("hello"))
            await journal.append("s", STARTED)
            with pytest.raises(Conflict, match="there is a session s already"):
                await journal.append("s", STARTED)
            with pytest.raises(NotFound):
                await journal.session("t")
            assert [e.event for e in await journal.read("s")] == [STARTED]

    run(scenario())


def test_a_repeated_message_is_told_where_it_was_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED, value(1))
            await journal.append("s", said("hello", dedupe_key="k"))
            await journal.append("t", STARTED)
            for session in ("s", "t"):
                with pytest.raises(Duplicate) as raised:
                    await journal.append(session, value(2), said("hello again", "m2", dedupe_key="k"))
                assert raised.value.receipt == Receipt("s", "m1", 3, duplicate=True)
            other = msgspec.structs.replace(said("hello", "m3", dedupe_key="k"), channel="another")
            assert [e.seq for e in await journal.append("t", other)] == [2]
            assert len(await journal.read("s")) == 3

    run(scenario())


def test_an_ended_session_takes_only_the_events_of_its_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            await journal.append("s", STARTED_RUN, run="r", also=[acquire("s", "r", "here", START, 30)])
            await journal.append("s", SessionEnded("enough"))
            with pytest.raises(Conflict, match="has ended"):
                await journal.append("s", said("hello"))
            with pytest.raises(Conflict, match="has ended"):
                await journal.append("s", said("hello", dedupe_key="k"))
            await journal.append("s", RunFinished("cancelled"), run="r", fence="r", also=[release("s", "r")])
            assert (await journal.session("s")).state == "ended"

    run(scenario())


def test_a_run_that_lost_its_lease_keeps_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            with pytest.raises(LeaseLost):
                await journal.append("s", ANSWERED, run="r1", fence="r1")
            await journal.append("s", STARTED_RUN, run="r1", also=[acquire("s", "r1", "here", START, 30)])
            await journal.append("s", ANSWERED, run="r1", fence="r1")
            with pytest.raises(Unexpected) as raised:
                await journal.append(
                    "s", STARTED_RUN, run="r2", also=[release("x", "y"), acquire("s", "r2", "there", START + 1, 30)]
                )
            assert raised.value.index == 1
            await journal.append("s", STARTED_RUN, run="r2", also=[acquire("s", "r2", "there", START + 31, 30)])
            with pytest.raises(LeaseLost, match="run r1 no longer has session s"):
                await journal.append("s", ANSWERED, run="r1", fence="r1")
            assert [e.run for e in await journal.read("s")] == ["", "r1", "r1", "r2"]

    run(scenario())


def test_a_run_begins_with_the_message_that_it_answers_or_neither_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            beginning = Beginning("r1", STARTED_RUN, acquire("s", "r1", "here", START, 30))
            kept = await journal.append("s", STARTED, said("hi"), begin=beginning)
            assert [(e.seq, e.run, e.event) for e in kept] == [
                (1, "", STARTED),
                (2, "", said("hi")),
                (3, "r1", STARTED_RUN),
            ]
            await journal.append("s", ANSWERED, run="r1", fence="r1")
            other = Beginning("r2", STARTED_RUN, acquire("s", "r2", "there", START + 1, 30))
            with pytest.raises(Unexpected):
                await journal.append("s", said("again", "m2"), begin=other)
            assert [e.seq for e in await journal.read("s")] == [1, 2, 3, 4]

    run(scenario())


def test_what_is_also_to_be_done_is_done_with_the_events_or_not_at_all(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            journal = Journal(database, FakeClock())
            await journal.append("s", STARTED, also=[Statement("CREATE TABLE marks (n BIGINT)")])
            mark = Statement("INSERT INTO marks VALUES (1)")
            await journal.append("s", value(1), also=[mark])
            with pytest.raises(Unexpected):
                await journal.append("s", value(2), also=[mark, Statement("DELETE FROM marks WHERE n = 5", (), 1)])
            with pytest.raises(NotFound):
                await journal.append("t", value(2), also=[mark])
            assert await database.fetch("SELECT n FROM marks") == [(1,)]
            assert [e.event for e in await journal.read("s")] == [STARTED, value(1)]

    run(scenario())


def test_a_session_is_summed_up_from_its_events(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        async with opened_journal(tmp_path / "a.db", clock=clock) as journal:

            async def after(*events: Kept, run: str = "") -> SessionInfo:
                clock.advance(1)
                await journal.append("s", *events, run=run)
                return await journal.session("s")

            def expected(seq: int, updated: float, **other: str) -> SessionInfo:
                return msgspec.structs.replace(INFO, seq=seq, updated_at=START + updated, **other)

            await journal.append("s", STARTED)
            assert await journal.session("s") == INFO
            assert await after(said("hello")) == expected(2, 1)
            assert await after(STARTED_RUN, run="r") == expected(3, 2, state="running", run="r")
            assert await after(ANSWERED, run="r") == expected(4, 2, state="running", run="r")
            assert await after(RunFinished("interrupted"), run="r") == expected(5, 4, state="running", run="r")
            assert await after(RunFinished("done"), run="r") == expected(6, 5)
            assert await after(StateChanged("title", "T"), StateChanged("model", "a/b")) == expected(
                8, 6, title="T", model="a/b"
            )
            assert await after(StateChanged("other", "x")) == expected(9, 6, title="T", model="a/b")
            assert await after(SessionEnded()) == expected(10, 8, title="T", model="a/b", state="ended")

    run(scenario())


def test_sessions_are_listed_by_their_last_update(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        async with opened_journal(tmp_path / "a.db", clock=clock) as journal:
            for name in "abc":
                clock.advance(1)
                await journal.append(name, STARTED)
            clock.advance(1)
            await journal.append("a", said("hello"))
            assert [info.id for info in await journal.sessions()] == ["a", "c", "b"]
            first = await journal.sessions(limit=2)
            assert [info.id for info in first] == ["a", "c"]
            assert [info.id for info in await journal.sessions(before=first[-1].updated_at)] == ["b"]

    run(scenario())


def test_a_conversation_is_found_by_its_newest_session_that_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            assert await journal.find("test", "room") is None
            await journal.append("a", STARTED)
            await journal.append("b", STARTED)
            assert await journal.find("test", "room") == "b"
            await journal.append("b", SessionEnded())
            assert await journal.find("test", "room") == "a"
            await journal.fork("a", 1, "c")
            assert await journal.find("test", "room") == "a"
            assert await journal.find("test", "elsewhere") is None

    run(scenario())


def test_unfinished_are_sessions_with_a_run_or_with_messages_that_none_took(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:

            async def unfinished() -> list[str]:
                return [info.id for info in await journal.unfinished()]

            await journal.append("quiet", STARTED)
            await journal.append("s", STARTED)
            assert await unfinished() == []
            await journal.append("s", said("one", "m1"))
            await journal.append("s", said("two", "m2"))
            assert await unfinished() == ["s"]
            await journal.append("s", STARTED_RUN, run="r")
            await journal.append("s", RunFinished("done"), run="r")
            assert await unfinished() == ["s"]
            await journal.append("s", RunStarted("main", "demo"), run="r2")
            await journal.append("s", Steered(("m2",)), run="r2")
            assert await unfinished() == ["s"]
            await journal.append("s", RunFinished("done"), run="r2")
            assert await unfinished() == []
            await journal.append("s", said("three", "m3"))
            await journal.append("s", SessionEnded())
            assert await unfinished() == []

    run(scenario())


def test_a_cancelled_append_is_kept_and_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            async with journal.subscribe("s") as events, asyncio.TaskGroup() as tasks:
                appending = tasks.create_task(journal.append("s", value(1)))
                await asyncio.sleep(0)
                appending.cancel()
                assert await anext(events) == Envelope(2, "s", START, value(1))
            assert appending.cancelled()
            assert len(await journal.read("s")) == 2

    run(scenario())


def test_many_writers_of_one_session_leave_no_gap_and_are_told_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            observed: list[Envelope] = []
            journal.observe(observed.append)

            async def write(start: int) -> list[Envelope]:
                return [e for n in range(20) for e in await journal.append("s", value(start + n), value(-start - n))]

            async with journal.subscribe(None, queue=5000) as events:
                writing = await asyncio.gather(*(write(100 * writer) for writer in range(1, 41)))
                appended = [envelope for writer in writing for envelope in writer]
                told = [await anext(events) for _ in appended]
            kept = await journal.read("s", after=1)
            assert told == kept == observed == sorted(appended, key=lambda envelope: envelope.seq)
            assert [envelope.seq for envelope in kept] == list(range(2, 1602))
            for one, other in zip(kept[::2], kept[1::2], strict=True):
                assert isinstance(one.event, StateChanged) and isinstance(other.event, StateChanged)
                assert one.event.value == -other.event.value

    run(scenario())


LIFE: tuple[tuple[Kept, str], ...] = (
    (STARTED, ""),
    (said("hello", "m1", dedupe_key="k"), ""),
    (STARTED_RUN, "r"),
    (CALLED, "r"),
    (ToolCalled(ToolCall("c1", "shell", "{}")), "r"),
    (said("more", "m2"), ""),
    (ToolReturned(ToolResult("c1", "shell", "ok")), "r"),
    (ToolReturned(ToolResult("c2", "shell", "ok")), "r"),
    (RunFinished("done"), "r"),
    (StateChanged("title", "T"), ""),
    (SessionEnded(), ""),
)


async def lived(journal: Journal) -> list[Envelope]:
    for event, of in LIFE:
        await journal.append("s", event, run=of)
    return await journal.read("s")


@pytest.mark.parametrize(
    ("at", "closed_with", "state", "waits"),
    [
        (1, [], "idle", False),
        (2, [], "idle", True),
        (3, ["end"], "idle", False),
        (4, ["c1", "c2", "end"], "idle", False),
        (6, ["c1", "c2", "end"], "idle", True),
        (7, ["c2", "end"], "idle", True),
        (8, ["end"], "idle", True),
        (10, [], "idle", True),
    ],
)
def test_a_fork_goes_on_from_where_it_was_cut(
    tmp_path: Path, at: int, closed_with: Sequence[str], state: str, waits: bool
) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        async with opened_journal(tmp_path / "a.db", clock=clock) as journal:
            past = await lived(journal)
            clock.advance(60)
            info = await journal.fork("s", at, "f")
            ends: dict[str, Kept] = {
                call: ToolReturned(ToolResult(call, "shell", UNKNOWN_OUTCOME, is_error=True)) for call in ("c1", "c2")
            }
            ends["end"] = RunFinished("cancelled", "the session was forked here")
            start = msgspec.structs.replace(STARTED, forked_from="s", forked_at=at)
            copied = [msgspec.structs.replace(envelope, session="f") for envelope in past[1:at]]
            closing = [Envelope(seq, "f", START + 60, ends[end], "r") for seq, end in enumerate(closed_with, at + 1)]
            assert await journal.read("f") == [Envelope(1, "f", START + 60, start), *copied, *closing]
            assert info == SessionInfo(
                "f",
                "main",
                "test",
                "room",
                START + 60,
                START + 60,
                at + len(closed_with),
                title="T" if at >= 10 else "",
                model="demo/demo",
                forked_from="s",
                forked_at=at,
            )
            assert [one.id for one in await journal.unfinished()] == (["f"] if waits else [])
            await journal.append("f", value(1))
            assert await journal.read("s") == past

    run(scenario())


def test_a_fork_of_an_ended_session_is_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await lived(journal)
            info = await journal.fork("s", 11, "f")
            assert (info.state, info.seq, info.forked_at) == ("idle", 10, 10)

    run(scenario())


def test_a_fork_that_cannot_be_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await journal.append("s", STARTED)
            for at in (0, -1, 2):
                with pytest.raises(InvalidRequest, match="has events 1 to 1: cannot be forked at"):
                    await journal.fork("s", at, "f")
            with pytest.raises(NotFound):
                await journal.fork("t", 1, "f")
            with pytest.raises(Conflict, match="there is a session s already"):
                await journal.fork("s", 1, "s")

    run(scenario())


async def lines_of(data: bytes) -> AsyncIterator[bytes]:
    for line in data.splitlines(keepends=True):
        yield line


async def exported(journal: Journal, session: str) -> bytes:
    return b"".join([line async for line in journal.export(session)])


def of_a_stranger(event: Event) -> Event:
    """What a file may say of it: nothing that has authority."""
    nowhere = {"channel": "import", "conversation": ""}
    match event:
        case SessionStarted():
            return msgspec.structs.replace(event, origins=(FILE,), **nowhere)
        case MessageReceived(sender=sender):
            return msgspec.structs.replace(event, sender=msgspec.structs.replace(sender, trust="stranger"), **nowhere)
        case ToolReturned(result=result):
            return msgspec.structs.replace(event, origins=(Origin("tool", result.name),))
    return event


def test_an_exported_session_is_the_same_when_it_is_imported_but_of_a_stranger(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            past = await lived(journal)
            data = await exported(journal, "s")
            assert data.count(b"\n") == len(LIFE)
        async with opened_journal(tmp_path / "b.db", clock=FakeClock(START + 5)) as journal:
            info = await journal.import_(lines_of(data), "t")
            told = {"channel": "import", "conversation": ""}
            assert info == msgspec.structs.replace(INFO, id="t", seq=11, title="T", state="ended", **told)
            assert await journal.read("t") == [
                msgspec.structs.replace(envelope, session="t", event=of_a_stranger(envelope.event)) for envelope in past
            ]
            with pytest.raises(Conflict, match="there is a session t already"):
                await journal.import_(lines_of(data), "t")
            with pytest.raises(NotFound):
                await exported(journal, "nobody")

    run(scenario())


def test_a_run_that_an_export_cut_is_closed_by_the_import(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await lived(journal)
            lines = (await exported(journal, "s")).splitlines(keepends=True)
            info = await journal.import_(lines_of(b"".join(lines[:4])), "t")
            assert (info.state, info.seq) == ("idle", 7)

    run(scenario())


def line(seq: int, event: str, session: str = "s") -> bytes:
    return f'{{"seq":{seq},"session":"{session}","at":1.0,"event":{event}}}\n'.encode()


FIRST = line(1, '{"kind":"session_started","agent":"a","channel":"c","conversation":""}')
ENDED = '{"kind":"session_ended"}'


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "the file holds no events"),
        (b"\n\n", "the file holds no events"),
        (FIRST + b"{", "line 2: Input data was truncated"),
        (FIRST + b"\xff\n", "line 2: "),
        (FIRST + line(2, '{"kind":"session_ended","reason":"\\ud800"}'), "line 2: "),
        (FIRST + line(3, ENDED), "line 2: seq is 3 where 2 should follow"),
        (FIRST + line(2, ENDED) + line(2, ENDED), "line 3: seq is 2 where 3 should follow"),
        (FIRST + line(2, ENDED, "t"), "line 2: is of session 't', those before of 's'"),
        (line(1, ENDED), "line 1: a session has one session_started, as its first event"),
        (FIRST + FIRST.replace(b":1,", b":2,"), "line 2: a session has one session_started"),
        (FIRST + line(2, '{"kind":"text_delta","text":"x"}'), "line 2: Invalid value 'text_delta'"),
        (FIRST + line(2, '{"kind":"session_ended","reason":5}'), r"line 2: Expected `str`, got `int`.*reason"),
        (
            FIRST + line(2, '{"kind":"state_changed","key":"k","value":' + "[" * 200_000 + "]" * 200_000 + "}"),
            "line 2: nested",
        ),
    ],
)
def test_a_file_that_is_no_session_is_refused_with_its_line(tmp_path: Path, data: bytes, complaint: str) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            with pytest.raises(InvalidRequest, match=complaint):
                await journal.import_(lines_of(data), "t")
            assert await journal.sessions() == []

    run(scenario())


def test_a_watcher_of_all_hears_of_a_fork_and_an_import(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            await lived(journal)
            data = await exported(journal, "s")
            async with journal.subscribe(None) as events:
                await journal.fork("s", 5, "f")
                await journal.import_(lines_of(data), "t")
                told = [await anext(events), await anext(events)]
            assert [(e.seq, e.session, isinstance(e.event, SessionStarted)) for e in told] == [
                (1, "f", True),
                (1, "t", True),
            ]

    run(scenario())


def test_long_events_are_read_in_pages_that_fit_into_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "x.db") as journal:
            long = [StateChanged("text", "é" * 1_000_000) for _ in range(20)]
            kept = await journal.append("s", STARTED, *long, *(value(number) for number in range(600)))
            assert await journal.read("s") == list(kept)
            page = await journal.read("s", limit=1000)
            assert 1 < len(page) < 20
            while more := await journal.read("s", page[-1].seq, limit=1000):
                page += more
            assert page == list(kept)
            async with journal.subscribe("s", 0) as envelopes:
                assert [await anext(envelopes) for _ in kept] == list(kept)

    run(scenario())


def test_what_is_nested_so_deep_that_it_could_not_be_read_again_is_refused(tmp_path: Path) -> None:
    def nested(depth: int) -> StateChanged:
        value: object = "{[" * 1000
        for _ in range(depth):
            value = [value]
        return StateChanged("deep", value)

    def is_read(depth: int) -> bool:
        try:
            msgspec.json.decode(b"[" * depth + b"]" * depth)
        except RecursionError:
            return False
        return True

    deepest = next(depth for depth in range(500, 200_000, 50) if not is_read(depth)) - 50

    async def scenario() -> None:
        async with opened_journal(tmp_path / "x.db") as journal:
            await journal.append("s", STARTED, nested(500))
            with pytest.raises(InvalidRequest, match="a StateChanged is nested too deep"):
                await journal.append("s", nested(deepest))
            assert (await journal.read("s"))[-1].event == nested(500)

    run(scenario())


@pytest.mark.parametrize("text", ["a\0b", "\0"])
def test_an_import_with_a_null_byte_is_refused_and_its_escape_is_not(tmp_path: Path, text: str) -> None:
    async def scenario() -> None:
        async with opened_journal(tmp_path / "a.db") as journal:
            started = msgspec.json.encode(Envelope(1, "s", 1.0, SessionStarted("main", "api", "")))
            titled = msgspec.json.encode(Envelope(2, "s", 1.0, StateChanged("title", text)))
            with pytest.raises(InvalidRequest, match="line 2: it has a null byte"):
                await journal.import_(lines_of(started + b"\n" + titled), "t")
            fine = msgspec.json.encode(Envelope(2, "s", 1.0, StateChanged("title", "\\u0000")))
            assert (await journal.import_(lines_of(started + b"\n" + fine), "t")).title == "\\u0000"

    run(scenario())
