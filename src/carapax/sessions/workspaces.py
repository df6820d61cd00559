"""Who may change the files of an agent's workspace at a moment: several calls, or one that was approved with files."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager


class _Workspace:
    def __init__(self) -> None:
        self.changing = 0
        self.taken = False
        self.wanted = 0
        self._waiting: set[asyncio.Future[None]] = set()

    async def until(self, met: Callable[[], bool]) -> None:
        while not met():
            told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(told)
            try:
                await told
            finally:
                self._waiting.discard(told)

    def tell(self) -> None:
        for told in self._waiting:
            if not told.done():
                told.set_result(None)


class Workspaces:
    """The workspaces of all agents, by the agent's name. Who wants one for itself goes before who comes later."""

    def __init__(self) -> None:
        self._all: dict[str, _Workspace] = {}

    @asynccontextmanager
    async def shared(self, agent: str) -> AsyncIterator[None]:
        """Others may change files meanwhile."""
        one = self._all.setdefault(agent, _Workspace())
        await one.until(lambda: not one.taken and not one.wanted)
        one.changing += 1
        try:
            yield
        finally:
            one.changing -= 1
            one.tell()

    @asynccontextmanager
    async def alone(self, agent: str) -> AsyncIterator[None]:
        """Nobody else changes files meanwhile."""
        one = self._all.setdefault(agent, _Workspace())
        with _wanting(one):
            await one.until(lambda: not one.taken and not one.changing)
            one.taken = True
        try:
            yield
        finally:
            one.taken = False
            one.tell()


@contextmanager
def _wanting(one: _Workspace) -> Iterator[None]:
    one.wanted += 1
    try:
        yield
    finally:
        one.wanted -= 1
        one.tell()
