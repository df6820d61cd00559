"""Every write, sync and truncate of a small life fails once: what was acknowledged stays, what was not is told."""

import itertools
import os
import shutil
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from carapax.clock import SystemClock
from carapax.errors import StoreError, StoreFull
from carapax.events import SessionStarted, StateChanged
from carapax.store.journal import Journal
from tests.running import run
from tests.store.faulty_disk import FaultyDisk, faulty_disk
from tests.store.opened import opened_database

APPENDS = 7


async def live(path: Path, vfs: str) -> tuple[list[int], list[str]]:
    """Append values one by one, copy the files as a crash would leave them, and close; what was acknowledged, and how
    the rest failed."""
    acknowledged: list[int] = []
    errors: list[str] = []
    try:
        async with opened_database(path, vfs=vfs) as database:
            journal = Journal(database, SystemClock())
            await journal.append("s", SessionStarted("main", "test", ""))
            for number in range(APPENDS):
                try:
                    await journal.append("s", StateChanged("value", [number, "x" * 3000 * (number % 3)]))
                    acknowledged.append(number)
                except StoreError as error:
                    errors.append(type(error).__name__)
            _copy(path, _crashed(path))
    except StoreError as error:
        errors.append(type(error).__name__)
    return acknowledged, errors


async def kept(path: Path) -> list[int]:
    async with opened_database(path) as database:
        events = await Journal(database, SystemClock()).read("s")
        assert [envelope.seq for envelope in events] == list(range(1, len(events) + 1))
        return [e.event.value[0] for e in events if isinstance(e.event, StateChanged)]


async def sweep(folder: Path, disk: FaultyDisk, error: type[apsw.Error]) -> None:
    disk.fail_once(0, error)
    assert await live(folder / "whole.db", disk.name) == (list(range(APPENDS)), [])
    for number in range(1, disk.operations + 1):
        path = folder / f"{number}.db"
        disk.fail_once(number, error)
        acknowledged, errors = await live(path, disk.name)
        assert len(errors) == APPENDS - len(acknowledged) or not acknowledged
        for file in (path, _crashed(path)):
            if file.exists():
                assert (number, await kept(file)) == (number, acknowledged)


def _crashed(path: Path) -> Path:
    return path.with_suffix(".crashed")


def _copy(path: Path, copy: Path) -> None:
    for suffix in ("", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")


@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError])
def test_no_single_failure_of_the_disk_loses_what_was_acknowledged(quick_disk: Path, error: type[apsw.Error]) -> None:
    with faulty_disk() as disk:
        run(sweep(quick_disk, disk, error))


def test_what_is_acknowledged_was_synced_after_it_was_written(tmp_path: Path) -> None:
    async def scenario(disk: FaultyDisk) -> list[list[str]]:
        done = list[list[str]]()
        async with opened_database(tmp_path / "a.db", disk.name) as database:
            journal = Journal(database, SystemClock())
            await journal.append("s", SessionStarted("main", "test", ""))
            for number in range(3):
                seen = list[str]()
                disk.fails = lambda _, operation: seen.append(operation)  # noqa: B023 - called before the next
                await journal.append("s", StateChanged("value", [number]))
                done.append(seen.copy())
        return done

    with faulty_disk() as disk:
        for operations in run(scenario(disk)):
            assert operations[0] == "write" and operations[-1] == "sync"


def test_what_a_failed_sync_was_told_of_does_not_come_back_after_a_crash(tmp_path: Path) -> None:
    async def scenario(disk: FaultyDisk) -> list[int]:
        path = tmp_path / "a.db"
        async with opened_database(path, disk.name) as database:
            journal = Journal(database, SystemClock())
            await journal.append("s", SessionStarted("main", "test", ""), StateChanged("value", [1]))
            syncs = itertools.count()
            disk.fails = lambda _, operation: apsw.IOError if operation == "sync" and next(syncs) == 0 else None
            with pytest.raises(StoreError, match="the database failed"):
                await journal.append("s", StateChanged("value", [2]))
            _copy(path, _crashed(path))
        return await kept(_crashed(path))

    with faulty_disk() as disk:
        assert run(scenario(disk)) == [1]


def test_the_store_works_again_when_a_full_disk_has_space(tmp_path: Path) -> None:
    async def scenario(disk: FaultyDisk) -> list[int]:
        async with opened_database(tmp_path / "a.db", disk.name) as database:
            journal = Journal(database, SystemClock())
            await journal.append("s", SessionStarted("main", "test", ""), StateChanged("value", [1]))
            disk.fails = lambda _, operation: apsw.FullError if operation == "write" else None
            for _ in range(3):
                with pytest.raises(StoreFull, match="the disk is full"):
                    await journal.append("s", StateChanged("value", [2]))
            assert len(await journal.read("s")) == 2
            disk.fails = lambda number, operation: None
            await journal.append("s", StateChanged("value", [3]))
        return await kept(tmp_path / "a.db")

    with faulty_disk() as disk:
        assert run(scenario(disk)) == [1, 3]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_file_system_without_space_refuses_and_recovers(small_disk: Path) -> None:
    async def scenario() -> list[int]:
        async with opened_database(small_disk / "a.db") as database:
            journal = Journal(database, SystemClock())
            await journal.append("s", SessionStarted("main", "test", ""), StateChanged("value", [1]))
            ballast = small_disk / "ballast"
            with ballast.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(b"x" * 4096)
            with pytest.raises(StoreFull):
                for _ in range(300):
                    await journal.append("s", StateChanged("value", [2, "x" * 20_000]))
            ballast.unlink()
            await journal.append("s", StateChanged("value", [3]))
        return await kept(small_disk / "a.db")

    values = run(scenario())
    assert (values[0], values[-1]) == (1, 3)
