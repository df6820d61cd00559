"""The tools of one agent, and the policies that wrap them."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from carapax.contracts import Supervise, Tool, Toolbox, ToolContext
from carapax.errors import ConfigError, Forbidden, NotFound
from carapax.injection import flag
from carapax.invisible import cleaned, strip
from carapax.messages import ToolSpec

_NAME = re.compile("[A-Za-z0-9_-]{1,64}")


class Tools:
    """Tools by name, without any policy. What models are told of them has nothing that nobody sees. Raises ConfigError
    for a name that is not plain: models and people must not take it for another one."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        tools = tuple(tools)
        for tool in tools:
            if not _NAME.fullmatch(tool.name):
                raise ConfigError(f"{tool.name!r} is no name for a tool", "letters, digits, _ and -, at most 64")
        self._tools = {tool.name: tool for tool in tools}
        self._specs = tuple(
            ToolSpec(tool.name, strip(tool.description), cleaned(tool.parameters)) for tool in self._tools.values()
        )

    def specs(self) -> tuple[ToolSpec, ...]:
        return self._specs

    def find(self, name: str) -> Tool | None:
        return self._tools.get(name)

    async def call(self, tool: Tool, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        return await tool.run(context, arguments)


class Permitted:
    """Only the tools whose names fit one of the patterns (`*` is any part of a name)."""

    def __init__(self, toolbox: Toolbox, patterns: Iterable[str]) -> None:
        self._toolbox = toolbox
        self._patterns = tuple(patterns)

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(spec for spec in self._toolbox.specs() if self._permits(spec.name))

    def find(self, name: str) -> Tool | None:
        return self._toolbox.find(name) if self._permits(name) else None

    async def call(self, tool: Tool, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        if not self._permits(tool.name):
            raise Forbidden(f"the agent may not use {tool.name!r}")
        return await self._toolbox.call(tool, context, arguments)

    def _permits(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._patterns)


class Joined:
    """The tools of several toolboxes; of two with one name the first counts."""

    def __init__(self, *toolboxes: Toolbox) -> None:
        self._toolboxes = toolboxes

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple({spec.name: spec for each in reversed(self._toolboxes) for spec in each.specs()}.values())

    def find(self, name: str) -> Tool | None:
        return next((tool for each in self._toolboxes if (tool := each.find(name))), None)

    async def call(self, tool: Tool, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        for each in self._toolboxes:
            if each.find(tool.name) is tool:
                return await each.call(tool, context, arguments)
        raise NotFound(f"{tool.name!r} is not there any more")


class Workable:
    """Without the tools that cannot do anything now, whose names `idle` gives."""

    def __init__(self, toolbox: Toolbox, idle: Callable[[], Collection[str]]) -> None:
        self._toolbox = toolbox
        self._idle = idle

    def specs(self) -> tuple[ToolSpec, ...]:
        idle = self._idle()
        return tuple(spec for spec in self._toolbox.specs() if spec.name not in idle)

    def find(self, name: str) -> Tool | None:
        return None if name in self._idle() else self._toolbox.find(name)

    async def call(self, tool: Tool, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        return await self._toolbox.call(tool, context, arguments)


class Flagged:
    """What tools bring from outside is marked where it looks like orders to an agent; `find` names the patterns."""

    def __init__(self, toolbox: Toolbox, find: Callable[[str], tuple[str, ...]]) -> None:
        self._toolbox = toolbox
        self._find = find

    def specs(self) -> tuple[ToolSpec, ...]:
        return self._toolbox.specs()

    def find(self, name: str) -> Tool | None:
        return self._toolbox.find(name)

    async def call(self, tool: Tool, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        text = await self._toolbox.call(tool, context, arguments)
        marks = self._find(text) if tool.source not in ("own", "workspace") else ()
        return f"{flag('result', marks)}\n{text}" if marks else text


class Supervised:
    """A tool that fails in a way nobody expected fails its call, not the run."""

    def __init__(self, toolbox: Toolbox, supervise: Supervise) -> None:
        self._toolbox = toolbox
        self._supervise = supervise

    def specs(self) -> tuple[ToolSpec, ...]:
        return self._toolbox.specs()

    def find(self, name: str) -> Tool | None:
        return self._toolbox.find(name)

    async def call(self, tool: Tool, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        return await self._supervise(f"tool {tool.name}", self._toolbox.call(tool, context, arguments))


def unknown(toolbox: Toolbox, name: str) -> str:
    """What to answer to a call of a tool that is not there."""
    name = strip(name)[:100]  # quoting it would write out what nobody sees
    names = [spec.name for spec in toolbox.specs()]
    close = difflib.get_close_matches(name, names, n=1)
    return f"there is no tool {name!r}" + (
        f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(names) or 'none'}"
    )
