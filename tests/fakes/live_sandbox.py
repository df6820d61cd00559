"""A sandbox that tells which of it are open, and can be told not to open."""

from pathlib import Path
from types import TracebackType

from msgspec import Struct

from carapax.errors import Unavailable
from carapax.sandboxes import local

OPEN: list["LiveSandbox"] = []
MISSING: set[str] = set()
"""The marks of those that cannot be opened at the moment."""
BROKEN: set[str] = set()
"""The marks of those that have a fault."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """What it is like.

    mark: what tells it from another
    works: whether it can be opened
    """

    mark: str = ""
    works: bool = True


class LiveSandbox(local.Local):
    def __init__(self, config: Config, workspace: Path, egress: object = None) -> None:
        super().__init__(local.Config(), workspace, egress)
        self.mark = config.mark
        self._works = config.works

    async def __aenter__(self) -> "LiveSandbox":
        if not self._works or self.mark in MISSING:
            raise Unavailable("the sandbox cannot be opened here", "do without")
        if self.mark in BROKEN:
            raise OSError("a fault")
        OPEN.append(self)
        await super().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        OPEN.remove(self)

    def of(self, session: str) -> "LiveSandbox":
        return self


EXTENSION = LiveSandbox
