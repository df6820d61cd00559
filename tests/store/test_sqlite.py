import asyncio
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import apsw
import pytest

from carapax.errors import StoreCorrupt, StoreError, StoreFull, StoreLocked
from carapax.events import Envelope, StateChanged
from carapax.store.database import Database, Row, Statement
from carapax.store.journal import Journal
from carapax.store.migrations import migrate
from carapax.store.sqlite import SQLite, open_database
from carapax.testing.clock import FakeClock
from tests.running import run
from tests.store.database_contract import NAMES, TABLE, DatabaseContract, add
from tests.store.opened import STARTED


@asynccontextmanager
async def opened(path: Path, *, read_only: bool = False, vfs: str = "") -> AsyncIterator[SQLite]:
    database = await open_database(path, read_only=read_only, vfs=vfs)
    try:
        yield database
    finally:
        await database.close()


class TestSQLite(DatabaseContract):
    def opened(self, tmp_path: Path) -> AbstractAsyncContextManager[Database]:
        return opened(tmp_path / "contract.db")


def test_whoever_waits_at_the_same_time_shares_a_commit(tmp_path: Path) -> None:
    async def scenario() -> int:
        async with opened(tmp_path / "a.db") as database:
            await database.transact([TABLE])
            before = (tmp_path / "a.db-wal").stat().st_size
            await asyncio.gather(*(database.transact([add(str(number))]) for number in range(30)))
            return ((tmp_path / "a.db-wal").stat().st_size - before) // 4096

    assert run(scenario()) < 10


def test_a_new_file_is_private_and_a_closed_one_stands_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "a.db") as database:
            await database.transact([TABLE])
            assert private(tmp_path)

    def private(folder: Path) -> bool:
        return {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}

    run(scenario())
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


def test_the_log_is_short_while_nobody_writes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "a.db") as database:
            await database.transact([TABLE])
            await database.transact([Statement("INSERT INTO notes (name) VALUES ($1)", ("x" * 10_000_000,), 1)])
            async with asyncio.timeout(30):
                while (tmp_path / "a.db-wal").stat().st_size > 1_000_000:  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(0.01)
            assert await database.fetch("SELECT length(name) FROM notes") == [(10_000_000,)]

    run(scenario())


def test_a_second_process_may_read_beside_the_writer_and_after_it(tmp_path: Path) -> None:
    async def scenario() -> list[list[Row]]:
        found = []
        async with opened(tmp_path / "a.db") as writing:
            await writing.transact([TABLE, add("a")])
            async with opened(tmp_path / "a.db", read_only=True) as reading:
                found.append(await reading.fetch(NAMES))
                await writing.transact([add("b")])
                found.append(await reading.fetch(NAMES))
                with pytest.raises(StoreFull, match="read only"):
                    await reading.transact([add("c")])
        async with opened(tmp_path / "a.db", read_only=True) as reading:
            found.append(await reading.fetch(NAMES))
        return found

    assert run(scenario()) == [[("a",)], [("a",), ("b",)], [("a",), ("b",)]]


def test_what_a_crash_left_in_the_log_can_be_read_without_writing(tmp_path: Path) -> None:
    async def scenario() -> list[Row]:
        async with opened(tmp_path / "a.db") as database:
            await database.transact([TABLE, add("a")])
            for suffix in ("", "-wal"):
                shutil.copy(tmp_path / f"a.db{suffix}", tmp_path / f"crashed.db{suffix}")
        async with opened(tmp_path / "crashed.db", read_only=True) as reading:
            return await reading.fetch(NAMES)

    assert run(scenario()) == [("a",)]


def test_reading_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(StoreError, match="cannot be opened"):
            await open_database(tmp_path / "a.db", read_only=True)

    run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(StoreFull, match=r"missing/a\.db: cannot be written: No such file"):
            await open_database(tmp_path / "missing" / "a.db")

    run(scenario())


def test_another_writer_is_named_as_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.store.connection.BUSY_MS", 10)

    async def scenario() -> None:
        async with opened(tmp_path / "a.db") as database:
            await database.transact([TABLE])
            other = apsw.Connection(str(tmp_path / "a.db"))
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreLocked, match="another process"):
                await database.transact([add("a")])
            other.execute("COMMIT")
            await database.transact([add("b")])
            assert await database.fetch(NAMES) == [("b",)]
            other.close()

    run(scenario())


async def fill(path: Path) -> None:
    async with opened(path) as database:
        await migrate(database)
        await database.transact([TABLE, *(add(f"{number:0500}") for number in range(200))])


@pytest.mark.parametrize("place", [0, 30, 4096, 40_960, -4096])
def test_a_damaged_file_is_refused_with_its_name_and_the_remedy(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a.db"
    run(fill(path))
    data = bytearray(path.read_bytes())
    start = place % len(data)
    data[start : start + 30] = b"\xa5" * 30
    path.write_bytes(data)

    async def scenario() -> None:
        with pytest.raises(StoreCorrupt, match=r"a\.db.*damaged.*carapax sessions import"):
            await open_database(path)

    run(scenario())
    assert path.read_bytes() == data


@pytest.mark.parametrize("whole_check_bytes", [4 << 20, 1000])
def test_a_truncated_file_is_refused(tmp_path: Path, whole_check_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.store.connection.WHOLE_CHECK_BYTES", whole_check_bytes)
    path = tmp_path / "a.db"
    run(fill(path))
    path.write_bytes(path.read_bytes()[:-20_000])

    async def scenario() -> None:
        with pytest.raises(StoreCorrupt):
            await open_database(path)

    run(scenario())


def test_damage_in_a_large_file_that_the_start_did_not_see_is_told_when_it_is_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carapax.store.connection.WHOLE_CHECK_BYTES", 1000)
    path = tmp_path / "a.db"

    async def lived(numbers: range) -> list[Envelope]:
        async with opened(path) as database:
            await migrate(database)
            journal = Journal(database, FakeClock())
            for number in numbers:
                await journal.append("s", STARTED if number == 0 else StateChanged("value", ["x" * 3000, number]))
            return await journal.read("s")

    assert len(run(lived(range(200)))) == 200
    data = bytearray(path.read_bytes())
    place = data.index(b'"' + b"x" * 3000 + b'",100]') // 4096 * 4096
    data[place : place + 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with pytest.raises(StoreCorrupt, match=r"a\.db: the database is damaged"):
        run(lived(range(0)))
