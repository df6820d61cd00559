"""Asking a model again when its vendor is busy, cannot be reached, or answers nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from carapax.agent.wrapper import Wrapper
from carapax.clock import Clock
from carapax.contracts import Provider
from carapax.errors import ModelBusy, ModelUnavailable
from carapax.events import Delta, StreamReset
from carapax.messages import AssistantMessage, ModelRequest


class Retrying(Wrapper):
    """A provider that asks again after ModelBusy and ModelUnavailable, at most `tries` times in all. An answer without
    any content is a ModelUnavailable too.

    It waits `first_wait_s`, then twice as long each time, with up to half more by chance; longer if the vendor says so.
    It gives up, with the vendor's last error, when the next try would begin more than `budget_s` after the first
    failure, and after a failure that took more than `patience_s` to show, such as a long silence. If something was
    streamed already, a StreamReset makes it void.
    """

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        *,
        tries: int = 3,
        budget_s: float = 4.0,
        first_wait_s: float = 0.5,
        patience_s: float = 300.0,
    ) -> None:
        super().__init__(provider)
        self._clock = clock
        self._tries = tries
        self._budget_s = budget_s
        self._first_wait_s = first_wait_s
        self._patience_s = patience_s

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        give_up_at: float | None = None
        attempt = 0
        while True:
            attempt += 1
            began, shown = asyncio.get_running_loop().time(), False
            try:
                async with aclosing(self._provider.stream(request)) as stream:
                    async for item in stream:
                        if isinstance(item, AssistantMessage):
                            self._check(item, request)
                        shown = True
                        yield item
                return
            except (ModelBusy, ModelUnavailable) as error:
                now = asyncio.get_running_loop().time()
                give_up_at = give_up_at or now + self._budget_s
                wait_s = self._wait_s(attempt, error.retry_after_s)
                if attempt >= self._tries or now + wait_s > give_up_at or now - began > self._patience_s:
                    raise
                if shown:
                    yield StreamReset(f"{error.message}; trying again")
            await asyncio.sleep(wait_s)

    def _check(self, answer: AssistantMessage, request: ModelRequest) -> None:
        if not answer.parts and answer.stop_reason in ("end", "tool_calls"):
            raise ModelUnavailable(
                f"{self.name}, model {request.model}: answered nothing",
                "try again, or choose another model",
                vendor=self.name,
                model=request.model,
            )

    def _wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        backoff_s: float = self._first_wait_s * 2 ** (attempt - 1) * (1 + self._clock.random() / 2)
        return max(backoff_s, retry_after_s or 0.0)
