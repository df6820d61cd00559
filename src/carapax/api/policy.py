"""The policy: what would be decided about a call."""

from typing import Any, Literal

from msgspec import Struct

from carapax.api.fields import Identifier, Name
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.commandline import parse


class Trial(Struct, frozen=True, forbid_unknown_fields=True):
    """A call that is only tried.

    tool: its name
    arguments: what it would be given
    agent: who would call it; empty for the default agent
    tainted: whether the session has read a web page
    """

    tool: Identifier
    arguments: dict[str, Any] = {}
    agent: Name = ""
    tainted: bool = False


class Run(Struct, frozen=True):
    """A program that a command line would run.

    text: the program and its arguments
    kind: "plain"; "wrapper" when it starts what follows; "opaque" when it cannot be told what it starts
    why: what makes it opaque
    """

    text: str
    kind: Literal["plain", "wrapper", "opaque"]
    why: str


class Judged(Struct, frozen=True):
    """What would be decided.

    verdict: "allow", "ask" a person, or "deny"
    rule: what decided
    reason: why, for people
    effects: what the call may do
    runs: the programs of a command line
    unclear: what cannot be told of a command line
    """

    verdict: Literal["allow", "ask", "deny"]
    rule: str
    reason: str
    effects: list[str]
    runs: list[Run]
    unclear: list[str]


@operation("policy.test", scope="read", method="POST", path="/api/policy/test", raises=(404,))
async def test(services: Services, params: Trial) -> Judged:
    """Tell what would be decided about a call of a tool, by which rule and why. Nothing is run, and nobody is asked."""
    asking, decision = services.sessions.weigh(
        params.tool, params.arguments, agent=params.agent, tainted=params.tainted
    )
    command = params.arguments.get("command")
    line = parse(command if isinstance(command, str) else "")
    runs = [Run(str(one), one.kind, one.why) for one in line.commands]
    return Judged(
        decision.verdict,
        decision.rule,
        decision.reason,
        sorted(asking.effects),
        runs,
        [str(each) for each in line.unclear],
    )
