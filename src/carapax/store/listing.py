"""Lists of sessions: filtered, ordered, and searched in titles and in what was said.

The search reads what was said, without an index that every message would have to pay for: a word that nobody said is
looked for through 10,000 sessions with 570,000 events (340 MB) in 0.4 s.
"""

import json
import string
from collections.abc import AsyncIterator
from typing import Literal

from msgspec import Struct

from carapax.events import MessageReceived, ModelResponded
from carapax.store.database import Database, Value
from carapax.store.records import SESSION_COLUMNS, SessionInfo, Stored, info, stored

State = Literal["", "idle", "running", "ended"]
Order = Literal["updated", "created", "title"]
_ORDERS: dict[Order, str] = {
    "updated": "s.updated_at DESC, s.number DESC",
    "created": "s.number DESC",
    "title": "lower(s.title), s.number DESC",
}
_SAID = (
    "lower(e.body) LIKE $6 ESCAPE '!' AND "
    """(e.body LIKE '%"kind":"message_received"%' OR e.body LIKE '%"kind":"model_responded"%')"""
)
_LIST = f"""
    SELECT {SESSION_COLUMNS} FROM sessions s
    WHERE s.updated_at < $1 AND ($2 = '' OR s.agent = $2) AND ($3 = '' OR s.channel = $3)
    AND ($9 = '' OR s.forked_from = $9)
    AND ($4 = '' OR $4 = CASE WHEN s.ended = 1 THEN 'ended' WHEN s.run <> '' THEN 'running' ELSE 'idle' END)
    AND ($5 = '' OR lower(s.title) LIKE $5 ESCAPE '!'
         OR EXISTS (SELECT 1 FROM events e WHERE e.session = s.number AND {_SAID}))
"""
_WHERE_SAID = f"""
    SELECT e.body FROM events e WHERE e.session = (SELECT s.number FROM sessions s WHERE s.id = $1)
    AND {_SAID.replace("$6", "$2")} ORDER BY e.seq
"""
_AROUND = 60
_TO_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Wanted(Struct, frozen=True):
    """Which sessions, and in what order. `query` stands in the title or in what was said; A to Z match a to z.

    `before` leaves out those that were updated then or later; empty `agent`, `channel`, `state` and `forked_from`, the
    session that they were copied from, mean all.
    """

    query: str = ""
    agent: str = ""
    channel: str = ""
    state: State = ""
    order: Order = "updated"
    before: float | None = None
    forked_from: str = ""


async def find(database: Database, wanted: Wanted, limit: int) -> tuple[list[SessionInfo], dict[str, str]]:
    """The first sessions that are wanted, and of those whose title does not hold the query the words around it."""
    found: list[SessionInfo] = []
    words: dict[str, str] = {}
    query = _lower(wanted.query)
    async for each in _candidates(database, wanted, query, limit):
        if query and query not in _lower(each.title):
            said = await _said(database, each.id, query)
            if not said:
                continue
            words[each.id] = said
        found.append(each)
        if len(found) == limit:
            break
    return found, words


async def _candidates(database: Database, wanted: Wanted, query: str, limit: int) -> AsyncIterator[SessionInfo]:
    """Sessions that may be wanted: the query may also stand in a name within an event, where nobody said it."""
    sql = f"{_LIST} ORDER BY {_ORDERS[wanted.order]} LIMIT $7 OFFSET $8"
    before = wanted.before if wanted.before is not None else 1e300
    start = 0
    while True:
        patterns = _pattern(query), _pattern(_escaped(query))
        params: tuple[Value, ...] = (
            before,
            wanted.agent,
            wanted.channel,
            wanted.state,
            *patterns,
            limit,
            start,
            wanted.forked_from,
        )
        rows = await database.fetch(sql, *params)
        for row in rows:
            yield info(row)
        start += len(rows)
        if len(rows) < limit:
            return


async def _said(database: Database, session: str, query: str) -> str:
    """The words around the query where it was said first, or nothing."""
    rows = await database.fetch(_WHERE_SAID, session, _pattern(_escaped(query)))
    for (body,) in rows:
        for text in _texts(stored(str(body))[0]):
            at = _lower(text).find(query)
            if at >= 0:
                return " ".join(text[max(0, at - _AROUND) : at + len(query) + _AROUND].split())
    return ""


def _texts(one: Stored) -> list[str]:
    match one.event:
        case MessageReceived(text=text):
            return [text]
        case ModelResponded(message=message):
            return [message.text]
        case _:
            return []


def _lower(text: str) -> str:
    return text.translate(_TO_LOWER)


def _escaped(query: str) -> str:
    """As it stands within an event."""
    return json.dumps(query, ensure_ascii=False)[1:-1]


def _pattern(query: str) -> str:
    """What holds the query, in the database's way to say so; empty for none."""
    escaped = query.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%" if query else ""
