"""Sessions: made, listed, named, copied, stopped, ended."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from carapax.api.fields import Identifier, Limit, Name
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.errors import NotFound
from carapax.messages import Effort
from carapax.store.listing import Order, State, Wanted
from carapax.store.records import SessionInfo

_SESSION = "/api/sessions/{session}"


class Create(Struct, frozen=True, forbid_unknown_fields=True):
    """A new session.

    agent: who answers; empty for the default agent
    conversation: the caller's own name for it, by which messages can find it; empty for a new one
    model: "provider/model" instead of the agent's own
    title: what people see in lists
    """

    agent: Name = ""
    conversation: Name = ""
    model: Name = ""
    title: Name = ""


class Session(Struct, frozen=True, forbid_unknown_fields=True):
    """One session.

    session: its id
    """

    session: Identifier


class List(Struct, frozen=True, forbid_unknown_fields=True):
    """A page of sessions.

    limit: how many at most
    before: only those last changed before this time, in seconds since 1970; from the last one of the page before
    query: words that stand in the title, or in what a person or the agent said
    agent: only those of this agent; empty for all
    channel: only those of this channel; empty for all
    state: only those that are idle, running or ended; empty for all
    forked_from: only those that were copied from this session
    order: by when they were last changed, when they were made, each newest first, or by title
    """

    limit: Limit = 100
    before: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    query: Name = ""
    agent: Name = ""
    channel: Name = ""
    state: State = ""
    order: Order = "updated"
    forked_from: Name = ""


class Sessions(Struct, frozen=True):
    """Sessions in the order asked for.

    sessions: the page
    found: of those that have the query not in their title, by their id, the words around it where it was said first
    """

    sessions: list[SessionInfo]
    found: dict[str, str] = {}


class End(Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a session.

    session: its id
    reason: why, for the record
    """

    session: Identifier
    reason: Name = ""


class Fork(Struct, frozen=True, forbid_unknown_fields=True):
    """A copy of the beginning of a session.

    session: the session to copy
    at: the last event to copy, by `seq`; absent for all of it
    """

    session: Identifier
    at: Annotated[int, Meta(ge=1, le=2**53)] | None = None


class Cancelled(Struct, frozen=True):
    """What there was to stop.

    cancelled: whether a run was under way
    """

    cancelled: bool


class Configure(Struct, frozen=True, forbid_unknown_fields=True):
    """What the next runs of a session use. What is absent stays as it is; what is empty is the agent's own again.

    session: its id
    agent: who answers from now on, in its own workspace, with its own tools
    model: "provider/model" or the name of a chain
    effort: how much the model thinks before it answers
    """

    session: Identifier
    model: Name | None = None
    effort: Effort | Literal[""] | None = None
    agent: Annotated[Name, Meta(min_length=1)] | None = None


class Compacted(Struct, frozen=True):
    """What a compaction did. The record of the session keeps everything; only the model is told less.

    upto: the last event, by `seq`, in whose place the model is told the facts and the summary
    facts: what must not be forgotten
    summary: what was asked, done and came of it
    tokens_before: roughly how many tokens the conversation was
    tokens_after: roughly how many it is now
    """

    upto: int
    facts: tuple[str, ...]
    summary: str
    tokens_before: int
    tokens_after: int


class Rename(Struct, frozen=True, forbid_unknown_fields=True):
    """A new title.

    session: its id
    title: what people see in lists
    """

    session: Identifier
    title: Name


@operation("session.create", scope="write", method="POST", path="/api/sessions", status=201, raises=(404,))
async def create(services: Services, params: Create) -> SessionInfo:
    """Start a session with an agent."""
    return await services.sessions.create(
        agent=params.agent, channel="api", conversation=params.conversation, model=params.model, title=params.title
    )


@operation("session.list", scope="read", path="/api/sessions")
async def list_(services: Services, params: List) -> Sessions:
    """List sessions, of all channels unless one is named, last changed first unless told otherwise."""
    wanted = Wanted(
        params.query, params.agent, params.channel, params.state, params.order, params.before, params.forked_from
    )
    return Sessions(*await services.journal.listed(wanted, params.limit))


@operation("session.get", scope="read", path=_SESSION, raises=(404,))
async def get(services: Services, params: Session) -> SessionInfo:
    """Tell what a session is and how far it has come."""
    return await services.journal.session(params.session)


@operation("session.end", scope="write", method="POST", path=_SESSION + "/end", raises=(404, 409))
async def end(services: Services, params: End) -> SessionInfo:
    """End a session: it takes no more messages, and its record stays."""
    return await services.sessions.end(params.session, params.reason, services.caller.actor())


@operation("session.fork", scope="write", method="POST", path=_SESSION + "/fork", status=201, raises=(404,))
async def fork(services: Services, params: Fork) -> SessionInfo:
    """Copy a session up to an event into a new one, which goes on from there."""
    info = await services.journal.session(params.session)
    if params.at is not None and params.at > info.seq:
        raise NotFound(f"session {info.id} has no event {params.at}", f"its events are 1 to {info.seq}")
    return await services.sessions.fork(params.session, params.at, services.caller.actor())


@operation("session.cancel", scope="write", method="POST", path=_SESSION + "/cancel", raises=(404,))
async def cancel(services: Services, params: Session) -> Cancelled:
    """Stop the run of a session."""
    stopped = await services.sessions.cancel(params.session)
    if stopped:
        await services.audit.note("session.cancel", services.caller.actor(), session=params.session)
    return Cancelled(stopped)


@operation("session.rename", scope="write", method="PATCH", path=_SESSION, raises=(404, 409))
async def rename(services: Services, params: Rename) -> SessionInfo:
    """Give a session another title."""
    return await services.sessions.rename(params.session, params.title)


@operation("session.configure", scope="write", method="POST", path=_SESSION + "/configure", raises=(404, 409))
async def configure(services: Services, params: Configure) -> SessionInfo:
    """Choose the agent or the model of a session, or how much it thinks, from the next run on."""
    chosen = {name: value for name in ("agent", "model", "effort") if (value := getattr(params, name)) is not None}
    return await services.sessions.configure(params.session, chosen, services.caller.actor())


@operation("session.compact", scope="write", method="POST", path=_SESSION + "/compact", raises=(404, 409, 502, 503))
async def compact(services: Services, params: Session) -> Compacted:
    """Have the model sum up a session now, all but its end, so that what follows is cheaper."""
    before = (await services.sessions.transcript(params.session)).size()
    done = await services.sessions.compact(params.session)
    await services.audit.note("session.compact", services.caller.actor(), session=params.session)
    after = (await services.sessions.transcript(params.session)).size()
    return Compacted(done.upto, done.facts, done.summary, before, after)
