"""Calls a tool as the agent loop does: with the text a model wrote."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from carapax.arguments import check_arguments
from carapax.clock import SystemClock
from carapax.contracts import Credentials, Egress, Fetched, Sandbox, Searcher, Tool, ToolContext
from carapax.errors import Forbidden
from carapax.testing.sandbox import MemorySandbox
from tests.running import run


class NoEgress:
    """An Egress that lets nothing out."""

    async def fetch(
        self, url: str, *, max_bytes: int, timeout_s: float, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Fetched:
        raise Forbidden(f"{url} may not be reached")

    async def connect(self, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise Forbidden(f"{url} may not be reached")


def call(tool: Tool, config: Struct, sandbox: Sandbox | None = None, **arguments: Any) -> str:
    """What the tool answers, on an event loop of its own."""
    return run(called(tool, config, sandbox, **arguments))


async def called(
    tool: Tool,
    config: Struct,
    sandbox: Sandbox | None = None,
    egress: Egress | None = None,
    search: Searcher | None = None,
    credentials: Credentials | None = None,
    **arguments: Any,
) -> str:
    """What the tool answers."""
    context = ToolContext(
        agent="main",
        session="s",
        run="r",
        call_id="c",
        sandbox=sandbox or MemorySandbox(),
        egress=egress or NoEgress(),
        clock=SystemClock(),
        progress=lambda text: None,
        config=config,
        search=search,
        credentials=credentials,
    )
    return await tool.run(context, check_arguments(tool.parameters, msgspec.json.encode(arguments).decode()))
