"""The kill switch: whether agents are stopped, which outlives the process."""

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from carapax.clock import Clock
from carapax.store.database import Database, Statement

REMEDY = "`carapax stop-agents --release` lets them go on"


class Stop(Struct, frozen=True):
    """Why nothing runs.

    at: since when, in seconds since 1970
    by: who stopped the agents
    reason: what for; may be empty
    """

    at: float
    by: str
    reason: str

    def told(self) -> str:
        """A sentence for people, and for the runs that it ended."""
        return f"all agents were stopped by {self.by}" + (f": {self.reason}" if self.reason else "")


class Halt:
    """The switch of one gateway. `stop` says why agents are stopped, and is None while they may run."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.stop: Stop | None = None
        self._database = database
        self._clock = clock
        self._keeping = asyncio.Lock()

    async def load(self) -> None:
        """Take up what was kept. Raises a StoreError."""
        self.stop = await read_stop(self._database)

    def pull(self, by: str, reason: str) -> Stop:
        """Stop in this process from now on; `keep` is to follow."""
        self.stop = Stop(round(self._clock.now(), 3), by, reason)
        return self.stop

    async def keep(self, stop: Stop, also: Sequence[Statement] = ()) -> None:
        """Have a stop outlive the process. Raises a StoreError; agents are stopped all the same."""
        sql = "INSERT INTO halt (id, body) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
        async with self._keeping:
            await self._database.transact([Statement(sql, (msgspec.json.encode(stop).decode(),)), *also])

    async def release(self, also: Sequence[Statement] = ()) -> Stop | None:
        """Let agents run again, unless they are stopped anew meanwhile; what had stopped them. Raises a StoreError."""
        async with self._keeping:
            before = self.stop
            await self._database.transact([Statement("DELETE FROM halt WHERE id = 1"), *also])
            if self.stop is before:
                self.stop = None
        return before


async def read_stop(database: Database) -> Stop | None:
    """Why agents are stopped, or None."""
    rows = await database.fetch("SELECT body FROM halt WHERE id = 1")
    return msgspec.json.decode(str(rows[0][0]), type=Stop) if rows else None
