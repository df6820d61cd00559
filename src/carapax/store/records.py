"""How events are kept: the row of each, and what it changes in the tables that sum sessions up."""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from carapax.errors import InvalidRequest
from carapax.events import (
    Kept,
    MessageReceived,
    MessageSent,
    RunFinished,
    RunStarted,
    SendFailed,
    SessionEnded,
    SessionStarted,
    StateChanged,
    Steered,
)
from carapax.messages import Inbound, Receipt
from carapax.store.database import Row, Statement

_HEAD = "coalesce((SELECT max(e.seq) FROM events e WHERE e.session = s.number), 0)"
_KEEP = f"INSERT INTO events (session, seq, body) SELECT s.number, {_HEAD} + 1, $2 FROM sessions s WHERE s.id = $1 "
_KEEP_OPEN = _KEEP + "AND s.ended = 0 RETURNING seq"
# Not EXISTS: SQLite plans that as a join, which takes twice as long.
_KEEP_FENCED = _KEEP + "AND (SELECT l.run FROM leases l WHERE l.session = $1) = $3 RETURNING seq"
_ADD = _KEEP + "RETURNING seq"
# With the seq foretold: nothing to look up and nothing to return, which takes a third less.
_NEXT = "INSERT INTO events (session, seq, body) SELECT s.number, $3, $2 FROM sessions s WHERE s.id = $1 "
_NEXT_OPEN = _NEXT + "AND s.ended = 0"
_NEXT_FENCED = _NEXT + "AND (SELECT l.run FROM leases l WHERE l.session = $1) = $4"
_COPY = (
    "INSERT INTO events (session, seq, body) SELECT n.number, e.seq, e.body FROM sessions n, events e "
    "WHERE n.id = $2 AND e.session = (SELECT s.number FROM sessions s WHERE s.id = $1) AND e.seq > 1 AND e.seq <= $3"
)
_RECEIPT = (
    f"INSERT INTO receipts (channel, dedupe_key, session, message, seq) SELECT $2, $3, $1, $4, {_HEAD} + 1 "
    "FROM sessions s WHERE s.id = $1 AND s.ended = 0 ON CONFLICT DO NOTHING"
)
SESSION_COLUMNS = (
    "s.id, s.agent, s.channel, s.conversation, s.created_at, s.updated_at, "
    f"{_HEAD} AS seq, s.title, s.model, "
    "CASE WHEN s.ended = 1 THEN 'ended' WHEN s.run <> '' THEN 'running' ELSE 'idle' END AS state, "
    "s.run, s.forked_from, s.forked_at"
)


class SessionInfo(Struct, frozen=True, omit_defaults=True):
    """A session as its events sum it up. `seq` is that of its last event, `run` the run under way or interrupted,
    also of a session that was ended meanwhile. `updated_at` follows its messages, runs, title and end."""

    id: str
    agent: str
    channel: str
    conversation: str
    created_at: float
    updated_at: float
    seq: int
    title: str = ""
    model: str = ""
    state: Literal["idle", "running", "ended"] = "idle"
    run: str = ""
    forked_from: str = ""
    forked_at: int = 0


class Stored(Struct, frozen=True, omit_defaults=True, gc=False):
    """The body of a row: an envelope without what the row's key says. JSON has no cycles for `gc` to find."""

    at: float
    event: Kept
    run: str = ""


_CHANGING = {MessageReceived, RunStarted, Steered, StateChanged, RunFinished, SessionEnded}
# How deep data may be nested depends on how deep the calls are that read it; these levels are left to them.
_SPARE_DEPTH = 300
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Stored]).decode


def info(row: Row) -> SessionInfo:
    """The session of a row of `SESSION_COLUMNS`."""
    return msgspec.convert(dict(zip(SessionInfo.__struct_fields__, row, strict=True)), SessionInfo)


def stored(bodies: str) -> list[Stored]:
    """The events whose bodies are joined by commas."""
    return _decode(f"[{bodies}]")


def _body(event: Stored) -> str:
    """Raises InvalidRequest for what could not be written, or could not be read again."""
    kind = type(event.event).__name__
    try:
        body = _encode(event)
        if body.count(b"{") + body.count(b"[") > _SPARE_DEPTH:
            msgspec.json.decode(b"[" * _SPARE_DEPTH + body + b"]" * _SPARE_DEPTH)
    except UnicodeError as error:
        what = f"a {kind} holds half a character (a lone surrogate)"
        raise InvalidRequest(what, "send text that is valid Unicode") from error
    except RecursionError as error:
        raise InvalidRequest(f"a {kind} is nested too deep", "send flatter data") from error
    return str(body, "utf-8")


def kept(session: str, event: Stored, fence: str, seq: int = 0) -> Statement:
    """Keep an event after the session's last one, and return its `seq` unless it is given; nothing is kept, and so
    the transaction fails, when there is no such session, when it has ended, when `fence` is not the run that has its
    lease, or when another event has that `seq`."""
    if isinstance(event.event, MessageSent | SendFailed) and not fence:
        return added(session, event)
    body = _body(event)
    if fence:
        return (
            Statement(_NEXT_FENCED, (session, body, seq, fence), 1)
            if seq
            else Statement(_KEEP_FENCED, (session, body, fence), 1)
        )
    return Statement(_NEXT_OPEN, (session, body, seq), 1) if seq else Statement(_KEEP_OPEN, (session, body), 1)


def added(session: str, event: Stored) -> Statement:
    """Keep an event after the last one, whatever the session's state."""
    return Statement(_ADD, (session, _body(event)), 1)


def placed(session: str, seq: int, event: Stored) -> Statement:
    """Keep an event of a known place."""
    return Statement(_NEXT, (session, _body(event), seq), 1)


def copy(session: str, new: str, upto: int) -> Statement:
    """Keep the events of a session after its first, up to and with `upto`, in another one as well."""
    return Statement(_COPY, (session, new, upto), upto - 1)


def receipt(session: str, event: MessageReceived) -> Statement:
    """Keep the message's dedupe key, for the event that is kept next; fails when it is kept."""
    return Statement(_RECEIPT, (session, event.channel, dedupe_key(event), event.id), 1)


def heard(inbound: Inbound, receipt: Receipt) -> Statement:
    """Keep the dedupe key of what is no message of its session; fails when it is kept."""
    sql = (
        "INSERT INTO receipts (channel, dedupe_key, session, message, seq) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT DO NOTHING"
    )
    return Statement(sql, (inbound.channel, dedupe_key(inbound), receipt.session, receipt.message, receipt.seq), 1)


def dedupe_key(message: Inbound | MessageReceived) -> str:
    """Under what the channel's receipt of a message is kept. A chat platform has one name for a message, whoever asks;
    of the API every caller chooses names of its own."""
    key = message.dedupe_key or ""
    return f"{message.sender.id}/{key}" if message.channel == "api" else key


def started(session: str, event: SessionStarted, at: float) -> Statement:
    """Keep a new session; fails when there is one of this name."""
    sql = (
        "INSERT INTO sessions (id, agent, channel, conversation, created_at, updated_at, title, model, ended, run, "
        "forked_from, forked_at) VALUES ($1, $2, $3, $4, $5, $5, '', $6, 0, '', $7, $8) ON CONFLICT DO NOTHING"
    )
    origin = (event.model, event.forked_from, event.forked_at)
    return Statement(sql, (session, event.agent, event.channel, event.conversation, at, *origin), 1)


def changes(session: str, event: Kept, at: float, run: str) -> Iterable[Statement]:
    """What an event, `SessionStarted` apart, changes in the tables `sessions` and `waiting`."""
    return _changes(session, event, at, run) if type(event) in _CHANGING else ()


def _changes(session: str, event: Kept, at: float, run: str) -> Iterator[Statement]:
    match event:
        case MessageReceived(id=id):
            yield Statement("UPDATE sessions SET updated_at = $2 WHERE id = $1", (session, at))
            yield Statement(
                "INSERT INTO waiting (session, message) VALUES ($1, $2) ON CONFLICT DO NOTHING", (session, id)
            )
        case RunStarted(messages=messages):
            yield Statement("UPDATE sessions SET updated_at = $2, run = $3 WHERE id = $1", (session, at, run))
            yield from _taken(session, messages)
        case Steered(messages=messages):
            yield from _taken(session, messages)
        case StateChanged(key="title" | "model" | "agent" as key, value=str(value)):
            yield Statement(f"UPDATE sessions SET updated_at = $2, {key} = $3 WHERE id = $1", (session, at, value))
        case RunFinished(reason="interrupted"):
            yield Statement("UPDATE sessions SET updated_at = $2 WHERE id = $1", (session, at))
        case RunFinished():
            yield Statement("UPDATE sessions SET updated_at = $2, run = '' WHERE id = $1", (session, at))
        case SessionEnded():
            yield Statement("UPDATE sessions SET updated_at = $2, ended = 1 WHERE id = $1", (session, at))
        case _:
            return


def _taken(session: str, messages: tuple[str, ...]) -> Iterator[Statement]:
    for message in messages:
        yield Statement("DELETE FROM waiting WHERE session = $1 AND message = $2", (session, message))
