"""The one record: everything that happens in a session, in order, kept for ever."""

from collections.abc import AsyncIterator, Callable, Sequence
from itertools import takewhile
from typing import NamedTuple, cast

import msgspec

from carapax.clock import Clock
from carapax.errors import Conflict, InvalidRequest, NotFound
from carapax.events import Envelope, Kept, MessageReceived, RunStarted, SessionEnded, SessionStarted, Streamed
from carapax.messages import Inbound, Receipt
from carapax.store.database import Database, Row, Statement, Unexpected
from carapax.store.leases import LeaseLost
from carapax.store.listing import Wanted, find
from carapax.store.records import (
    SESSION_COLUMNS,
    SessionInfo,
    Stored,
    added,
    changes,
    copy,
    dedupe_key,
    info,
    kept,
    placed,
    receipt,
    started,
    stored,
)
from carapax.store.subscription import Subscription, Watchers
from carapax.store.transcripts import closing, parsed

_PAGE = 500
_PAGE_BYTES = 8 << 20
# Sizes are summed up apart from the bodies, as only those of the page need be read then.
_READ_PAGE = """
    SELECT string_agg(body, ',') FROM (
        SELECT body FROM events WHERE session = (SELECT number FROM sessions WHERE id = $1) AND seq > $2 AND seq <= (
            SELECT max(seq) FROM (
                SELECT seq, sum(size) OVER (ORDER BY seq) - size AS before FROM (
                    SELECT seq, octet_length(body) AS size FROM events
                    WHERE session = (SELECT number FROM sessions WHERE id = $1) AND seq > $2 AND seq <= $3
                ) sizes
            ) places WHERE before < $4
        ) ORDER BY seq
    ) page
"""
_END = 2**62


class Duplicate(Conflict):
    """The message was accepted before; `receipt` says where it is."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(f"the message was accepted before, as {receipt.message} of session {receipt.session}")
        self.receipt = receipt


class _Overtaken(Exception):
    """Another event has the seq that was foretold."""


class Beginning(NamedTuple):
    """A run about to begin: its id, its first event, and what claims the session's lease for it."""

    run: str
    start: RunStarted
    claim: Statement


class Journal:
    """The events of all sessions. `queue` is how many events may wait for one slow subscriber.

    Where the last event of a session was told of by this process, the next one's seq is foretold: it is then kept
    without asking the database for it, which takes a third less. The table's key refuses a seq that is taken, and the
    event is kept again after whatever is the last.
    """

    def __init__(self, database: Database, clock: Clock, *, queue: int = 1024) -> None:
        self._database = database
        self._clock = clock
        self._queue = queue
        self._watchers = Watchers()
        self._appending: set[str] = set()
        """Sessions that are most likely being appended to, so that their next seq is better not foretold."""

    async def append(
        self,
        session: str,
        *events: Kept,
        run: str = "",
        fence: str = "",
        also: Sequence[Statement] = (),
        begin: Beginning | None = None,
    ) -> tuple[Envelope, ...]:
        """Keep the events, all or none, and what is `also` to be done with them; then tell the subscribers.

        They are synced when this returns, and kept and told also when the caller is cancelled meanwhile. With
        `fence`, only while that run has the session's lease, and then also in a session that has ended. A run that is
        to `begin` with them is started last.

        Raises NotFound for a session without SessionStarted, Conflict for one that has ended or that is started
        twice, LeaseLost, Duplicate, Unexpected for a statement of `also` (its index in `also`), or a StoreError.
        """
        at = round(self._clock.now(), 6)
        stored = [Stored(at, event, run) for event in events]
        if begin is not None:
            stored.append(Stored(at, begin.start, begin.run))
            also = [*also, begin.claim]
        head = 0 if session in self._appending else self._watchers.head(session)
        if head:
            try:
                return await self._append(session, stored, fence, also, head)
            except _Overtaken:
                pass
        return await self._append(session, stored, fence, also, 0)

    async def _append(
        self, session: str, stored: list[Stored], fence: str, also: Sequence[Statement], head: int
    ) -> tuple[Envelope, ...]:
        """Append after `head`, which raises _Overtaken when that is not the last event any more, or, with 0, after
        whatever is the last."""
        statements: list[Statement] = []
        places = [_write(statements, session, one, fence, head and head + nth) for nth, one in enumerate(stored, 1)]
        own = len(statements)
        statements.extend(also)
        told: list[Envelope] = []

        def publish(rows: list[list[Row]]) -> None:
            for nth, (one, place) in enumerate(zip(stored, places, strict=True), 1):
                seq = head + nth if not rows[place] else cast(int, rows[place][0][0])
                told.append(Envelope(seq, session, one.at, one.event, one.run))
            self._watchers.publish(session, told)

        self._appending.add(session)
        try:
            await self._database.transact(statements, publish)
        except Unexpected as error:
            if error.index >= own:
                raise Unexpected(error.index - own, error.rows) from error
            if head:
                raise _Overtaken from error
            raise await self._refusal(session, [one.event for one in stored], fence) from error
        finally:
            self._appending.discard(session)
        return tuple(told)

    async def _refusal(self, session: str, events: Sequence[Kept], fence: str) -> Conflict | NotFound:
        """Why the guard of an event's statement did not let it in."""
        for event in events:
            if isinstance(event, MessageReceived) and event.dedupe_key is not None:
                accepted = await self.accepted(event)
                if accepted is not None:
                    return Duplicate(accepted)
        try:
            known = await self.session(session)
        except NotFound as error:
            return error
        if isinstance(events[0], SessionStarted):
            return Conflict(f"there is a session {session} already")
        if fence:
            return LeaseLost(f"run {fence} no longer has session {session}")
        if known.state == "ended":
            return Conflict(f"session {session} has ended", "start a new one, or fork it")
        return Conflict(f"an event did not fit into session {session}")

    async def accepted(self, message: Inbound | MessageReceived) -> Receipt | None:
        """Where a message of this key was taken, if one was."""
        rows = await self._database.fetch(
            "SELECT session, message, seq FROM receipts WHERE channel = $1 AND dedupe_key = $2",
            message.channel,
            dedupe_key(message),
        )
        if not rows:
            return None
        session, taken, seq = rows[0]
        return Receipt(str(session), str(taken), cast(int, seq), duplicate=True)

    def observe(self, observer: Callable[[Envelope], None]) -> None:
        """Call this for every event kept from now on, in order, before `append` returns; it must not block or raise."""
        self._watchers.observers.append(observer)

    def stream(self, session: str, run: str, event: Streamed) -> None:
        """Tell whoever watches now; the event is not kept."""
        if self._watchers.any(session):
            self._watchers.stream(session, self._clock.now(), run, event)

    def subscribe(self, session: str | None, after: int | None = None, *, queue: int | None = None) -> Subscription:
        """Watch one session, or all of them with None.

        With `after`, events kept since that seq come first (one session only): NotFound and InvalidRequest, for a
        seq beyond the last, are raised on entering. Without, only what happens from then on.
        """
        return Subscription(self._watchers, self, session, after, self._queue if queue is None else queue)

    async def read(
        self, session: str, after: int = 0, upto: int | None = None, limit: int | None = None
    ) -> list[Envelope]:
        """The events with `after < seq <= upto`, in order; none for an unknown session.

        With a `limit` at most so many, and fewer where they are long: what is missing comes after the last one. There
        are no more when there is none.
        """
        end = min(upto if upto is not None else _END, after + limit if limit is not None else _END)
        found = await self._read(session, after, end, whole=limit is None)
        return [Envelope(seq, session, one.at, one.event, one.run) for seq, one in enumerate(found, after + 1)]

    async def _read(self, session: str, after: int, upto: int, *, whole: bool = True) -> list[Stored]:
        found: list[Stored] = []
        while after < upto:
            end = min(upto, after + _PAGE)
            page, is_long = await self._page(session, after, end)
            found += page
            after += len(page)
            if not page or (after < end and not (is_long and whole)):
                break
        return found

    async def _page(self, session: str, after: int, upto: int) -> tuple[list[Stored], bool]:
        """The next events, up to the first that makes them longer than `_PAGE_BYTES`, and whether it may be for that
        that they are so few.

        One row of text for all: an event costs no step of the database, and one decoder sees the page whole.
        """
        ((bodies,),) = await self._database.fetch(_READ_PAGE, session, after, upto, _PAGE_BYTES)
        text = "" if bodies is None else str(bodies)
        return stored(text), len(text) * 4 >= _PAGE_BYTES

    async def head(self, session: str) -> int:
        """The seq of the session's last event. Raises NotFound."""
        return (await self.session(session)).seq

    async def session(self, session: str) -> SessionInfo:
        """Raises NotFound."""
        rows = await self._database.fetch(f"SELECT {SESSION_COLUMNS} FROM sessions s WHERE s.id = $1", session)
        if not rows:
            raise NotFound(f"there is no session {session!r}")
        return info(rows[0])

    async def sessions(self, *, limit: int = 100, before: float | None = None) -> list[SessionInfo]:
        """The sessions that were updated last, newest first; with `before`, those updated before that time."""
        return (await self.listed(Wanted(before=before), limit))[0]

    async def listed(self, wanted: Wanted, limit: int) -> tuple[list[SessionInfo], dict[str, str]]:
        """The first sessions that are wanted, and by their ids the words around a query that is not in their title."""
        return await find(self._database, wanted, limit)

    async def is_first(self, session: str) -> bool:
        """Whether nothing was said in any session that began before this one."""
        rows = await self._database.fetch(
            "SELECT 1 FROM sessions s, sessions mine WHERE mine.id = $1 AND s.number < mine.number AND EXISTS "
            "(SELECT 1 FROM events e WHERE e.session = s.number AND e.seq > 2) LIMIT 1",
            session,
        )
        return not rows

    async def find(self, channel: str, conversation: str) -> str | None:
        """The newest session of a conversation that has not ended. A fork never takes a conversation over."""
        rows = await self._database.fetch(
            "SELECT id FROM sessions WHERE channel = $1 AND conversation = $2 AND ended = 0 AND forked_from = '' "
            "ORDER BY number DESC LIMIT 1",
            channel,
            conversation,
        )
        return str(rows[0][0]) if rows else None

    async def unfinished(self) -> list[SessionInfo]:
        """Sessions with a run under way, or with received messages that no run took; oldest first."""
        rows = await self._database.fetch(
            f"SELECT {SESSION_COLUMNS} FROM sessions s WHERE s.run <> '' OR "
            "(s.ended = 0 AND s.id IN (SELECT w.session FROM waiting w)) ORDER BY s.number"
        )
        return [info(row) for row in rows]

    async def fork(self, session: str, at: int, new: str, also: Sequence[Statement] = ()) -> SessionInfo:
        """Copy the events up to and with `at` into a new session, which goes on from there.

        A run that the cut goes through is closed in the copy: its open calls are answered, it ends as cancelled.
        Messages that no run had taken wait in the copy too. The end of a session is not copied. Raises NotFound,
        InvalidRequest for an `at` that is not there, Conflict when `new` exists.
        """
        head = await self.head(session)
        if not 1 <= at <= head:
            raise InvalidRequest(f"session {session} has events 1 to {head}: cannot be forked at {at}")
        past = await self._read(session, 0, at)
        past = list(takewhile(lambda one: not isinstance(one.event, SessionEnded), past))
        origin = past[0].event
        assert isinstance(origin, SessionStarted)
        first = msgspec.structs.replace(origin, forked_from=session, forked_at=len(past))
        now = round(self._clock.now(), 6)
        copied = [copy(session, new, len(past))]
        for one in past[1:]:
            copied += changes(new, one.event, now, one.run)
        copied += also
        return await self._create(new, Stored(now, first), copied, closing(past, "the session was forked here"), now)

    async def import_(self, lines: AsyncIterator[bytes], new: str, also: Sequence[Statement] = ()) -> SessionInfo:
        """Make a session of what `export` has written, under a new name; an open run is closed as by `fork`.

        Raises InvalidRequest, which names the line, and Conflict when `new` exists.
        """
        past = await parsed(lines)
        written: list[Statement] = []
        for seq, one in enumerate(past[1:], 2):
            written.append(placed(new, seq, one))
            written += changes(new, one.event, one.at, one.run)
        written += also
        now = round(self._clock.now(), 6)
        return await self._create(new, past[0], written, closing(past, "the session was imported like this"), now)

    async def _create(
        self, new: str, first: Stored, rest: list[Statement], tail: list[tuple[Kept, str]], now: float
    ) -> SessionInfo:
        """A session from many events, of which those who watch all sessions are told only the first."""
        statements: list[Statement] = []
        _write(statements, new, first, "")
        statements += rest
        for event, run in tail:
            statements.append(added(new, Stored(now, event, run)))
            statements += changes(new, event, now, run)
        try:
            await self._database.transact(
                statements, lambda _: self._watchers.publish(new, [Envelope(1, new, first.at, first.event, first.run)])
            )
        except Unexpected as error:
            raise Conflict(f"there is a session {new} already") from error
        return await self.session(new)

    async def export(self, session: str) -> AsyncIterator[bytes]:
        """The session as JSON lines, one Envelope each. Raises NotFound."""
        head = await self.head(session)
        for after in range(0, head, _PAGE):
            for envelope in await self.read(session, after, min(after + _PAGE, head)):
                yield msgspec.json.encode(envelope) + b"\n"


def _write(statements: list[Statement], session: str, one: Stored, fence: str, seq: int = 0) -> int:
    """Add what keeps the event, as `seq` if that is given; the place of the statement that returns its seq if not."""
    event = one.event
    if isinstance(event, SessionStarted):
        statements.append(started(session, event, one.at))
    elif isinstance(event, MessageReceived) and event.dedupe_key is not None:
        statements.append(receipt(session, event))
    place = len(statements)
    statements.append(kept(session, one, fence, seq))
    statements.extend(changes(session, event, one.at, one.run))
    return place
