"""What the work under way is about, so that every line that is logged meanwhile says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct


class About(Struct, frozen=True):
    """Ids, empty where there is none. `request` is that of a call over HTTP, which its answer bears as X-Request-Id."""

    session: str = ""
    run: str = ""
    agent: str = ""
    request: str = ""


_NOTHING = About()
_now: ContextVar[About] = ContextVar("about", default=_NOTHING)


def current() -> About:
    return _now.get()


@contextmanager
def about(subject: About) -> Iterator[None]:
    """All that is logged in the block, and by tasks that it starts, is about this and nothing else."""
    before = _now.set(subject)
    try:
        yield
    finally:
        _now.reset(before)
