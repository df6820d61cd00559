"""How much a volume may hold; what becomes of commands is in `tests/sandboxes/test_docker.py`."""

import asyncio
from pathlib import Path

from carapax.containers.engine import Engine
from carapax.containers.records import Owner, holdings, volume_size
from carapax.containers.room import Room
from tests.engine import engine_socket, sandbox
from tests.running import run


def test_a_volume_with_more_than_its_limit_is_noticed(tmp_path: Path) -> None:
    async def scene() -> tuple[bool, bool, bool]:
        async with sandbox(tmp_path / "workspace") as opened, await Engine.open(engine_socket()) as engine:
            await opened.write_file("file", b"x" * 5000)
            volume = Owner.of(tmp_path / "workspace").volume
            small, large = Room(engine, volume, 1000), Room(engine, volume, 1_000_000)
            unseen = await small.is_full()
            async with asyncio.timeout(60):
                await small.exceeded()
            await large.glance()
            return unseen, await small.is_full(), await large.is_full()

    assert run(scene()) == (False, True, False)


def test_many_can_ask_at_once_how_much_there_is(tmp_path: Path) -> None:
    async def scene() -> list[int]:
        async with sandbox(tmp_path / "workspace") as opened, await Engine.open(engine_socket()) as engine:
            await opened.write_file("file", b"x" * 5000)
            owner = Owner.of(tmp_path / "workspace")
            await asyncio.gather(*(holdings(engine, owner.home) for _ in range(20)))
            return await asyncio.gather(*(volume_size(engine, owner.volume) for _ in range(20)))

    sizes = run(scene())
    assert sizes == [5000] * 20
