"""Tools: what agents can do, and doing it by hand."""

from typing import Any

import msgspec
from msgspec import Struct

from carapax.api.agent import Named
from carapax.api.fields import Identifier, Name
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.contracts import Tool
from carapax.errors import Forbidden
from carapax.messages import ToolResult, ToolSpec
from carapax.redaction import encode, masked
from carapax.sessions.prepare import Agent


class Tools(Struct, frozen=True):
    """The tools of an agent.

    tools: each with the JSON Schema of its arguments
    """

    tools: tuple[ToolSpec, ...]


class Known(Struct, frozen=True):
    """A tool, as people who decide about it see it.

    name: its name
    description: what models are told of it
    effects: what a call may do: "read", "write", "execute", "network", "message", "destroy" and so on
    authority: the arguments that decide who or what is touched; null when all do
    source: whose words its results may hold: "own", "workspace", "found", "names", "outside", or null when nobody knows
    rerun: what may be done about a call that a crash cut short
    module: where it comes from
    settings: its settings, secrets masked
    agents: the agents that may use it
    """

    name: str
    description: str
    effects: list[str]
    authority: list[str] | None
    source: str | None
    rerun: str
    module: str
    settings: dict[str, Any]
    agents: list[str]


class Catalogue(Struct, frozen=True):
    """All tools that an agent may use now.

    tools: by name
    """

    tools: list[Known]


class Execute(Struct, frozen=True, forbid_unknown_fields=True):
    """A call of a tool.

    tool: its name
    arguments: what its schema asks for
    agent: whose tool and workspace; empty for the default agent
    session: the session it is recorded in, which must not be running; empty for a new one
    """

    tool: Identifier
    arguments: dict[str, Any] = {}
    agent: Name = ""
    session: Name = ""


class Executed(Struct, frozen=True):
    """What the call gave back.

    session: where it is recorded
    result: what the tool said; with `is_error` it says what went wrong
    """

    session: str
    result: ToolResult


@operation("tools.list", scope="read", path="/api/tools", raises=(404,))
async def list_(services: Services, params: Named) -> Tools:
    """List what an agent can do."""
    return Tools(services.sessions.status(params.agent).tools)


@operation("tools.catalogue", scope="read", path="/api/catalogue")
async def catalogue(services: Services, params: Nothing) -> Catalogue:
    """List all tools with what they may do, their settings, and the agents that may use them."""
    agents = [services.sessions.agent(status.name) for status in services.sessions.agents()]
    users: dict[str, list[Agent]] = {}
    for agent in agents:
        for spec in agent.toolbox.specs():
            users.setdefault(spec.name, []).append(agent)
    found = [(having[0].toolbox.find(name), having) for name, having in sorted(users.items())]
    return Catalogue([_known(tool, having) for tool, having in found if tool is not None])


def _known(tool: Tool, having: list[Agent]) -> Known:
    settings = having[0].tool_settings[tool.name]
    shown = msgspec.to_builtins(settings, enc_hook=encode) if settings is not None else {}
    return Known(
        tool.name,
        tool.description,
        sorted(tool.effects),
        None if tool.authority is None else list(tool.authority),
        tool.source,
        tool.rerun,
        type(tool if settings is None else settings).__module__,
        {key: masked(key, value) for key, value in shown.items()},
        [agent.name for agent in having],
    )


@operation("tools.execute", scope="write", method="POST", path="/api/tools/{tool}", raises=(404, 409, 503))
async def execute(services: Services, params: Execute) -> Executed:
    """Run a tool as the agent would, in its sandbox, and record it. A token for strangers may not."""
    if services.caller.trust == "stranger":
        raise Forbidden("strangers may not give orders", "use a token that was made for an owner or a known person")
    session, result = await services.sessions.execute(
        params.tool, params.arguments, agent=params.agent, session=params.session, by=services.caller.actor()
    )
    return Executed(session, result)
