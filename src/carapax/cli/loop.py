"""The event loop of a command."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def awaited(work: Coroutine[object, object, T]) -> T:
    """The result of `work`, from a loop of its own. Ctrl-C cancels it, then raises KeyboardInterrupt, at any moment."""
    try:
        return asyncio.run(work)
    except asyncio.CancelledError as error:
        # A Ctrl-C in the instant before `run` begins to count them cancels the work, and then passes for no Ctrl-C.
        raise KeyboardInterrupt from error
