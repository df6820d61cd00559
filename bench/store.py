"""What the store costs: durable appends, reading a session, telling those who watch, disk."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

import uvloop

from bench.table import Row, at_least, at_most
from carapax.clock import SystemClock
from carapax.events import Kept, MessageReceived, ModelResponded, RunFinished, RunStarted, SessionStarted, TextDelta
from carapax.messages import AssistantMessage, Sender, Text, Usage
from carapax.store.connection import LONGEST_LOG_PAGES, Source, close, connect
from carapax.store.database import Statement
from carapax.store.journal import Journal
from carapax.store.leases import acquire, release
from carapax.store.migrations import MIGRATIONS, migrate
from carapax.store.sqlite import SQLite, open_database
from carapax.store.writer import Outcome, Writer, translated

T = TypeVar("T")
_ROUNDS = 5
_WRITERS = 64
_EACH = 150
_RUN = "r" * 20
_ANSWER = AssistantMessage((Text("hello world " * 12),), usage=Usage(input=1200, output=33), provider="demo", model="d")
_SESSION = "s" * 20
_TURN: tuple[Kept, ...] = (
    MessageReceived("m" * 20, Sender("web"), "hello there, how are you?", "web", _SESSION),
    RunStarted("main", "demo/demo", ("m" * 20,)),
    ModelResponded(_ANSWER),
    RunFinished("done"),
)


def rows() -> list[Row]:
    grouped, singly, bare = _appends()
    read_ms, disk, stream_us = _measured(_reading), _measured(_disk), _measured(_streaming)
    return [
        at_least(
            "durable appends, 64 writers", grouped, "/s", 5, floor=singly, floor_name="one commit for each, bare apsw"
        ),
        at_least(
            "durable appends, 64 writers", grouped, "/s", 0.6, floor=bare, floor_name="the same groups, bare apsw"
        ),
        at_most("a session of 10,000 events read and decoded", read_ms, "ms", 20),
        at_most("a streamed event told to one watcher", stream_us, "µs", 3),
        at_most("disk of a trivial turn, after 500", disk, "KB", 4),
    ]


def _measured(measure: Callable[[Path], Coroutine[object, object, T]]) -> T:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        return uvloop.run(measure(Path(folder)))


def _appends() -> tuple[float, float, float]:
    """Events a second: ours, a bare loop that commits each, and one that commits our groups; the best of each, taken
    in turns, so that what else the machine does falls on all alike."""
    ours, singly, bare = 0.0, 0.0, 0.0
    for _ in range(_ROUNDS):
        with _watched() as groups:
            rate, kept = _measured(_grouped)
        ours = max(ours, rate)
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            singly = max(singly, _bare(Path(folder) / "1.db", kept[:1500], [1] * 1500))
            bare = max(bare, _bare(Path(folder) / "2.db", kept, groups))
    return ours, singly, bare


@contextmanager
def _watched() -> Iterator[list[int]]:
    """How many transactions each commit held, leaving out those of the preparation, which come one by one."""
    groups: list[int] = []
    commit = Writer.commit

    def counted(
        writer: Writer, group: Sequence[Sequence[Statement]], meanwhile: Callable[[], None] = lambda: None
    ) -> Sequence[Outcome]:
        if len(group) > 1:
            groups.append(len(group))
        return commit(writer, group, meanwhile)

    Writer.commit = counted  # type: ignore[assignment, method-assign]  # to see what it is given
    try:
        yield groups
    finally:
        Writer.commit = commit  # type: ignore[method-assign]  # as it was


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[tuple[SQLite, Journal]]:
    database = await open_database(folder / "carapax.db")
    try:
        await migrate(database)
        yield database, Journal(database, SystemClock())
    finally:
        await database.close()


async def _grouped(folder: Path) -> tuple[float, list[tuple[int, int, str]]]:
    """Fenced events a second of 64 writers in as many sessions, and the rows they made."""
    async with _opened(folder) as (database, journal):
        for number in range(_WRITERS):
            session = f"{number:020d}"
            await journal.append(session, SessionStarted("main", "api", session))
            await database.transact([acquire(session, _RUN, "bench", 0, 1e12)])

        async def write(session: str) -> None:
            for _ in range(_EACH):
                await journal.append(session, ModelResponded(_ANSWER), run=_RUN, fence=_RUN)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as writers:
            for number in range(_WRITERS):
                writers.create_task(write(f"{number:020d}"))
        took = time.perf_counter() - began
        kept = await database.fetch("SELECT session, seq, body FROM events WHERE seq > 1 ORDER BY rowid")
    return len(kept) / took, [(int(str(session)), int(str(seq)), str(body)) for session, seq, body in kept]


def _bare(path: Path, kept: list[tuple[int, int, str]], groups: list[int]) -> float:
    """Rows a second of a plain loop that commits them in these groups, with our settings and tables."""
    connection = connect(Source(path), read_only=False)
    connection.wal_autocheckpoint(LONGEST_LOG_PAGES)
    for sql in MIGRATIONS[0]:
        connection.execute(translated(sql))
    for number in range(1, _WRITERS + 1):
        connection.execute(
            "INSERT INTO sessions VALUES (?, ?, '', '', '', 0, 0, '', '', 0, '', '', 0)", (number, str(number))
        )
    rows = iter(kept)
    began = time.perf_counter()
    for size in groups:
        connection.execute("BEGIN IMMEDIATE")
        for row in islice(rows, size):
            connection.execute("INSERT INTO events (session, seq, body) VALUES (?, ?, ?)", row)
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    close(connection)
    return min(len(kept), sum(groups)) / took


async def _reading(folder: Path) -> float:
    """Milliseconds to read a session of 2,500 turns."""
    async with _opened(folder) as (_, journal):
        await journal.append(_SESSION, SessionStarted("main", "web", _SESSION))
        for _ in range(25):
            await journal.append(_SESSION, *(_TURN * 100), run=_RUN)
        times = []
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            assert len(await journal.read(_SESSION, upto=10_000)) == 10_000
            times.append(time.perf_counter() - began)
    return min(times) * 1000


async def _streaming(folder: Path) -> float:
    """Microseconds of CPU to tell one watcher of an event, and for it to take it."""
    async with _opened(folder) as (_, journal):
        await journal.append(_SESSION, SessionStarted("main", "web", _SESSION))
        times = []
        async with journal.subscribe(_SESSION) as events:
            for _ in range(_ROUNDS * 10):
                began = time.process_time()
                for _ in range(1000):
                    journal.stream(_SESSION, _RUN, TextDelta("hello"))
                for _ in range(1000):
                    await anext(events)
                times.append(time.process_time() - began)
    return min(times) * 1000


async def _disk(folder: Path) -> float:
    """Kilobytes of database and log for each of 500 turns, a tenth of a second after the last."""
    async with _opened(folder) as (_, journal):
        await journal.append(_SESSION, SessionStarted("main", "web", _SESSION))
        received, started, responded, finished = _TURN
        for _ in range(500):
            await journal.append(_SESSION, received)
            await journal.append(_SESSION, started, run=_RUN, also=[acquire(_SESSION, _RUN, "bench", 0, 1e12)])
            await journal.append(_SESSION, responded, run=_RUN, fence=_RUN)
            await journal.append(_SESSION, finished, run=_RUN, fence=_RUN, also=[release(_SESSION, _RUN)])
        await asyncio.sleep(0.1)
        return sum((folder / f"carapax.db{suffix}").stat().st_size for suffix in ("", "-wal")) / 500 / 1024
