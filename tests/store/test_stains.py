import asyncio
from pathlib import Path

import pytest

from carapax.errors import Unavailable
from carapax.messages import Origin
from carapax.store.stains import Stains, place
from tests.running import run
from tests.store.opened import opened_database


def test_a_stain_is_known_after_a_restart_until_a_person_vouches(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "db") as database:
            stains = Stains(database)
            await database.transact([*stains.stain("main", "a/b.md"), *stains.stain("main", "c")])
            again = Stains(database)
            await again.load()
            assert again.on("main", "a/b.md") == again.on("main", "a") == (Origin("file", "a/b.md"),)
            assert again.on("main", "") == (Origin("file", "a/b.md"), Origin("file", "c"))
            assert again.on("main", "a/b") == again.on("other", "") == ()
            assert await again.wash("main", "c") == ["c"]
            await again.load()
            assert again.on("main", "") == (Origin("file", "a/b.md"),)

    run(scenario())


def test_a_stain_on_the_whole_workspace_is_on_each_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "db") as database:
            stains = Stains(database)
            stains.stain("main", "")
            assert stains.on("main", "any") == (Origin("file"),)

    run(scenario())


@pytest.mark.parametrize(
    ("path", "placed"),
    [
        ("a", "a"),
        ("./a//b/", "a/b"),
        ("a/../b", "b"),
        ("../b", ""),
        ("/home/x", ""),
        (".", ""),
        ("", ""),
        (3, ""),
        (None, ""),
    ],
)
def test_a_file_is_placed_by_its_plain_path_and_otherwise_everywhere(path: object, placed: str) -> None:
    assert place({"path": path}) == placed


def test_a_stain_that_could_not_be_kept_is_kept_with_the_next_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "db") as database:
            stains = Stains(database)
            stains.stain("main", "a")  # its commit fails, as on a full disk
            await database.transact(stains.stain("main", "a"))
            again = Stains(database)
            await again.load()
            assert again.listed("main") == ["a"]

    run(scenario())


def test_what_is_stained_while_a_person_vouches_stays_stained(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "db") as database:
            stains = Stains(database)
            await database.transact(stains.stain("main", "a"))
            async with asyncio.TaskGroup() as group:
                group.create_task(stains.wash("main", "a"))
                await asyncio.sleep(0)
                await database.transact(stains.stain("main", "a"))
            again = Stains(database)
            await again.load()
            assert stains.listed("main") == again.listed("main") == ["a"]

    run(scenario())


def test_what_a_person_vouches_for_in_vain_stays_stained(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "db") as database:
            stains = Stains(database)
            await database.transact(stains.stain("main", "a"))
        with pytest.raises(Unavailable):
            await stains.wash("main", "a")
        assert stains.listed("main") == ["a"]

    run(scenario())
