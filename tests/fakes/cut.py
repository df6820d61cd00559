"""A machine that stops, or a disk that fails, at a chosen step of writing files."""

import os
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

_STEPS = ("open", "write", "fsync", "fchmod", "link", "unlink", "replace", "mkdir", "rename")


class Cut(BaseException):
    """The machine stopped: nothing is cleaned up after it."""


@dataclass
class Steps:
    taken: int = 0


@contextmanager
def cut_after(
    last: int, failure: BaseException | None = None, also: Collection[tuple[object, str]] = ()
) -> Generator[Steps, None, None]:
    """The system calls that change files, and the methods `also` of something else, fail from the one of this number
    on, of which a write has written half. With a `failure` only that one fails, and with that."""
    steps = Steps()

    def counted(place: object, name: str) -> Callable[..., Any]:
        real = getattr(place, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if place is os and name == "open" and not arguments[1] & os.O_CREAT:
                return real(*arguments, **options)
            steps.taken += 1
            if steps.taken == last or (steps.taken > last and failure is None):
                if name == "write" and steps.taken == last:
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise failure or Cut
            return real(*arguments, **options)

        return call

    patches = [patch.object(*each, counted(*each)) for each in (*((os, name) for name in _STEPS), *also)]
    for each in patches:
        each.start()
    try:
        yield steps
    finally:
        for each in patches:
            each.stop()
