"""Which trace something belongs to (https://www.w3.org/TR/trace-context/)."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.{0,200})?")
_SAMPLED = 1


class Root(NamedTuple):
    """Where a run hangs: its trace, the span above it, empty for none, and whether it is to be exported. Ids are in
    hexadecimal."""

    trace: str
    parent: str = ""
    sampled: bool = True


_incoming: ContextVar[str] = ContextVar("traceparent", default="")


def incoming() -> str:
    """The `traceparent` of the call under way, empty for none."""
    return _incoming.get()


@contextmanager
def coming_in(header: str) -> Iterator[None]:
    """The call under way bears this `traceparent`; one that is none counts as absent."""
    before = _incoming.set(header if root_in(header) else "")
    try:
        yield
    finally:
        _incoming.reset(before)


def root_in(header: str) -> Root | None:
    """What a `traceparent` says; None for one that says nothing: of another form, or all zeros."""
    found = _HEADER.fullmatch(header)
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace, 16) or not int(parent, 16):
        return None
    return Root(trace, parent, bool(int(flags, 16) & _SAMPLED))


def root_of(run: str) -> Root:
    """The trace of a run that hangs nowhere: always the same."""
    return Root(hashlib.sha256(f"trace {run}".encode()).hexdigest()[:32])


def span_of(run: str, *part: object) -> str:
    """The id of a part of a run, or of the run itself: always the same, so that one that is sent twice is one."""
    return hashlib.sha256(" ".join(map(str, (run, *part))).encode()).hexdigest()[:16]
