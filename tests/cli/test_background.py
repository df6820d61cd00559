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
        assert background.start(name()).result(60) == "gateway"
    assert threads == ["gateway", "gateway"]


def test_what_cannot_be_opened_raises_where_it_was_asked_for() -> None:
    @asynccontextmanager
    async def opening(reason: str = "not today") -> AsyncGenerator[str, None]:
        if reason:
            raise Unavailable(reason)
        yield ""

    with pytest.raises(Unavailable, match="not today"), Background(opening()):
        pass


def test_an_interruption_ends_whatever_is_waited_for_and_the_block_closes_all_the_same() -> None:
    interruptions: list[bool] = []
    closed: list[str] = []

    @asynccontextmanager
    async def opening() -> AsyncGenerator[str, None]:
        yield ""
        closed.append("closed")

    background = Background(opening(), lambda: bool(interruptions) and interruptions.pop())
    with pytest.raises(KeyboardInterrupt), background:
        interruptions.append(True)
        background.run(asyncio.sleep(600))
    assert closed == ["closed"]


def test_opening_and_closing_can_be_interrupted() -> None:
    open_now, close_now = threading.Event(), threading.Event()
    close_now.set()

    @asynccontextmanager
    async def opening() -> AsyncGenerator[str, None]:
        await asyncio.to_thread(open_now.wait)
        yield ""
        await asyncio.to_thread(close_now.wait)

    with pytest.raises(KeyboardInterrupt), Background(opening(), lambda: True):
        pass
    open_now.set()
    close_now.clear()
    interrupted = threading.Event()
    with pytest.raises(KeyboardInterrupt), Background(opening(), interrupted.is_set):
        interrupted.set()
    close_now.set()


def test_what_closing_raises_is_raised_where_the_block_ends() -> None:
    @asynccontextmanager
    async def opening() -> AsyncGenerator[str, None]:
        yield ""
        raise Unavailable("not at the end")

    with pytest.raises(Unavailable, match="not at the end"), Background(opening()):
        pass
