"""A database that keeps nothing, for parts that only write to it."""

from collections.abc import Sequence

from carapax.agent.health import Health
from carapax.clock import Clock
from carapax.store.database import Committed, Row, Statement, Value
from carapax.testing import FakeClock


class Forgetful:
    """Takes every transaction and has no rows."""

    async def transact(self, statements: Sequence[Statement], committed: Committed | None = None) -> list[list[Row]]:
        return [[] for _ in statements]

    async def fetch(self, sql: str, *params: Value) -> list[Row]:
        return []

    async def close(self) -> None:
        pass


def healthy(clock: Clock | None = None) -> Health:
    """The health of models none of which ever failed."""
    return Health(Forgetful(), clock or FakeClock())
