"""Runs one coroutine to its end on a fresh event loop, bounded in time."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import uvloop

T = TypeVar("T")


def run(coroutine: Coroutine[object, object, T], *, within_s: float = 60) -> T:
    """The result of the coroutine; TimeoutError when it takes longer than `within_s`."""

    async def bounded() -> T:
        async with asyncio.timeout(within_s):
            return await coroutine

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())
