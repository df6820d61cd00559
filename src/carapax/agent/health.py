"""Which models failed lately and for how long they are left in peace."""

import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from carapax.agent.wrapper import Wrapper
from carapax.clock import Clock
from carapax.contracts import Provider
from carapax.errors import ModelBusy, ModelError, ModelUnauthorized, ModelUnavailable, StoreError
from carapax.events import Delta, StreamReset
from carapax.messages import AssistantMessage, ModelRequest
from carapax.store import health as table
from carapax.store.database import Database, Statement
from carapax.store.health import Fault, State

log = logging.getLogger(__name__)

_KINDS: dict[type[ModelError], Fault] = {
    ModelUnavailable: "unavailable",
    ModelBusy: "busy",
    ModelUnauthorized: "unauthorized",
}
_UNAVAILABLE_S = (60.0, 300.0, 1500.0)
_BUSY_S, _LONGEST_BUSY_S = 10.0, 120.0
LONGEST_S = 3600.0


async def open_health(database: Database, clock: Clock) -> "Health":
    """What was known when the gateway was stopped. Raises a StoreError."""
    return Health(database, clock, await table.load(database, clock.now()))


class Health:
    """The health of models, in memory and in the database. A model that never failed, or answered since, has no state.

    A model cools down after a fault: 60, 300, then 1500 s when it was unavailable; as long as the vendor says, or 10,
    20 ... 120 s, when it was busy; an hour when the key was refused. A request that it rightly refuses is no fault.
    """

    def __init__(self, database: Database, clock: Clock, states: Iterable[State] = ()) -> None:
        self._database = database
        self._clock = clock
        self._states = {(state.provider, state.model): state for state in states}

    def of(self, provider: str, model: str) -> State | None:
        return self._states.get((provider, model))

    def all(self) -> list[State]:
        """Every model that failed and did not answer since, by name."""
        return [self._states[key] for key in sorted(self._states)]

    def cools_until(self, provider: str, model: str) -> float:
        """When the model's cool-down ends, in seconds since 1970; 0 for one that may be asked."""
        state, now = self.of(provider, model), self._clock.now()
        # A clock that was set back must not make a cool-down last for ever.
        return state.until if state is not None and now < state.until <= now + LONGEST_S else 0.0

    async def failed(self, provider: str, model: str, error: ModelError, began_at: float) -> None:
        """A request that began at `began_at` failed. Those that were under way together count as one failure."""
        kind = _KINDS.get(type(error))
        if kind is None:
            return
        known, now = self.of(provider, model), self._clock.now()
        failures = known.failures if known is not None and known.kind == kind else 0
        if not (failures and known is not None and began_at < known.at):
            failures += 1
        until = now + _cool_down_s(kind, failures, error.retry_after_s)
        state = State(provider, model, failures, until, kind, str(error), now)
        self._states[provider, model] = state
        await self._write(table.put(state))

    async def succeeded(self, provider: str, model: str) -> bool:
        """The model answers, or a person says that it will. Returns whether anything had been wrong."""
        if self._states.pop((provider, model), None) is None:
            return False
        await self._write(table.remove(provider, model))
        return True

    async def _write(self, statement: Statement) -> None:
        try:
            await self._database.transact([statement])
        except StoreError as error:
            log.warning("the health of a model is not kept: %s", error)


def _cool_down_s(kind: Fault, failures: int, retry_after_s: float | None) -> float:
    if kind == "unauthorized":
        return LONGEST_S
    if kind == "unavailable":
        return _UNAVAILABLE_S[min(failures, len(_UNAVAILABLE_S)) - 1]
    if retry_after_s:
        return min(retry_after_s, LONGEST_S)
    return min(_BUSY_S * 2.0 ** min(failures - 1, 8), _LONGEST_BUSY_S)


class Watched(Wrapper):
    """A provider whose failures and answers are noted."""

    def __init__(self, provider: Provider, health: Health, clock: Clock) -> None:
        super().__init__(provider)
        self._health = health
        self._clock = clock

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        began_at = self._clock.now()
        try:
            async with aclosing(self._provider.stream(request)) as stream:
                async for item in stream:
                    if isinstance(item, AssistantMessage):
                        await self._health.succeeded(self.name, request.model)
                    yield item
        except ModelError as error:
            await self._health.failed(self.name, request.model, error, began_at)
            raise
