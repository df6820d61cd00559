"""`carapax policy`: what would be decided about a call, while no gateway need run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from carapax.cli.group import home, takes_home
from carapax.cli.terminal import one_line, write
from carapax.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from typing import Any

    from carapax.config import Config, Home
    from carapax.contracts import Asking, Tool

_WIDTH = 200


@click.group()
@takes_home
def command() -> None:
    """Try the rules about what agents may do."""


@command.command()
@click.argument("line", required=False)
@click.option("--tool", "name", default="", help="The tool that is called; shell for a command line.")
@click.option("--arguments", default="", help="Its arguments as a JSON object, in place of a command line.")
@click.option("--agent", default="", help="The agent that calls it; the first one by itself.")
@click.option("--tainted", is_flag=True, help="As in a session that has read a web page.")
@takes_home
def test(line: str | None, name: str, arguments: str, agent: str, tainted: bool) -> None:
    """Say what would be decided about a command LINE, or a call of a tool, and why. Nothing is run."""
    from carapax.configcheck import check
    from carapax.parts.policy import make_policy

    config = check(home())
    given = _arguments(line, arguments)
    asking = _asking(config, home(), name or "shell", given, agent, tainted)
    _show_commands(given.get("command"))
    write(f"effects: {', '.join(sorted(asking.effects))}\n")
    decision = make_policy(config).decide(asking)
    write(f"{decision.verdict}: {one_line(decision.reason, _WIDTH)} ({decision.rule})\n")


def _arguments(line: str | None, arguments: str) -> dict[str, Any]:
    if (line is None) == (not arguments):
        raise InvalidRequest("give either a command line or --arguments", "carapax policy test 'git push'")
    if line is not None:
        return {"command": line}
    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise InvalidRequest(f"--arguments is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidRequest("--arguments is not a JSON object", """write it as '{"path": "notes.md"}'""")
    return given


def _asking(config: Config, home: Home, name: str, given: dict[str, Any], agent: str, tainted: bool) -> Asking:
    from carapax.egress import PublicEgress
    from carapax.parts.agents import load_tools
    from carapax.parts.rooms import make_sandbox
    from carapax.policy.trial import trial

    agent = agent or next(iter(config.agents))
    if agent not in config.agents:
        raise NotFound(f"there is no agent {agent!r}", f"there are: {', '.join(config.agents)}")
    networked = make_sandbox(config, agent, home, PublicEgress(config.egress)).network
    return trial(agent, _found(load_tools(config)[0], name), given, networked=networked, tainted=tainted)


def _found(tools: list[Tool], name: str) -> Tool:
    for tool in tools:
        if tool.name == name:
            return tool
    raise NotFound(f"there is no tool {name!r}", f"there are: {', '.join(sorted(tool.name for tool in tools))}")


def _show_commands(line: object) -> None:
    """What is seen in a command line."""
    from carapax.commandline import parse

    if not isinstance(line, str):
        return
    seen = parse(line)
    for one in seen.commands:
        about = {"plain": "", "wrapper": " (starts what follows)", "opaque": f" ({one.why})"}[one.kind]
        write(f"runs: {one_line(str(one), _WIDTH)}{about}\n")
    for unclear in seen.unclear:
        write(f"unclear: {unclear}\n")
