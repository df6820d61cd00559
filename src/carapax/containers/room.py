"""How much a volume may hold. Engines bound no volume of an ordinary disk, so they are asked how large it is."""

import asyncio
import time

from carapax.containers.engine import Engine
from carapax.containers.records import volume_size

_FIRST_LOOK_S = 1.0
_SELDOM_S = 5.0
_SHARE = 10  # a look takes at most one part in so many of the time
_SLACK_BYTES = 1 << 20


class Room:
    """A limit on a volume's size. It is kept by looking: at a command that takes longer than a second while it runs,
    at shorter ones every five seconds. What is written in between exceeds it."""

    def __init__(self, engine: Engine, volume: str, limit_bytes: int) -> None:
        self._engine = engine
        self._volume = volume
        self._limit_bytes = limit_bytes
        self._held = 0
        self._looked_at = time.monotonic()
        self._cost_s = 0.0

    async def is_full(self) -> bool:
        """Whether it holds more than it may, as far as was looked."""
        if self._held > self._limit_bytes:
            await self._look()
        return self._held > self._limit_bytes

    async def exceeded(self) -> None:
        """Return when it holds more than it may; where it did before, when it has grown."""
        was_full = self._held > self._limit_bytes
        limit = self._held + _SLACK_BYTES if was_full else self._limit_bytes
        while True:
            await asyncio.sleep(max(_FIRST_LOOK_S, self._cost_s * _SHARE))
            if await self._look() > limit:
                return

    async def glance(self) -> None:
        """Look, if that was long ago."""
        if time.monotonic() - self._looked_at > max(_SELDOM_S, self._cost_s * _SHARE):
            await self._look()

    async def _look(self) -> int:
        begun = time.monotonic()
        self._held = await volume_size(self._engine, self._volume)
        self._looked_at = time.monotonic()
        self._cost_s = self._looked_at - begun
        return self._held
