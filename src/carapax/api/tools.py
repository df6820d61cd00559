"""Tools: what agents can do, and doing it by hand."""

from typing import Any

from msgspec import Struct

from carapax.api.agent import Named
from carapax.api.fields import Identifier, Name
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.errors import Forbidden
from carapax.messages import ToolResult, ToolSpec


class Tools(Struct, frozen=True):
    """The tools of an agent.

    tools: each with the JSON Schema of its arguments
    """

    tools: tuple[ToolSpec, ...]


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


@operation("tools.execute", scope="write", method="POST", path="/api/tools/{tool}", raises=(404, 409, 503))
async def execute(services: Services, params: Execute) -> Executed:
    """Run a tool as the agent would, in its sandbox, and record it. A token for strangers may not."""
    if services.caller.trust == "stranger":
        raise Forbidden("strangers may not give orders", "use a token that was made for an owner or a known person")
    session, result = await services.sessions.execute(
        params.tool, params.arguments, agent=params.agent, session=params.session, by=services.caller.actor()
    )
    return Executed(session, result)
