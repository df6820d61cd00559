"""What is under way is known to whatever is logged, and to nothing beside it."""

import asyncio

from carapax.logs.about import About, about, current
from tests.running import run


def test_it_holds_in_the_block_and_in_the_tasks_that_it_starts() -> None:
    async def scene() -> tuple[About, About, About]:
        async def ask() -> About:
            await asyncio.sleep(0)
            return current()

        async with asyncio.TaskGroup() as group:
            with about(About("s1", "r1")):
                within = group.create_task(ask())
                here = current()
            beside = group.create_task(ask())
        return here, within.result(), beside.result()

    assert run(scene()) == (About("s1", "r1"), About("s1", "r1"), About())
