"""How much a folder may hold."""

import asyncio
import os
from pathlib import Path

import pytest

from carapax.errors import Unavailable
from carapax.quota import Quota, Usage, measured
from carapax.workspace import Workspace
from tests.running import run

MUCH = Usage(1 << 40, 1 << 20)


def test_everything_beneath_is_counted_and_no_link_is_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "big").write_bytes(b"x" * 10_000_000)
    (root / "link").symlink_to(tmp_path / "outside")
    found = measured(root, MUCH)
    assert found.files == 4
    assert 100_000 <= found.bytes < 200_000


def test_a_sparse_file_counts_for_what_it_takes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert measured(tmp_path, MUCH).bytes < 100_000


def test_what_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert measured(tmp_path / "no", MUCH) == Usage(0, 0)


def test_counting_ends_at_the_limit(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).mkdir()
    assert measured(tmp_path, Usage(1 << 40, 5)).files == 6


def test_folders_too_deep_to_look_into_count_as_too_much(tmp_path: Path) -> None:
    os.makedirs(tmp_path.joinpath(*["d"] * 150))  # noqa: PTH103 (Path.mkdir goes as deep as its parents by recursion)
    assert measured(tmp_path, MUCH).exceeds(MUCH)


def test_who_waits_for_too_much_is_told(tmp_path: Path) -> None:
    async def scene() -> tuple[bool, bool, bool]:
        quota = Quota(tmp_path, Usage(1 << 20, 100))
        before = await quota.is_full()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(quota.exceeded())
            (tmp_path / "big").write_bytes(b"x" * (2 << 20))
            await waiting
        after = await quota.is_full()
        (tmp_path / "big").unlink()
        return before, after, await quota.is_full()

    assert run(scene()) == (False, True, False)


def test_nothing_is_written_into_a_full_workspace_until_there_is_room(tmp_path: Path) -> None:
    async def scene() -> None:
        workspace = Workspace(tmp_path, quota=Quota(tmp_path, Usage(1 << 20, 100)))
        await workspace.write_file("big", b"x" * (2 << 20))
        with pytest.raises(Unavailable, match="holds as much as it may"):
            await workspace.write_file("small", b"")
        (tmp_path / "big").unlink()
        await workspace.write_file("small", b"")

    run(scene())
