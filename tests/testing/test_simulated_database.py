import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from carapax.errors import StoreFull
from carapax.store.connection import Source
from carapax.store.database import Database, Statement
from carapax.testing.simulated_database import SimulatedDatabase
from carapax.testing.simulation import Life, simulate
from tests.store.database_contract import DatabaseContract


class TestSimulatedDatabase(DatabaseContract):
    def opened(self, tmp_path: Path) -> AbstractAsyncContextManager[Database]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Database]:
            database = SimulatedDatabase(Source(tmp_path / "a.db", "OFF"), Life(), random.Random(0))
            try:
                yield database
            finally:
                await database.close()

        return opened()


def add(number: int) -> Statement:
    return Statement("INSERT INTO numbers VALUES ($1)", (number,))


async def life_and_death(file: Path, seed: int) -> tuple[set[int], set[int]]:
    """What was acknowledged to a life until it was killed, and what the next one finds."""
    chance, life, acknowledged = random.Random(seed), Life(), set[int]()
    database = SimulatedDatabase(Source(file, "OFF"), life, chance, 0.1)
    await database.transact([Statement("CREATE TABLE IF NOT EXISTS numbers (number BIGINT)")])

    async def count() -> None:
        for number in range(1000):
            await database.transact([add(number)])
            acknowledged.add(number)

    life.start(count())
    await asyncio.sleep(2 + chance.random())
    await life.kill()
    after = SimulatedDatabase(Source(file, "OFF"), Life(), chance)
    found = {int(str(number)) for (number,) in await after.fetch("SELECT number FROM numbers")}
    await after.close()
    return acknowledged, found


def test_a_kill_keeps_all_that_was_acknowledged_and_now_and_then_more(tmp_path: Path) -> None:
    ends = [simulate(life_and_death(tmp_path / f"{seed}.db", seed)) for seed in range(10)]
    assert all(acknowledged and acknowledged <= found for acknowledged, found in ends)
    assert {len(found - acknowledged) for acknowledged, found in ends} == {0, 1}


def test_a_full_disk_is_told_and_passes(tmp_path: Path) -> None:
    async def scenario() -> None:
        database = SimulatedDatabase(Source(tmp_path / "a.db", "OFF"), Life(), random.Random(0))
        database.full = True
        with pytest.raises(StoreFull):
            await database.transact([Statement("CREATE TABLE numbers (number BIGINT)")])
        database.full = False
        await database.transact([Statement("CREATE TABLE numbers (number BIGINT)"), add(1)])
        assert await database.fetch("SELECT number FROM numbers") == [(1,)]
        await database.close()

    simulate(scenario())
