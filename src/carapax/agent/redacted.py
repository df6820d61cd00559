"""Tools whose results hold no secrets."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from carapax.contracts import Tool, Toolbox, ToolContext
from carapax.errors import CarapaxError
from carapax.messages import ToolSpec
from carapax.redactor import Redactor


class Redacted:
    """Takes secrets out of what tools answer, show on the way, and fail with. `redactor` gives what knows them."""

    def __init__(self, toolbox: Toolbox, redactor: Callable[[], Awaitable[Redactor]]) -> None:
        self._toolbox = toolbox
        self._redactor = redactor

    def specs(self) -> tuple[ToolSpec, ...]:
        return self._toolbox.specs()

    def find(self, name: str) -> Tool | None:
        return self._toolbox.find(name)

    async def call(self, tool: Tool, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        shown = (await self._redactor()).stream(context.progress)
        try:
            text = await self._toolbox.call(tool, replace(context, progress=shown.feed), arguments)
        except CarapaxError as error:
            redact = await self._redactor()
            error.message, error.hint = redact(error.message), redact(error.hint)
            raise
        finally:
            shown.end()
        return (await self._redactor())(text)
