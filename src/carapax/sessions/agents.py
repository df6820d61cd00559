"""The agents that are configured now."""

from collections.abc import Iterable, Iterator

from carapax.errors import NotFound
from carapax.sessions.prepare import Agent, removed


class Agents:
    """Agents by name, the default first. They change while the gateway runs: whoever keeps one keeps what it was."""

    def __init__(self) -> None:
        self._now: dict[str, Agent] = {}

    def put(self, agents: Iterable[Agent]) -> None:
        """From now on it is these."""
        self._now = {agent.name: agent for agent in agents}

    def __iter__(self) -> Iterator[Agent]:
        return iter(self._now.values())

    def get(self, name: str = "") -> Agent:
        """An agent by name, or the default. Raises NotFound."""
        name = name or next(iter(self._now))
        try:
            return self._now[name]
        except KeyError:
            raise NotFound(f"there is no agent {name!r}", f"there are: {', '.join(self._now)}") from None

    def of(self, name: str) -> Agent:
        """The agent of a session, or what stands for one that is not configured any more."""
        return self._now.get(name) or removed(name, self.get())
