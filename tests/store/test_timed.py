"""Commits are timed, and nothing else is changed."""

from pathlib import Path

import pytest

from carapax.store.database import Statement, Unexpected
from carapax.store.timed import Timed
from tests.running import run
from tests.store.opened import opened_database


def test_each_commit_is_told_of_and_a_failed_one_is_not(tmp_path: Path) -> None:
    async def scene() -> None:
        told: list[float] = []
        async with opened_database(tmp_path / "a.db") as inner:
            database = Timed(inner, told.append)
            assert await database.transact([Statement("SELECT 1")]) == [[(1,)]]
            assert await database.fetch("SELECT 2") == [(2,)]
            with pytest.raises(Unexpected):
                await database.transact([Statement("DELETE FROM outbox", (), expect=1)])
        assert len(told) == 1
        assert told[0] >= 0

    run(scene())
