"""A clock that stands still until it is told otherwise."""

import random

from carapax.clock import format_id

START = 1_767_225_600.0
"""Where a `FakeClock` begins: 2026-01-01 00:00 UTC."""


class FakeClock:
    """A `Clock` whose time is set by the test, and whose identifiers and chance follow from `seed` alone."""

    def __init__(self, now: float = START, seed: int = 0) -> None:
        self._now = now
        self._chance = random.Random(seed)

    def now(self) -> float:
        return self._now

    def new_id(self) -> str:
        return format_id(self.now(), self._chance.getrandbits(55))

    def random(self) -> float:
        return self._chance.random()

    def advance(self, seconds: float) -> None:
        """Move the time on, or back with a negative number."""
        self._now += seconds

    def set(self, now: float) -> None:
        """Make it this time, in seconds since 1970."""
        self._now = now
