"""The agents of the configuration, with their tools, ways out and sandboxes, opened anew when it changes."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from carapax import extensions
from carapax.agent.redacted import Redacted
from carapax.agent.toolbox import Flagged, Permitted, Supervised, Tools, Workable
from carapax.confidential import Confidential
from carapax.config import Config
from carapax.contracts import Egress, SecretStore, Supervise, Tool, Toolbox
from carapax.credentials import AgentCredentials, open_credentials
from carapax.egress import PublicEgress
from carapax.errors import CarapaxError, Unavailable
from carapax.home import Home
from carapax.injection import Injections
from carapax.parts.rooms import Plan, Room, make_sandbox
from carapax.sessions.agents import Agents
from carapax.sessions.prepare import Agent, Models
from carapax.sessions.session import Spawn
from carapax.settings import Switch


def load_tools(config: Config) -> tuple[list[Tool], dict[str, object]]:
    """Our tools and the extra ones, and each one's settings by its name."""
    tools: list[Tool] = []
    settings: dict[str, object] = {}
    for name in [*extensions.names("tool"), *config.extra_tools]:
        module = extensions.find("tool", name)
        tool: Tool = extensions.export("tool", name, module)
        settings[tool.name] = extensions.configure("tool", name, module, config.tools.get(name, {}))
        tools.append(tool)
    return tools, settings


@dataclass(slots=True)
class LiveAgents:
    """Puts agents together. `egress` takes the place of each one's own, `more` tools come on top.

    A sandbox is opened anew only when what it is made from changes. A run keeps the agent it began with.
    """

    home: Home
    models: Models
    injections: Injections
    confidential: Confidential
    vault: SecretStore
    supervise: Supervise
    spawn: Spawn
    egress: Egress | None = None
    more: tuple[Tool, ...] = ()
    agents: Agents = field(default_factory=Agents)
    _rooms: dict[str, Room] = field(default_factory=dict)
    _left: list[Room] = field(default_factory=list)
    _made_from: object = None

    async def open(self, config: Config) -> None:
        """Raises ConfigError. An agent whose sandbox cannot be had here has one that refuses everything."""
        async with AsyncExitStack() as undo:
            switch = await self._prepared(config, undo, at_start=True)
            undo.pop_all()
        switch()

    async def close(self) -> None:
        """Close what is open; nothing runs any more."""
        for room in [*self._rooms.values(), *self._left]:
            await room.close()

    def lacks(self) -> bool:
        """Whether a sandbox could not be had."""
        return any(room.detail for room in self._rooms.values())

    async def reopen(self, config: Config, undo: AsyncExitStack) -> Switch:
        if _makings(config) == self._made_from and not self.lacks():
            return lambda: None
        return await self._prepared(config, undo)

    async def _prepared(self, config: Config, undo: AsyncExitStack, *, at_start: bool = False) -> Switch:
        tools, settings = self._tools(config)
        credentials = open_credentials(config)
        agents, rooms = list[Agent](), dict[str, Room]()
        for name, section in config.agents.items():
            its = AgentCredentials(name, credentials, self.vault)
            whose = f"[agents.{name}.egress]"
            way_out = self.egress or PublicEgress(config.egress, reach=section.egress, whose=whose, filling=its)
            toolbox = Redacted(Supervised(Permitted(tools, section.tools), self.supervise), self.confidential.redactor)
            room = rooms[name] = await self._room(config, name, way_out, undo, at_start=at_start)
            agents.append(
                Agent(name, section, toolbox, room.sandbox, way_out, settings, room.detail, True, its, room.used)
            )

        def switch() -> None:
            left = [room for name, room in self._rooms.items() if rooms.get(name) is not room]
            self._made_from, self._rooms = _makings(config), rooms
            self.agents.put(agents)
            self._left = [room for room in [*self._left, *left] if room.is_open]
            for room in left:
                room.leave()

        return switch

    async def _room(self, config: Config, name: str, way_out: Egress, undo: AsyncExitStack, *, at_start: bool) -> Room:
        """The one that is open, if it would be made from the same; what lacks one gets it as soon as it can be had."""
        plan, known = Plan.of(config, name), self._rooms.get(name)
        same = known if known and known.plan == plan else None
        if same and not same.detail:
            return same
        room = Room(name, plan, self.spawn)
        undo.push_async_callback(room.close)
        try:
            await room.open(make_sandbox(config, name, self.home, way_out), self.supervise)
        except CarapaxError as error:
            if same:
                return same
            if not (at_start and isinstance(error, Unavailable)):
                raise
            room.fill_with_nothing(error)
        return room

    def _tools(self, config: Config) -> tuple[Toolbox, dict[str, object]]:
        tools, settings = load_tools(config)
        settings |= dict.fromkeys((tool.name for tool in self.more), None)
        flagged = Flagged(Tools([*tools, *self.more]), self.injections.find)
        return Workable(flagged, lambda: () if self.models.searcher() else ("web_search",)), settings


def _makings(config: Config) -> object:
    """What agents are made from."""
    return (config.agents, config.tools, config.extra_tools, config.sandboxes, config.credentials, config.egress)
