"""How much waits in the database."""

from typing import NamedTuple

from carapax.store.database import Database


class Stock(NamedTuple):
    """`messages` that no run has taken; replies in the `outbox`, by channel and whether they wait to be sent
    ("waiting"), wait for another try ("postponed"), or are not tried any more ("failed")."""

    messages: int
    outbox: dict[tuple[str, ...], float]


async def stock(database: Database) -> Stock:
    """What there is now. Raises a StoreError."""
    ((messages,),) = await database.fetch("SELECT count(*) FROM waiting")
    rows = await database.fetch(
        "SELECT channel, CASE WHEN buried = 1 THEN 'failed' WHEN attempts > 0 THEN 'postponed' ELSE 'waiting' END, "
        "count(*) FROM outbox GROUP BY 1, 2"
    )
    return Stock(int(str(messages)), {(str(channel), str(state)): float(str(count)) for channel, state, count in rows})
