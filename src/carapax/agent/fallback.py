"""Several models in a row: when one cannot answer, the next one gets the whole request."""

import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from carapax.agent.health import Health
from carapax.contracts import Provider
from carapax.errors import (
    CarapaxError,
    ConfigError,
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelRejected,
    ModelUnauthorized,
    ModelUnavailable,
    OverBudget,
)
from carapax.events import Delta, StreamReset
from carapax.messages import AssistantMessage, ModelInfo, ModelRequest

log = logging.getLogger(__name__)

_HOPEFUL = (ContextOverflow, ModelBusy, ModelUnavailable, OverBudget, ModelUnauthorized, ModelRejected)
"""Kinds of failure, the one that most likely passes first: a conversation that is too long is shortened at once."""

_UNKNOWN_MODEL = re.compile(
    r"model.{0,80}(not found|does not exist|not exist|is not a valid|not (currently )?supported)"
    r"|(unknown|invalid|no such|not a valid|unsupported) model|model identifier is invalid",
    re.I | re.S,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model of a chain. `open` gives its provider and the model's name there, and raises ConfigError or a
    ModelError. `context_tokens` is 0 where it is not known."""

    provider: str
    model: str
    open: Callable[[], Awaitable[tuple[Provider, str]]]
    context_tokens: int = 0

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}" if self.model else self.provider


class Fallback:
    """A provider that asks its candidates in order, those that cool down last.

    A candidate that fails, before its first word or after it, hands the whole request to the next; a StreamReset makes
    void what it had said. What would fail everywhere is not passed on: a request that is wrong, and a budget that is
    spent. A conversation that is too long for a model is passed on only to one that is known to take more, or of
    which alone it is known how much that is; without one it is better shortened. When nobody answers, one error
    tells what each one said, of the kind that most likely passes.
    """

    def __init__(self, name: str, candidates: Sequence[Candidate], health: Health) -> None:
        self.name = name
        self._candidates = candidates
        self._health = health

    async def models(self) -> list[ModelInfo]:
        """The candidates."""
        return [
            ModelInfo(one.name, one.context_tokens) if one.context_tokens else ModelInfo(one.name)
            for one in self._candidates
        ]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        failures: list[tuple[Candidate, CarapaxError]] = []
        left = self._in_order()
        while left:
            candidate, *left = left
            shown = False
            try:
                provider, model = await candidate.open()
                mine = msgspec.structs.replace(request, model=model)
                async with aclosing(provider.stream(mine)) as stream:
                    async for item in stream:
                        shown = not isinstance(item, StreamReset)
                        yield item
                return
            except (ModelError, ConfigError) as error:
                failures.append((candidate, error))
                left = _who_may_do_better(candidate, error, left)
                why = error.message
            if left:
                log.warning("chain %s: %s; %s goes on", self.name, why, left[0].name)
                if shown:
                    yield StreamReset(f"{why}; {left[0].name} goes on")
        raise self._nobody(failures)

    def _in_order(self) -> list[Candidate]:
        """Those that may be asked, then those that cool down, whose turn comes first at the front."""
        return sorted(self._candidates, key=lambda one: self._health.cools_until(one.provider, one.model))

    def _nobody(self, failures: list[tuple[Candidate, CarapaxError]]) -> CarapaxError:
        if len(failures) == 1:
            return failures[0][1]
        said = [error for _, error in failures if isinstance(error, ModelError)]
        best = min(said, key=_hope, default=ModelRejected(""))
        waits = [error.retry_after_s for error in said if error.retry_after_s]
        return type(best)(
            f"no model of the chain {self.name} answered: "
            + "; ".join(f"{candidate.name}: {error.message}" for candidate, error in failures),
            best.hint,
            vendor=best.vendor,
            model=best.model,
            status=best.status,
            retry_after_s=min(waits, default=None),
        )


def _hope(error: ModelError) -> int:
    return next((place for place, kind in enumerate(_HOPEFUL) if isinstance(error, kind)), len(_HOPEFUL))


def _who_may_do_better(failed: Candidate, error: CarapaxError, left: list[Candidate]) -> list[Candidate]:
    """Those of the candidates that are left to whom the request is worth passing on."""
    if isinstance(error, ContextOverflow):
        return [one for one in left if one.context_tokens > failed.context_tokens]
    if isinstance(error, OverBudget) or (isinstance(error, ModelRejected) and not _is_the_models(error)):
        return []
    return left


def _is_the_models(error: ModelRejected) -> bool:
    """Whether it is the model or its address that is wrong, and not the request."""
    return (
        error.status in (0, 404, 405, 410)
        or 300 <= error.status < 400
        or _UNKNOWN_MODEL.search(error.message) is not None
    )
