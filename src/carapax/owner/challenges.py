"""What a passkey is asked to sign: each once, within five minutes, for one purpose, from one page."""

import secrets
from collections import OrderedDict
from typing import Literal, NamedTuple

from carapax.clock import Clock

Purpose = Literal["register", "sign in"]
LASTS_S = 300.0
MOST = 10_000
_BYTES = 32


class Page(NamedTuple):
    """A page of ours as a browser has it open: `origin` is `https://name:port`, `host` the name alone."""

    host: str
    origin: str


class _Asked(NamedTuple):
    purpose: Purpose
    page: Page
    whose: str
    until: float


class Challenges:
    """Those that nobody has answered; of too many the oldest are forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, _Asked] = OrderedDict()

    def make(self, purpose: Purpose, page: Page, whose: str = "") -> bytes:
        """A new one of 256 random bits. `whose` must be the same when it is answered."""
        challenge = secrets.token_bytes(_BYTES)
        self._open[challenge] = _Asked(purpose, page, whose, self._clock.now() + LASTS_S)
        if len(self._open) > MOST:
            self._open.popitem(last=False)
        return challenge

    def take(self, challenge: bytes, purpose: Purpose, page: Page, whose: str = "") -> bool:
        """Whether it was made for just this, and is not too old. It is gone then, and also when it is not."""
        asked = self._open.pop(challenge, None)
        return asked is not None and asked[:3] == (purpose, page, whose) and self._clock.now() < asked.until
