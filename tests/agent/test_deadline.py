import asyncio

import pytest

from carapax.agent.deadline import Deadline
from carapax.testing.simulation import simulate


def test_the_time_that_people_take_does_not_count() -> None:
    async def scenario() -> None:
        deadline = Deadline(1)
        async with deadline.kept():
            with deadline.stopped(), deadline.stopped():
                await asyncio.sleep(5)
            await asyncio.sleep(0.5)
        with pytest.raises(TimeoutError):
            async with deadline.kept():
                await asyncio.sleep(2)

    simulate(scenario())
