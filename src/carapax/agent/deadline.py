"""How long a run may take, less the time that it waits for people."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Deadline:
    """Raises TimeoutError in the block that it is kept for, when the seconds are over."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._timeout: asyncio.Timeout | None = None
        self._stops = 0

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Bounds the block by what is left."""
        async with asyncio.timeout(self._left) as self._timeout:
            yield

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The time in this block does not count."""
        now = asyncio.get_running_loop().time
        if self._timeout is None:
            raise RuntimeError("a deadline that is not kept cannot be stopped")
        if self._stops == 0:
            self._left = (self._timeout.when() or now()) - now()
            self._timeout.reschedule(None)
        self._stops += 1
        try:
            yield
        finally:
            self._stops -= 1
            if self._stops == 0:
                self._timeout.reschedule(now() + self._left)
