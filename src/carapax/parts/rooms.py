"""The sandboxes of agents: each stays open until nothing runs in it any more."""

import logging
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Protocol

from msgspec import Struct

from carapax import extensions
from carapax.config import Config, EgressConfig, ReachConfig
from carapax.contracts import Egress, Sandbox, Supervise
from carapax.errors import Unavailable
from carapax.home import Home
from carapax.sandboxes.absent import Absent
from carapax.sessions.session import Spawn

log = logging.getLogger(__name__)


class Opening(Sandbox, AbstractAsyncContextManager[Sandbox], Protocol):
    """A sandbox that can be used once it is opened."""


class Plan(Struct, frozen=True):
    """All that a sandbox is made from."""

    kind: str
    settings: object
    egress: EgressConfig
    reach: ReachConfig

    @classmethod
    def of(cls, config: Config, agent: str) -> "Plan":
        section = config.agents[agent]
        return cls(section.sandbox, config.sandboxes.get(section.sandbox, {}), config.egress, section.egress)


class Room:
    """A sandbox that is open, or why it is not. Once it is left for good it is closed by whoever uses it last."""

    def __init__(self, name: str, plan: Plan, spawn: Spawn) -> None:
        self.plan = plan
        self.sandbox: Sandbox = Absent(Unavailable("the sandbox is not open"))
        self.detail = ""
        self._name = name
        self._spawn = spawn
        self._opened = AsyncExitStack()
        self._users = 0
        self._is_left = False
        self.is_open = True

    async def open(self, sandbox: Opening, supervise: Supervise) -> None:
        """Raises Unavailable when it cannot be opened here."""
        opening = self._opened.enter_async_context(sandbox)
        self.sandbox = await supervise(f"the sandbox of {self._name}", opening)

    def fill_with_nothing(self, error: Unavailable) -> None:
        """Refuse everything, and say why."""
        log.warning("agent %s: %s", self._name, error)
        self.sandbox, self.detail = Absent(error), str(error)

    @contextmanager
    def used(self) -> Iterator[None]:
        """It stays open for as long as the block runs."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._close_unused()

    def leave(self) -> None:
        """Nobody comes in any more."""
        self._is_left = True
        self._close_unused()

    async def close(self) -> None:
        await self._opened.aclose()
        self.is_open = False

    def _close_unused(self) -> None:
        if self._is_left and not self._users:
            self._spawn(f"closing a sandbox of {self._name}", self.close())


def make_sandbox(config: Config, agent: str, home: Home, egress: Egress) -> Opening:
    """The sandbox of an agent, not open yet. Raises ConfigError for one that nobody has."""
    kind = config.agents[agent].sandbox
    module = extensions.find("sandbox", kind)
    settings = extensions.configure("sandbox", kind, module, config.sandboxes.get(kind, {}))
    made: Opening = extensions.export("sandbox", kind, module)(settings, home.workspaces / agent, egress)
    return made
