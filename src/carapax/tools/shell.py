"""Runs a command in the sandbox."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from carapax.commandline import parse
from carapax.contracts import Effect, Execution, ToolContext
from carapax.errors import InvalidRequest
from carapax.tool import tool

_EFFECTS: frozenset[Effect] = frozenset(("read", "write", "execute"))
_SHELL = ("/bin/sh", "-c", 'exec "$(command -v bash || echo sh)" -c "$0"')


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """How long commands may run, and how much of their output is kept.

    timeout_s: time limit of a command that asks for none
    max_timeout_s: longest time limit a command may ask for
    output_bytes: longest output; of more, the beginning and the end are kept
    """

    timeout_s: Annotated[float, Meta(gt=0)] = 30
    max_timeout_s: Annotated[float, Meta(gt=0)] = 600
    output_bytes: Annotated[int, Meta(gt=0)] = 32_768


def _narrowed(arguments: Mapping[str, Any]) -> frozenset[Effect]:
    """Commands that are known to do nothing but read have no other effect."""
    return frozenset(("read",)) if parse(str(arguments.get("command"))).only_reads else _EFFECTS


@tool(
    effects=("read", "write", "execute"),
    rerun="at_most_once",
    authority=("command",),
    source="workspace",
    narrowed=_narrowed,
)
async def shell(context: ToolContext, command: str, timeout_s: Annotated[float, Meta(ge=0)] = 0) -> str:
    """Run a command with bash (else sh) in the workspace. No network, no input; it and all it starts end together.

    Args:
        command: the command line or script
        timeout_s: seconds until it is killed; 0 means the default
    """
    config = context.settings(Config)
    if timeout_s > config.max_timeout_s:
        raise InvalidRequest(f"timeout_s is {timeout_s:g}, more than the {config.max_timeout_s:g} allowed")
    limit = timeout_s or config.timeout_s
    execution = await context.sandbox.exec(
        [*_SHELL, command],
        timeout_s=limit,
        max_output=config.output_bytes,
        progress=context.progress,
        environment=await context.credentials.environment() if context.credentials else {},
    )
    return _told(execution, limit)


def _told(execution: Execution, limit_s: float) -> str:
    output = execution.output if execution.output.endswith("\n") or not execution.output else execution.output + "\n"
    code = execution.exit_code
    ended = {
        "": f"exit code {code}" if code >= 0 else f"ended by signal {-code}",
        "time": f"killed after {limit_s:g} s, the time limit",
        "output": "killed: too much output",
        "memory": "killed: out of memory",
        "disk": "killed: the workspace holds as much as it may; remove files before you write others",
    }[execution.killed]
    return f"{output}[{ended}]"


EXTENSION = shell
