"""A database for simulations: the real writer on a real file, with virtual delays instead of threads."""

import asyncio
import random
from collections.abc import Sequence
from typing import NamedTuple

import apsw

from carapax.errors import StoreFull, Unavailable
from carapax.store.connection import MISUSE, Source, explained, misused
from carapax.store.database import Committed, Row, Statement, Value
from carapax.store.writer import Outcome, Writer, translated
from carapax.testing.simulation import Life

REST_S = 0.2


class Waiting(NamedTuple):
    """A transaction that waits for its commit."""

    statements: Sequence[Statement]
    outcome: asyncio.Future[list[list[Row]]]
    committed: Committed | None


class SimulatedDatabase:
    """The `Database` contract for one life, on a file that outlives it. Whoever waits at the same time shares a commit.

    A commit takes effect after a delay and is told after another, so that a life killed in between has lost or kept
    what it was not told of. `chance` draws the delays, each up to `delay_s`. While `full`, commits fail with StoreFull.
    `source` need not be synced, as a simulated crash is no power cut. Raises a StoreError.
    """

    def __init__(self, source: Source, life: Life, chance: random.Random, delay_s: float = 0.004) -> None:
        self.full = False
        self._writer = Writer(source)
        self._path = source.path
        self._life = life
        self._chance = chance
        self._delay_s = delay_s
        self._waiting: list[Waiting] = []
        self._tell_at = 0.0
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        life.at_end(self._writer.close)

    async def transact(self, statements: Sequence[Statement], committed: Committed | None = None) -> list[list[Row]]:
        self._check()
        waiting = Waiting(tuple(statements), asyncio.get_running_loop().create_future(), committed)
        if not self._waiting:
            asyncio.get_running_loop().call_later(self._delay(), self._take)
        self._waiting.append(waiting)
        self._unfinished += 1
        self._idle.clear()
        return await waiting.outcome

    async def fetch(self, sql: str, *params: Value) -> list[Row]:
        self._check()
        await asyncio.sleep(self._delay())
        self._life.check()
        try:
            return self._writer.connection.execute(translated(sql), params).fetchall()
        except MISUSE as error:
            raise misused(sql, error) from error
        except apsw.Error as error:
            raise explained(self._path, error) from error

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._idle.wait()
        self._life.check()
        self._writer.close()

    def _take(self) -> None:
        group, self._waiting = self._waiting, []
        if self._life.alive:
            self.commit(group)

    def commit(self, group: list[Waiting]) -> None:
        """Commit a group now, and tell those who wait for it later."""
        outcomes: Sequence[Outcome] = [StoreFull(f"{self._path}: the disk is full")] * len(group)
        if not self.full:
            outcomes = self._writer.commit([waiting.statements for waiting in group])
        if self._writer.overlong:
            self._writer.tidy(resting=False)
        loop = asyncio.get_running_loop()
        self._tell_at = max(self._tell_at + 1e-6, loop.time() + self._delay())  # in the order of the commits
        loop.call_at(self._tell_at, self.tell, group, outcomes)

    def tell(self, group: list[Waiting], outcomes: Sequence[Outcome]) -> None:
        """Give those who wait for a group what became of it."""
        if not self._life.alive:
            return
        for waiting, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, list) and waiting.committed is not None:
                waiting.committed(outcome)
            if waiting.outcome.cancelled():
                continue
            if isinstance(outcome, list):
                waiting.outcome.set_result(outcome)
            else:
                waiting.outcome.set_exception(outcome)
        self._unfinished -= len(group)
        if not self._unfinished:
            self._idle.set()
            asyncio.get_running_loop().call_later(REST_S, self._rest)

    def _rest(self) -> None:
        if self._life.alive and not self._closed and not self._unfinished and self._writer.untidy:
            self._writer.tidy(resting=True)

    def _delay(self) -> float:
        return self._chance.random() * self._delay_s

    def _check(self) -> None:
        self._life.check()
        if self._closed:
            raise Unavailable("the database is closed")
