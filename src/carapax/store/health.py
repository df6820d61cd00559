"""How models fared that failed lately, so that a restart does not forget whom to leave in peace."""

from typing import Literal

import msgspec
from msgspec import Struct

from carapax.store.database import Database, Statement

Fault = Literal["unavailable", "busy", "unauthorized"]
_FORGOTTEN_AFTER_S = 86_400


class State(Struct, frozen=True):
    """A model that failed.

    provider: the provider's name in the configuration
    model: the model's name there
    failures: how often in a row it failed in this way
    until: until when it cools down, in seconds since 1970
    kind: "unavailable" (network, server fault, garbage), "busy" (too many requests) or "unauthorized" (key, credit)
    reason: the last error
    at: when that was, in seconds since 1970
    """

    provider: str
    model: str
    failures: int
    until: float
    kind: Fault
    reason: str
    at: float


_COLUMNS = ", ".join(State.__struct_fields__)


async def load(database: Database, now: float) -> list[State]:
    """What is known, without what is a day old, oldest first."""
    await database.transact([Statement("DELETE FROM health WHERE until < $1", (now - _FORGOTTEN_AFTER_S,))])
    rows = await database.fetch(f"SELECT {_COLUMNS} FROM health ORDER BY at, provider, model")
    return [msgspec.convert(dict(zip(State.__struct_fields__, row, strict=True)), State) for row in rows]


def put(state: State) -> Statement:
    """Keep it in place of what was known of the model."""
    sql = (
        f"INSERT INTO health ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (provider, model) DO UPDATE "
        "SET failures = excluded.failures, until = excluded.until, kind = excluded.kind, reason = excluded.reason, "
        "at = excluded.at"
    )
    return Statement(sql, msgspec.structs.astuple(state))


def remove(provider: str, model: str) -> Statement:
    """Nothing is wrong with the model any more."""
    return Statement("DELETE FROM health WHERE provider = $1 AND model = $2", (provider, model))
