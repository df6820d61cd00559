import asyncio
import itertools

import pytest

from carapax.errors import Unavailable
from carapax.models.login import SingleFlight
from tests.running import run


def test_a_flight_that_is_cancelled_leaves_the_others_to_fly_again() -> None:
    async def main() -> list[int]:
        flight: SingleFlight[int] = SingleFlight()
        begun = asyncio.Event()
        numbers = itertools.count(1)

        async def work() -> int:
            number = next(numbers)
            begun.set()
            if number == 1:
                await asyncio.Event().wait()
            return number

        async with asyncio.TaskGroup() as group:
            first = group.create_task(flight(work))
            await begun.wait()
            others = [group.create_task(flight(work)) for _ in range(3)]
            await asyncio.sleep(0)
            first.cancel()
        return [other.result() for other in others]

    assert run(main()) == [2, 2, 2]


def test_an_error_that_is_nobodys_answer_is_not_shared() -> None:
    async def main() -> None:
        flight: SingleFlight[int] = SingleFlight()

        async def broken() -> int:
            raise KeyError("a bug")

        async def refused() -> int:
            raise Unavailable("no")

        with pytest.raises(KeyError):
            await flight(broken)
        with pytest.raises(Unavailable):
            await flight(refused)

        async def fine() -> int:
            return 7

        assert await flight(fine) == 7

    run(main())
