"""The wall clock and what is drawn from chance, so that a simulation can replace both.

Sleeping and deadlines are not here: they follow the event loop's own clock, which a simulation replaces as a whole.
"""

import os
import random
import re
import time
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID = re.compile(f"[{_ALPHABET}]{{20}}")


class Clock(Protocol):
    """Where time, identifiers and chance come from."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    def new_id(self) -> str:
        """A new identifier of 20 characters (`0-9a-z`), sorting by the time it was made."""
        ...

    def random(self) -> float:
        """A number in [0, 1), for jitter; never for secrets."""
        ...


class SystemClock:
    """The machine's clock and random numbers."""

    def now(self) -> float:
        return time.time()

    def new_id(self) -> str:
        return format_id(time.time(), int.from_bytes(os.urandom(7), "big"))

    def random(self) -> float:
        return random.random()


def is_id(text: str) -> bool:
    """Whether a text has the form of an identifier."""
    return _ID.fullmatch(text) is not None


def format_id(at: float, chance: int) -> str:
    """Write 45 bits of milliseconds and 55 bits of chance as 20 characters of Crockford's base 32."""
    number = (int(at * 1000) << 55) | (chance & ((1 << 55) - 1))
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(95, -1, -5))
