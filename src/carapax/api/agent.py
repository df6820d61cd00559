"""Agents: who there is and how they are."""

from msgspec import Struct
from msgspec.structs import replace

from carapax.api.fields import Name
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.sessions.sessions import AgentStatus


class Summary(Struct, frozen=True, omit_defaults=True):
    """An agent in a line.

    name: its name
    description: what it is for
    model: "provider/model" as it was found
    title: what people call it
    emoji: one that stands for it
    """

    name: str
    description: str
    model: str
    title: str
    emoji: str = ""


class Agents(Struct, frozen=True):
    """All agents, the default first.

    agents: one line each
    """

    agents: list[Summary]


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """One agent.

    agent: its name; empty for the default agent
    """

    agent: Name = ""


@operation("agent.list", scope="read", path="/api/agents")
async def list_(services: Services, params: Nothing) -> Agents:
    """List the agents, the default first."""
    return Agents(
        [
            Summary(agent.name, agent.description, agent.model, agent.title, agent.emoji)
            for agent in services.sessions.agents()
        ]
    )


@operation("agent.status", scope="read", path="/api/agents/{agent}", raises=(404,))
async def status(services: Services, params: Named) -> AgentStatus:
    """Tell an agent's model and why it was chosen, its sandbox, its tools, which sessions it works in, and the files of
    its workspace that tell it what to do."""
    found = services.sessions.status(params.agent)
    return replace(found, instructions=await services.instructions.read(found.name))
