"""An event loop in a thread of its own, so that the main thread may wait for the keyboard and hear Ctrl-C."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, TypeVar

import uvloop

S = TypeVar("S")
T = TypeVar("T")
_GLANCE_S = 0.1


def _never() -> bool:
    return False


class Background(Generic[S]):
    """Opens an async context manager on the loop and closes it there; entering gives what it yields.

    Wherever the main thread waits it asks `interrupted`, and raises KeyboardInterrupt when that is so; what it waited
    for goes on. What closing raises, leaving the block raises.
    """

    def __init__(self, opening: AbstractAsyncContextManager[S], interrupted: Callable[[], bool] = _never) -> None:
        self._opening = opening
        self._interrupted = interrupted
        self._opened: Future[S] = Future()
        self._closed: Future[None] = Future()
        self._loop = uvloop.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def __enter__(self) -> S:
        self._thread.start()
        try:
            return self.wait(self._opened)
        except KeyboardInterrupt:
            raise
        except BaseException:
            self.wait(self._closed)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._closed.done():
            self._loop.call_soon_threadsafe(self._stop.set)
        self.wait(self._closed)
        self._thread.join()

    def start(self, work: Coroutine[object, object, T]) -> Future[T]:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Start it and wait for its result."""
        return self.wait(self.start(work))

    def wait(self, future: Future[T], meanwhile: Callable[[], None] | None = None) -> T:
        """The result of what was started. `meanwhile` is called again and again until then."""
        while not future.done():
            wait([future], timeout=_GLANCE_S)
            if meanwhile is not None:
                meanwhile()
            if not future.done() and self._interrupted():
                raise KeyboardInterrupt
        return future.result()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._stay_open())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            self._opened.cancel()
            self._closed.set_exception(error)
        else:
            self._closed.set_result(None)

    async def _stay_open(self) -> None:
        try:
            async with self._opening as opened:
                self._opened.set_result(opened)
                await self._stop.wait()
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)
