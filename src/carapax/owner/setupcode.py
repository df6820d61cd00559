"""The one-time code by which whoever sees the gateway's terminal becomes its owner in the browser."""

import hashlib
import hmac
import secrets

from carapax.clock import Clock
from carapax.errors import Unauthorized
from carapax.redaction import Secret

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
LENGTH, TRIES, LASTS_S = 8, 5, 1_800.0
_NEW = "`carapax owner code` prints a new one"


class SetupCode:
    """At most one code is good at a time: for 30 minutes, five tries and one use. It is kept nowhere but in memory, and
    there only as a hash, so that a start of the gateway ends it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._digest = b""
        self._ended = ""
        self._until = 0.0
        self._tries = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a code that can be used now."""
        return bool(self._digest) and not self._ended and self._clock.now() < self._until

    def make(self) -> Secret:
        """A new code, written in two halves; the one before ends."""
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        self._digest, self._ended, self._tries = _digest(code), "", TRIES
        self._until = self._clock.now() + LASTS_S
        return Secret(f"{code[:4]}-{code[4:]}")

    def spend(self, shown: str) -> None:
        """Use the code up. Raises Unauthorized that says whether it is wrong, was used, has expired or was tried too
        often, and what to do. Capitals, blanks and dashes make no difference."""
        right = hmac.compare_digest(self._digest, _digest(shown))
        if not self._digest:
            raise Unauthorized("there is no setup code now", _NEW)
        if not self._ended and self._clock.now() >= self._until:
            self._ended = "the setup code has expired"
        if self._ended:
            raise Unauthorized(self._ended, _NEW)
        if not right:
            self._fail()
        self._ended = "the setup code was used already"

    def _fail(self) -> None:
        self._tries -= 1
        if not self._tries:
            self._ended = "the setup code was tried wrongly too often, and has ended"
            raise Unauthorized(self._ended, _NEW)
        left = "1 try is" if self._tries == 1 else f"{self._tries} tries are"
        raise Unauthorized("this is not the setup code", f"{left} left; it stands in the terminal of the gateway")


def _digest(shown: str) -> bytes:
    plain = "".join(shown.split()).replace("-", "").upper()
    return hashlib.sha256(plain.encode(errors="surrogatepass")).digest()
