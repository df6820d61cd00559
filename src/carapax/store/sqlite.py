"""SQLite behind the `Database` contract: one thread writes, a few read beside it."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue

import apsw

from carapax.errors import StoreError, StoreFull, Unavailable
from carapax.store.connection import MISUSE, Source, check, close, connect, explained, misused
from carapax.store.database import Committed, Row, Statement, Value
from carapax.store.writer import Outcome, Writer, translated

_READERS = 2
_SMALLEST_GROUP = 8
_CALLER_S = 7e-6  # what a caller takes to go on and come back
_MANY_STATEMENTS = 1_000
_REST_S = 0.02
_Future = asyncio.Future[list[list[Row]]]


_Job = tuple[Sequence[Statement], _Future, Committed | None]


async def open_database(path: Path, *, read_only: bool = False, synchronous: str = "FULL", vfs: str = "") -> "SQLite":
    """Open the file, which is made when it is missing and `read_only` is not set.

    Raises StoreCorrupt, StoreLocked, StoreFull, or another StoreError. `synchronous` other than FULL loses
    acknowledged transactions in a power cut; `vfs` names a registered apsw VFS.
    """
    database = SQLite(Source(path, synchronous, vfs), read_only=read_only)
    try:
        await database.start()
    except StoreError:
        await database.close()
        raise
    return database


class SQLite:
    """A `Database` in one file. Made by `open_database`; used from the event loop it was opened on."""

    def __init__(self, source: Source, *, read_only: bool) -> None:
        self._source = source
        self._read_only = read_only
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")
        self._idle: list[apsw.Connection] = []
        self._jobs: SimpleQueue[list[_Job]] = SimpleQueue()
        self._waiting: list[_Job] = []
        self._thread: threading.Thread | None = None
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._left: list[_Job] = []
        self._untold: tuple[list[_Job], Sequence[Outcome]] | None = None
        self._draining = False
        self._closed = False

    async def start(self) -> None:
        """Open and check the file, then take transactions. Raises a StoreError."""
        writer = await self._loop.run_in_executor(self._readers, self._open)
        if writer is not None:
            self._thread = threading.Thread(target=self._write, args=(writer,), name="store-writer", daemon=True)
            self._thread.start()

    def _open(self) -> Writer | None:
        if self._read_only:
            connection = connect(self._source, read_only=True)
            self._idle.append(connection)
            check(connection, self._source.path)
            return None
        writer = Writer(self._source)
        try:
            check(writer.connection, self._source.path)
        except StoreError:
            writer.close()
            raise
        return writer

    async def transact(self, statements: Sequence[Statement], committed: Committed | None = None) -> list[list[Row]]:
        if self._closed:
            raise _closed()
        if self._thread is None:
            raise StoreFull(f"{self._source.path}: the database was opened to be read only")
        future: _Future = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append((statements, future, committed))
        return await future

    def _flush(self) -> None:
        """Hand over everything of this turn of the event loop at once: one wake-up, one group."""
        if self._waiting:
            self._jobs.put(self._waiting)
            self._waiting = []

    def _write(self, writer: Writer) -> None:
        jobs: list[_Job] = []
        try:
            while jobs := self._take(writer):
                # Python runs one thread at a time: callers that went on now would hold up the statements of the next
                # group, callers that go on during its sync do not. A long group is not worth their waiting.
                if sum(len(statements) for statements, _, _ in jobs) > _MANY_STATEMENTS:
                    self._tell()
                outcomes = writer.commit([statements for statements, _, _ in jobs], self._tell)
                self._tell()
                self._untold, jobs = (jobs, outcomes), []
                if writer.overlong:
                    self._tell()
                    writer.tidy(resting=False)
        finally:
            self._tell()
            writer.close()
            self._loop.call_soon_threadsafe(self._stop, jobs)

    def _tell(self) -> None:
        """Let the callers of the last group go on."""
        if self._untold is not None:
            self._loop.call_soon_threadsafe(self._settle, *self._untold)
            self._untold = None

    def _take(self, writer: Writer) -> list[_Job]:
        """Wait for transactions, and take of a crowd as many as can go on while a group is synced: then neither the
        disk nor the callers wait for each other.

        None when the database is being closed.
        """
        if not self._left and self._jobs.empty():
            self._tell()
            if not self._draining:
                self._left = self._wait(writer)
        while not self._jobs.empty():
            self._left += self._jobs.get()
        size = max(_SMALLEST_GROUP, int(writer.sync_s / _CALLER_S))
        jobs, self._left = self._left[:size], self._left[size:]
        return jobs

    def _wait(self, writer: Writer) -> list[_Job]:
        if writer.untidy:
            try:
                return self._jobs.get(timeout=_REST_S)
            except Empty:
                writer.tidy(resting=True)
        return self._jobs.get()

    def _settle(self, jobs: list[_Job], outcomes: Sequence[Outcome]) -> None:
        """Callers go on in a later turn of the event loop, so `committed` comes first; but should one raise, against
        its contract, nobody waits for ever."""
        for (_, future, _), outcome in zip(jobs, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, list):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)
        for (_, _, committed), outcome in zip(jobs, outcomes, strict=True):
            if committed is not None and isinstance(outcome, list):
                committed(outcome)

    def _stop(self, unfinished: list[_Job]) -> None:
        """The writer is gone: by `close`, or by a fault of ours, after which nobody may wait for ever."""
        self._closed = True
        while not self._jobs.empty():
            unfinished += self._jobs.get()
        unfinished = [*unfinished, *self._left, *self._waiting]
        error = "the database stopped before this was committed"
        self._settle(unfinished, [StoreError(error) for _ in unfinished])
        self._stopped.set_result(None)

    async def fetch(self, sql: str, *params: Value) -> list[Row]:
        if self._closed:
            raise _closed()
        return await self._loop.run_in_executor(self._readers, self._fetch, sql, params)

    def _fetch(self, sql: str, params: tuple[Value, ...]) -> list[Row]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect(self._source, read_only=True)
        try:
            rows = connection.execute(translated(sql), params).fetchall()
        except MISUSE as error:
            self._idle.append(connection)
            raise misused(sql, error) from error
        except apsw.Error as error:
            close(connection)
            raise explained(self._source.path, error) from error
        self._idle.append(connection)
        return rows

    async def close(self) -> None:
        if self._closed:
            return
        self._flush()
        self._closed = True
        self._readers.shutdown()
        while self._idle:
            close(self._idle.pop())
        if self._thread is not None:
            # Last of all connections, so that it moves the whole log into the file.
            self._draining = True
            self._jobs.put([])
            await self._stopped
            self._thread.join()


def _closed() -> Unavailable:
    return Unavailable("the database is closed")
