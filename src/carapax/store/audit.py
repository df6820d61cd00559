"""Who did what to the gateway: an append-only table, each entry chained to the one before by SHA-256.

The hash of an entry, in hex, is that of the hash before it (nothing for the first), a line end, and the entry as JSON
in plain ASCII, so that nothing in it commands a terminal.
The hash and number of the last entry stand in a row of their own as well, so that missing last entries are noticed.
Whoever can write the file can make a chain anew: keep a hash elsewhere to notice that.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from msgspec import Struct

from carapax.clock import Clock
from carapax.errors import StoreError
from carapax.store.database import Database, Row, Statement

log = logging.getLogger(__name__)
Detail = Mapping[str, str | int]
_PAGE = 1000
_BEFORE_ALL, _AFTER_ALL = -(2**63), 2**63 - 1


class Actor(Struct, frozen=True):
    """Who did it: the id and name of a token, an agent, or "local" for this machine; `address` where it came from."""

    id: str
    name: str = ""
    address: str = ""


LOCAL = Actor("local")


class Entry(Struct, frozen=True, omit_defaults=True):
    """Something that was done, or refused.

    at: when, in seconds since 1970
    kind: what, for example token.create, tool.called, auth.refused
    who: the id of a token, `agent NAME`, `local` for this machine; empty when nobody knows
    name: the name of the token
    address: where it came from
    channel: where the session began
    session: the session it is about
    detail: what belongs to it; never a secret
    """

    at: float
    kind: str
    who: str = ""
    name: str = ""
    address: str = ""
    channel: str = ""
    session: str = ""
    detail: dict[str, str | int] = {}


class Recorded(Struct, frozen=True):
    """An entry in its place.

    number: its place, from 1
    hash: SHA-256 in hex, over the hash before, a line end, and the entry as it is written here
    entry: what happened
    """

    number: int
    hash: str
    entry: Entry


class Verdict(Struct, frozen=True):
    """What a look at the chain has found.

    entries: how many were looked at
    head: the hash of the last one; keep it elsewhere to compare
    broken: the number of the first entry that is not as it was written, or is missing; 0 when all are
    problem: what is wrong with it
    """

    entries: int
    head: str
    broken: int = 0
    problem: str = ""


class Audit:
    """Writes entries. Those that belong to a change of the database are committed with it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self._clock = clock

    def of(
        self,
        kind: str,
        who: Actor,
        *,
        channel: str = "",
        session: str = "",
        detail: Detail | None = None,
    ) -> list[Statement]:
        """What records an entry, to be committed with what it tells of."""
        at = round(self._clock.now(), 3)
        entry = Entry(at, kind, who.id, who.name, who.address, channel, session, dict(detail or {}))
        body = written(entry)
        return [
            Statement("UPDATE audit_head SET number = number + 1, hash = chained(hash, $1) WHERE id = 1", (body,)),
            Statement(
                "INSERT INTO audit (number, kind, body, hash) SELECT number, $1, $2, hash FROM audit_head WHERE id = 1",
                (kind, body),
            ),
        ]

    async def note(
        self, kind: str, who: Actor, *, channel: str = "", session: str = "", detail: Detail | None = None
    ) -> None:
        """Record what no change of the database goes with. A store that fails is logged: it must not keep anybody from
        what was done already."""
        try:
            await self.database.transact(self.of(kind, who, channel=channel, session=session, detail=detail))
        except StoreError as error:
            log.error("%s by %s is missing from the audit log: %s", kind, who.id or who.address, error)


def written(value: Struct) -> str:
    """As JSON in ASCII: control characters and all that could turn a line are escapes in it."""
    plain = json.dumps(msgspec.to_builtins(value, order="deterministic"), separators=(",", ":"))
    return plain.replace("\x7f", "\\u007f")


def chained(before: str, body: str) -> str:
    """The hash of an entry; the database knows this function by the same name."""
    return hashlib.sha256(f"{before}\n{body}".encode()).hexdigest()


async def newest(database: Database, *, before: int | None = None, kind: str = "", limit: int = 100) -> list[Recorded]:
    """The last entries, newest first; of one kind, or of those that begin with `kind` and a dot."""
    rows = await database.fetch(
        "SELECT number, kind, body, hash FROM audit WHERE number < $1 "
        "AND ($2 = '' OR kind = $2 OR substr(kind, 1, length($2) + 1) = $2 || '.') ORDER BY number DESC LIMIT $3",
        _AFTER_ALL if before is None else before,
        kind,
        limit,
    )
    return [_recorded(row) for row in rows]


async def following(database: Database, after: int, limit: int = _PAGE) -> list[Recorded]:
    """The entries after one, oldest first."""
    return [_recorded(row) for row in await _rows(database, after, limit)]


async def verify(database: Database, last: int = 0, kept: str = "") -> Verdict:
    """Follow the chain from its first entry, or only through its last ones. A `kept` hash, noted elsewhere, must be
    that of one of them: then nothing up to there was made anew."""
    head = await _head(database)
    count, head_hash = head or (0, "")
    after, number, before = _BEFORE_ALL, 0, ""
    if last and count > last:
        after = number = count - last
        start = await database.fetch("SELECT hash FROM audit WHERE number = $1", number)
        before = str(start[0][0]) if start else ""
    first, at_head, is_kept = number, "" if count else before, not kept
    while rows := await _rows(database, after, _PAGE):
        for row in rows:
            if problem := _problem(row, number + 1, before):
                return Verdict(number - first, before, number + 1, problem)
            number, before = number + 1, str(row[3])
            at_head = before if number == count else at_head
            is_kept = is_kept or before == kept
        after = number
    if number < count:
        return Verdict(number - first, before, number + 1, f"entries {number + 1} to {count} are missing")
    if number > count and ((await _head(database)) or (0, ""))[0] < number:
        return Verdict(
            count - first, at_head, count + 1, f"entry {count + 1} comes after the one that was written last"
        )
    if not head or at_head != head_hash:
        return Verdict(number - first, before, max(1, count), "the last entry is not the one that was written last")
    if not is_kept:
        return Verdict(
            number - first, before, max(1, number), "no entry has the hash that was kept: the log was made anew"
        )
    return Verdict(number - first, before)


async def _head(database: Database) -> tuple[int, str] | None:
    rows = await database.fetch("SELECT number, hash FROM audit_head WHERE id = 1")
    return (cast(int, rows[0][0]), str(rows[0][1])) if rows else None


def _problem(row: Row, number: int, before: str) -> str:
    found, kind, body, hash_ = row
    if found != number:
        return f"entry {number} is missing: entry {found!r} comes in its place"
    if not isinstance(body, str) or chained(before, body) != hash_:
        return f"entry {number} is not as it was written, or does not follow the one before"
    if msgspec.json.decode(body, type=Entry).kind != kind:
        return f"entry {number} is listed as another kind than it is"
    return ""


async def _rows(database: Database, after: int, limit: int) -> Sequence[Row]:
    return await database.fetch(
        "SELECT number, kind, body, hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2", after, limit
    )


def _recorded(row: Row) -> Recorded:
    """What was tampered with is shown as far as it can be read."""
    number, kind, body, hash_ = row
    try:
        entry = msgspec.json.decode(str(body), type=Entry)
    except msgspec.MsgspecError:
        entry = Entry(0.0, str(kind), detail={"unreadable": str(body)})
    return Recorded(number if isinstance(number, int) else 0, str(hash_), entry)
