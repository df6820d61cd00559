"""Messages on their way out: kept from the moment they are decided until their channel took them."""

import msgspec
from msgspec import Struct

from carapax.messages import Outbound
from carapax.store.database import Database, Statement

_EARLIER = (
    "SELECT 1 FROM outbox e WHERE e.channel = o.channel AND e.conversation = o.conversation "
    "AND e.position < o.position AND e.buried = 0"
)


class Queued(Struct, frozen=True):
    """A message to send. `attempts` counts the times it failed so far."""

    message: Outbound
    session: str
    attempts: int


def enqueue(message: Outbound, session: str, now: float) -> Statement:
    """Keep a message to be sent at once; Unexpected when its `key` is kept already."""
    sql = (
        "INSERT INTO outbox (key, session, channel, conversation, body, next_at, attempts, error, buried) "
        "VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0)"
    )
    body = msgspec.json.encode(message).decode()
    return Statement(sql, (message.key, session, message.channel, message.conversation, body, now), expect=1)


def sent(key: str) -> Statement:
    """Forget a message that its channel took; commit it with `MessageSent`. Unexpected when it was forgotten before."""
    return Statement("DELETE FROM outbox WHERE key = $1", (key,), expect=1)


def buried(key: str, error: str) -> Statement:
    """Never try a message again; its row stays, with the error, for a person to see. Commit it with `SendFailed`."""
    sql = "UPDATE outbox SET buried = 1, attempts = attempts + 1, error = $2 WHERE key = $1"
    return Statement(sql, (key, error), expect=1)


class Outbox:
    """The messages that wait. Those of one conversation go out in the order they were kept: one that was postponed
    holds back those after it, one that was buried does not."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, channel: str, now: float, limit: int) -> list[Queued]:
        """What may be sent now, oldest first."""
        rows = await self._database.fetch(
            "SELECT o.body, o.session, o.attempts FROM outbox o WHERE o.channel = $1 AND o.next_at <= $2 "
            f"AND o.buried = 0 AND NOT EXISTS ({_EARLIER} AND e.next_at > $2) ORDER BY o.position LIMIT $3",
            channel,
            now,
            limit,
        )
        return [
            Queued(msgspec.json.decode(str(body), type=Outbound), str(session), int(str(attempts)))
            for body, session, attempts in rows
        ]

    async def next_due_at(self, channel: str) -> float | None:
        """When the next message may be sent, in seconds since 1970; None when none waits."""
        ((at,),) = await self._database.fetch(
            f"SELECT min(o.next_at) FROM outbox o WHERE o.channel = $1 AND o.buried = 0 AND NOT EXISTS ({_EARLIER})",
            channel,
        )
        return at if isinstance(at, float) else None

    async def postpone(self, key: str, until: float, error: str) -> None:
        """Try again at `until`."""
        sql = "UPDATE outbox SET next_at = $2, attempts = attempts + 1, error = $3 WHERE key = $1"
        await self._database.transact([Statement(sql, (key, until, error))])
