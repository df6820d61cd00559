import asyncio
import random

import pytest

from carapax.testing.clock import START
from carapax.testing.simulation import Killed, Life, SimulatedClock, Stuck, Trace, simulate


def test_a_day_passes_in_no_time() -> None:
    async def scenario() -> float:
        clock = SimulatedClock()
        before = clock.now()
        await asyncio.sleep(86_400)
        return clock.now() - before

    assert simulate(scenario()) == 86_400


def test_the_wall_clock_jumps_while_the_loop_goes_on() -> None:
    async def scenario() -> tuple[float, float]:
        clock = SimulatedClock()
        await asyncio.sleep(1)
        clock.advance(-3600)
        jumped = clock.now()
        clock.set(START)
        await asyncio.sleep(1)
        return jumped, clock.now()

    assert simulate(scenario()) == (START - 3599, START + 1)


def test_deadlines_follow_virtual_time() -> None:
    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1000):
                await asyncio.sleep(1001)

    simulate(scenario())


def test_what_would_block_is_done_in_the_next_step_and_its_failure_told_to_who_waits() -> None:
    async def scenario() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(max, 3, 7)

    assert simulate(scenario()) == 7


def test_waiting_for_what_cannot_come_is_told() -> None:
    with pytest.raises(Stuck):
        simulate(asyncio.Event().wait())


def test_a_failure_that_nobody_looks_at_fails_the_simulation() -> None:
    async def scenario() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as failure:
        simulate(scenario())
    assert failure.group_contains(ZeroDivisionError)


def test_a_killed_life_ends_with_all_it_started_and_touches_nothing_more() -> None:
    async def scenario() -> list[str]:
        life, outside = Life(), list[str]()

        async def touch(what: str) -> None:
            life.check()
            outside.append(what)

        async def child() -> None:
            try:
                await asyncio.sleep(10)
                await touch("never")
            finally:
                await touch("clean-up")

        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await touch("start")

        task = life.start(main())
        await asyncio.sleep(5)
        await life.kill()
        assert task.done()
        with pytest.raises(Killed):
            life.check()
        return outside

    assert simulate(scenario()) == ["start"]


def test_the_same_seed_gives_the_same_trace() -> None:
    async def scenario(seed: int) -> str:
        chance, trace, clock = random.Random(seed), Trace(), SimulatedClock(seed)

        async def actor(name: str) -> None:
            for _ in range(5):
                await asyncio.sleep(chance.random())
                trace.add("step", name, clock.new_id())

        async with asyncio.TaskGroup() as group:
            tasks = {group.create_task(actor(name), name=name) for name in "abc"}
        trace.add("order", *(task.get_name() for task in tasks))
        return trace.digest()

    assert simulate(scenario(1)) == simulate(scenario(1)) != simulate(scenario(2))
