"""Deterministic simulation: a day in seconds, crashes included, and the same again from the same seed.

Code under test runs unchanged on a `SimulatedLoop`, whose time jumps to the next timer as soon as nothing else is left
to do. A `Life` is one process: `kill` ends it wherever it stands, as `kill -9` does. What outlives it is the `Disk`,
which a `SimulatedDatabase` commits to with virtual delays: a transaction whose commit a kill cut short is kept or lost,
one that was acknowledged is always kept.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from carapax.testing.clock import START, FakeClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_life: ContextVar["Life | None"] = ContextVar("life", default=None)


class Stuck(Exception):
    """Everything waits and no timer is left, so that nothing can ever happen again."""


class Unseen(Exception):
    """Something went wrong that nobody looked at: a task that was dropped while it waited."""


class Killed(BaseException):
    """Raised in what a killed life still tries to do to the outside world; nobody should catch it."""


class _Task(asyncio.Task[Any]):
    """A task that a set keeps in the same place in every run, which its address in memory does not."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop without sockets or threads whose `time()` starts at 0 and is virtual. What is given to a thread is
    done in the loop's next step. Raises Stuck."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.failures: list[BaseException] = []
        self._virtual = 0.0
        self._tasks = 0
        self._selector = self  # what BaseEventLoop waits with
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._virtual

    def select(self, timeout: float | None) -> list[object]:
        """Called by the event loop to wait: for nothing, for the next timer, or for ever."""
        if timeout is None:
            raise Stuck("every task waits for something that no timer will bring")
        self.steps += 1
        self._virtual += timeout
        return []

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Called by asyncio for what would block."""
        done: asyncio.Future[T] = self.create_future()
        self.call_soon(_settle, done, partial(func, *args))
        return done

    def call_exception_handler(self, context: Any) -> None:
        """Called by the event loop with a failure that nobody looked at."""
        failure = context.get("exception") or Unseen(context["message"])
        if not isinstance(failure, Killed):
            self.failures.append(failure)

    def _process_events(self, events: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        self._tasks += 1
        task = _Task(coroutine, self._tasks, loop=loop, **options)
        life = (options.get("context") or copy_context()).get(_life)
        if life is not None:
            life.adopt(task)
        return task


def _settle(done: asyncio.Future[T], work: Callable[[], T]) -> None:
    if done.cancelled():
        return
    try:
        done.set_result(work())
    except Exception as error:  # noqa: BLE001 - whoever awaits the future gets it, as from a thread
        done.set_exception(error)


class SimulatedClock(FakeClock):
    """A wall clock that follows the loop's virtual time; `advance` and `set` make it jump."""

    def __init__(self, seed: int = 0, start: float = START) -> None:
        super().__init__(start, seed)

    def now(self) -> float:
        return super().now() + asyncio.get_running_loop().time()

    def set(self, now: float) -> None:
        super().set(now - asyncio.get_running_loop().time())


class Life:
    """One process of the simulated machine: everything that is started in it dies at once."""

    def __init__(self) -> None:
        self.alive = True
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._at_end: list[Callable[[], None]] = []

    def start(self, main: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run the coroutine, and all it starts, in this life."""
        context = copy_context()
        context.run(_life.set, self)
        return asyncio.get_running_loop().create_task(main, context=context)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """A task was started in this life."""
        self._tasks[task] = None
        task.add_done_callback(self._bury)

    def _bury(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not self.alive and not task.cancelled():
            task.exception()  # so that the event loop does not report what a dead life left

    def at_end(self, release: Callable[[], None]) -> None:
        """Call this when the life is killed, to release what an operating system would."""
        self._at_end.append(release)

    def check(self) -> None:
        """Call before touching what outlives this life. Raises Killed after its end."""
        if not self.alive:
            raise Killed

    async def kill(self) -> None:
        """End it where it stands. Its tasks still unwind, but nothing they do reaches the outside world."""
        self.alive = False
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.sleep(0)
        for release in self._at_end:
            release()


class Trace:
    """What happened in a simulation, in order: two runs are the same when their `digest` is."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, what: str, *details: object) -> None:
        at = asyncio.get_running_loop().time()
        self.lines.append(f"{at:.6f} {what} {' '.join(map(str, details))}")

    def digest(self) -> str:
        return hashlib.blake2b("\n".join(self.lines).encode(), digest_size=8).hexdigest()


def simulate(main: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine to its end in virtual time. Raises Stuck, what it raises, and an ExceptionGroup of failures
    that nobody looked at."""
    loop = SimulatedLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main)
    if loop.failures:
        raise BaseExceptionGroup("failures that nobody looked at", loop.failures)
    return result
