"""Tells of every call of a model: how long it took, its first word too, and what became of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from carapax.agent.wrapper import Wrapper
from carapax.clock import Clock
from carapax.contracts import Provider, Spender
from carapax.errors import ModelError
from carapax.events import Delta, StreamReset
from carapax.messages import AssistantMessage, ModelRequest
from carapax.telemetry.calls import Called, Calls


class Observed(Wrapper):
    """A provider of which `told` hears, once for each call, when it is over. A call that was never asked, as a budget
    does not cover it, counts too."""

    def __init__(self, provider: Provider, spender: Spender, clock: Clock, told: Calls) -> None:
        super().__init__(provider)
        self._spender = spender
        self._clock = clock
        self._told = told

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        time = asyncio.get_running_loop().time
        began_at, began = self._clock.now(), time()
        first_s: float | None = None
        error, answer = "cancelled", None
        try:
            async with aclosing(self._provider.stream(request)) as stream:
                async for item in stream:
                    if isinstance(item, AssistantMessage):
                        answer, error = item, ""
                    elif first_s is None and not isinstance(item, StreamReset):
                        first_s = time() - began
                    yield item
        except ModelError as failure:
            error = type(failure).__name__
            raise
        finally:
            took_s = time() - began
            self._told(Called(self._spender, self.name, request.model, began_at, took_s, first_s, error, answer))
