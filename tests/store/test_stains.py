from pathlib import Path

import pytest

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
