"""A chat platform in memory that a configuration can name, with a port that only one can have."""

import asyncio
from types import TracebackType

from msgspec import Struct

from carapax.errors import Unavailable
from carapax.testing import MemoryChannel

OPEN: list["LiveChannel"] = []
TAKEN: set[int] = set()
SILENT: set[int] = set()
"""The ports at which nothing ever answers."""
TRIED: list[int] = []
"""The ports of all that were to be opened."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Where it is.

    port: what only one can have
    greeting: what tells it from another
    """

    port: int = 1
    greeting: str = ""


class LiveChannel(MemoryChannel):
    def __init__(self, config: Config, name: str = "live") -> None:
        super().__init__(name)
        self.config = config
        self.fails_to_close = False
        self.loses_its_port = False

    async def __aenter__(self) -> "LiveChannel":
        TRIED.append(self.config.port)
        if self.config.port in SILENT:
            await asyncio.Event().wait()
        if self.config.port in TAKEN:
            raise Unavailable(f"port {self.config.port} is taken", "choose another")
        TAKEN.add(self.config.port)
        OPEN.append(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.loses_its_port:
            TAKEN.discard(self.config.port)
        OPEN.remove(self)
        if self.fails_to_close:
            raise OSError("it does not want to")


EXTENSION = LiveChannel
