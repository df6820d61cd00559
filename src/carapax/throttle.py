"""What comes too often: calls are spread out, and guesses at secrets lead to bans that grow."""

from collections import OrderedDict
from collections.abc import Callable

from carapax.errors import RateLimited

GUESSES, WINDOW_S = 10, 300.0
LONGEST_BAN_S = 86_400.0
PASSWORD = "password"
"""The key of the owner's password, whoever tries it."""


class Rate:
    """At most `count` a window for each key, as a bucket that fills evenly (GCRA). A function is asked each time.

    Remembers `keys` of them; those that came first are forgotten first.
    """

    def __init__(self, count: int | Callable[[], int], window_s: float = 60, keys: int = 10_000) -> None:
        self._count = count
        self._window_s = window_s
        self._keys = keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until `take` would succeed; 0 for now."""
        burst = self._window_s - self._interval
        return max(0.0, self._full_at.get(key, now) - now - burst)

    def take(self, key: str, now: float, what: str) -> None:
        """Count one. Raises RateLimited, which is not counted."""
        wait = self.wait(key, now)
        if wait > 0:
            raise RateLimited(f"too many {what}", wait)
        self._full_at[key] = max(self._full_at.get(key, now), now) + self._interval
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._keys:
            self._full_at.popitem(last=False)

    @property
    def _interval(self) -> float:
        return self._window_s / (self._count if isinstance(self._count, int) else self._count())


class _Guesser:
    __slots__ = ("bans", "tried", "until")

    def __init__(self) -> None:
        self.tried: dict[object, float] = {}
        self.bans = 0
        self.until = 0.0


class Bans:
    """Bans a key after ten wrong secrets within five minutes: for five minutes, twice as long each time after, up to a
    day; a key that `grows` not, for five minutes each time. A day after its last ban a key is as new.

    Remembers `keys` of them; the one that failed longest ago is forgotten first, and that of the password never. Times
    are seconds of any clock that never goes back.
    """

    def __init__(self, keys: int = 10_000) -> None:
        self._keys = keys
        self._known: OrderedDict[str, _Guesser] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until its ban ends; 0 for none."""
        known = self._known.get(key)
        return max(0.0, known.until - now) if known else 0.0

    def is_repeat(self, key: str, digest: bytes | None, now: float) -> bool:
        """Whether this wrong secret was counted within five minutes already. A program that shows it again and again is
        a forgotten one, and guesses nothing."""
        known = self._known.get(key)
        return known is not None and digest in known.tried and now - known.tried[digest] < WINDOW_S

    def fail(self, key: str, digest: bytes | None, now: float, *, grows: bool = True) -> float:
        """Count a wrong secret, and one with a digest only if it is no repeat. Returns the seconds of the ban that
        begins with it, or 0."""
        repeated = self.is_repeat(key, digest, now)
        guesser = self._known.setdefault(key, _Guesser())
        self._known.move_to_end(key)
        if len(self._known) > self._keys:
            del self._known[next(each for each in self._known if each != PASSWORD)]
        if guesser.bans and now - guesser.until > LONGEST_BAN_S:
            guesser.bans = 0
        guesser.tried = {each: at for each, at in guesser.tried.items() if now - at < WINDOW_S}
        guesser.tried[object() if digest is None else digest] = now
        if repeated or len(guesser.tried) < GUESSES:
            return 0.0
        seconds = min(LONGEST_BAN_S, WINDOW_S * 2.0**guesser.bans)
        if grows:
            guesser.bans = min(guesser.bans + 1, 10)
        guesser.tried.clear()
        guesser.until = now + seconds
        return seconds

    def lift(self, key: str, now: float) -> bool:
        """Forget a key. Returns whether it was banned."""
        was = self.wait(key, now) > 0
        self._known.pop(key, None)
        return was

    def all(self, now: float) -> dict[str, float]:
        """The keys that are banned, and the seconds until each ban ends."""
        return {key: known.until - now for key, known in self._known.items() if known.until > now}
