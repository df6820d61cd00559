"""Changes of several places that are done everywhere or nowhere, also when whoever asked for them goes away."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def uninterrupted(change: Coroutine[object, object, T]) -> T:
    """Await a change; when its caller is cancelled in the middle, it is done before that counts."""
    changing = asyncio.get_running_loop().create_task(change)
    leaving: asyncio.CancelledError | None = None
    while not changing.done():
        try:
            await asyncio.wait([changing])
        except asyncio.CancelledError as error:
            leaving = error
    if leaving is not None:
        changing.exception()
        raise leaving
    return changing.result()
