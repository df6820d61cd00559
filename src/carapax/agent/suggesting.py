"""Says what was probably meant when a vendor does not know a model."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from carapax.agent.wrapper import Wrapper
from carapax.errors import CarapaxError, ModelRejected
from carapax.events import Delta, StreamReset
from carapax.messages import AssistantMessage, ModelRequest
from carapax.models.closest import did_you_mean

_LIST_S = 3.0
_UNKNOWN_MODEL = re.compile(
    r"model.{0,80}(not found|does not exist|not exist|is not a valid|not (currently )?supported)"
    r"|(unknown|invalid|no such|not a valid|unsupported) model|model identifier is invalid",
    re.I | re.S,
)


class Suggesting(Wrapper):
    """A provider whose "no such model" comes with the names it lists that are most like it."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        try:
            async with aclosing(self._provider.stream(request)) as stream:
                async for item in stream:
                    yield item
        except ModelRejected as error:
            if error.status == 404 or _UNKNOWN_MODEL.search(error.message):
                error.hint = await self._hint(request.model) or error.hint
            raise

    async def _hint(self, model: str) -> str:
        """What was probably meant; empty when the model is there, or nothing is like it."""
        try:
            async with asyncio.timeout(_LIST_S):
                names = [info.name for info in await self._provider.models()]
        except (CarapaxError, TimeoutError):
            return ""
        return "" if model in names else did_you_mean(model, names)
