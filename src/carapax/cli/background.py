"""An event loop in a thread of its own, so that the main thread may wait for the keyboard and hear Ctrl-C."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, TypeVar

import uvloop

S = TypeVar("S")
T = TypeVar("T")


class Background(Generic[S]):
    """Opens an async context manager on the loop and closes it there; entering gives what it yields."""

    def __init__(self, opening: AbstractAsyncContextManager[S]) -> None:
        self._opening = opening
        self._opened: Future[S] = Future()
        self._loop = uvloop.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def __enter__(self) -> S:
        self._thread.start()
        try:
            return self._opened.result()
        except BaseException:
            self._thread.join()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def start(self, work: Coroutine[object, object, T]) -> Future[T]:
        """Run a coroutine on the loop; the future may be waited for, and Ctrl-C interrupts only the waiting."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._stay_open())

    async def _stay_open(self) -> None:
        try:
            async with self._opening as opened:
                self._opened.set_result(opened)
                await self._stop.wait()
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)
