"""A call that nobody makes, to see what would be decided about it."""

from collections.abc import Mapping
from typing import Any

from carapax.contracts import Asking, Tool
from carapax.messages import Origin

PAGE = Origin("web", "https://example.org")
"""What a session of a trial has read that has read a web page."""


def trial(agent: str, tool: Tool, arguments: Mapping[str, Any], *, networked: bool, tainted: bool) -> Asking:
    """The call, as a session would put it that has read nothing else, or with `tainted` a web page, and can reach what
    is private. `networked` says whether what the agent executes can reach the network."""
    effects = tool.effects_of(arguments)
    if networked and "execute" in effects:
        effects |= {"network"}
    return Asking(agent, "", "", tool.name, arguments, effects, tool.authority, (PAGE,) if tainted else ())
