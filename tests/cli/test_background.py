"""An event loop in a thread of its own."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from carapax.cli.background import Background
from carapax.errors import Unavailable


def test_what_is_opened_is_used_and_closed_on_the_loop() -> None:
    threads: list[str] = []

    @asynccontextmanager
    async def opening() -> AsyncGenerator[str, None]:
        threads.append(threading.current_thread().name)
        yield "open"
        threads.append(threading.current_thread().name)

    async def name() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    background = Background(opening())
    with background as opened:
        assert opened == "open"
        assert background.start(name()).result(10) == "gateway"
    assert threads == ["gateway", "gateway"]


def test_what_cannot_be_opened_raises_where_it_was_asked_for() -> None:
    @asynccontextmanager
    async def opening(reason: str = "not today") -> AsyncGenerator[str, None]:
        if reason:
            raise Unavailable(reason)
        yield ""

    with pytest.raises(Unavailable, match="not today"), Background(opening()):
        pass
