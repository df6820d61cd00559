"""Messages: sent, read back as a conversation or as events, watched."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from carapax.api.fields import Identifier, Limit, Name, Seq
from carapax.api.file import AttachedFile, attached
from carapax.api.history import Said, said
from carapax.api.operation import operation
from carapax.api.reply import Reply, reply_to
from carapax.api.services import Services
from carapax.errors import InvalidRequest
from carapax.events import Envelope
from carapax.messages import Inbound

_SESSION = "/api/sessions/{session}"
LONGEST_WAIT_S = 600.0


Text = Annotated[str, Meta(pattern=r"^[^\S\x0b\x0c\x1c-\x1f]*[^\s\x00-\x1f\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
"""Something to say: not blank, and no control characters but tabs and line ends."""


class Send(Struct, frozen=True, forbid_unknown_fields=True):
    """A message to an agent.

    text: what is said, up to 100 KB
    session: the session it goes to; empty for the one of `conversation`, or a new one
    conversation: the caller's own name of a session, which is made when there is none
    agent: who answers in a new session; empty for the default agent
    provider: who answers this message, by the provider's name; a new session keeps it for what follows
    model: the provider's name of the model; without a `provider` "provider/model", or the name of a chain
    dedupe_key: a repetition by the same caller with the same key is answered as before and not said again
    attachments: files that come with it, at most ten
    wait: answer only when the agent has replied, or after ten minutes
    """

    text: Text
    session: Name = ""
    conversation: Name = ""
    agent: Name = ""
    provider: Name = ""
    model: Name = ""
    dedupe_key: Identifier | None = None
    attachments: Annotated[tuple[AttachedFile, ...], Meta(max_length=10)] = ()
    wait: bool = False


class Sent(Struct, frozen=True, omit_defaults=True):
    """Where the message is kept: from now on it is not lost.

    session: the session it is in
    message: its id
    seq: its place in the session's journal
    duplicate: whether it had been accepted before
    reply: what the agent replied, when that was waited for and came in time
    stopped: why agents are stopped, when they are, so that it is answered only once they are released
    """

    session: str
    message: str
    seq: int
    duplicate: bool = False
    reply: Reply | None = None
    stopped: str = ""


class Page(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a session's record.

    session: its id
    after: only what came after this `seq`
    limit: how many events at most
    """

    session: Identifier
    after: Seq = 0
    limit: Limit = 1000


class History(Struct, frozen=True):
    """A conversation as people read it.

    messages: what was said, in order
    seq: the last event this was made from; ask again with `after` for what follows
    """

    messages: list[Said]
    seq: int


class Events(Struct, frozen=True):
    """Events in order.

    events: the page
    seq: the last event of the page; ask again with `after` for what follows
    """

    events: list[Envelope]
    seq: int


class Subscribe(Struct, frozen=True, forbid_unknown_fields=True):
    """What to watch.

    session: a session's id; empty for all sessions
    after: first send the events after this `seq`; absent for only what happens from now on
    """

    session: Name = ""
    after: Seq | None = None


class Unsubscribe(Struct, frozen=True, forbid_unknown_fields=True):
    """What to watch no longer.

    session: what the subscription was made with
    """

    session: Name = ""


class Subscription(Struct, frozen=True):
    """What is watched.

    session: as it was asked for
    active: whether events of it are sent over this connection from now on
    """

    session: str
    active: bool


@operation(
    "session.message",
    scope="write",
    method="POST",
    path=(_SESSION + "/messages", "/api/messages"),
    status=202,
    raises=(404, 409),
)
async def message(services: Services, params: Send) -> Sent:
    """Say something to an agent. The answer comes once the message is kept, or with `wait` once there is a reply,
    unless agents are stopped."""
    caller = services.caller
    inbound = Inbound(
        "api",
        params.conversation,
        caller.sender(),
        params.text,
        dedupe_key=params.dedupe_key,
        attachments=await attached(services, params.attachments),
    )
    receipt = await services.sessions.submit(inbound, session=params.session, agent=params.agent, model=_model(params))
    reply, stop = None, services.sessions.stopped
    if params.wait and not stop:
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                reply = await reply_to(services.journal, receipt)
        except TimeoutError:
            reply = None
    return Sent(receipt.session, receipt.message, receipt.seq, receipt.duplicate, reply, stop.told() if stop else "")


@operation("session.history", scope="read", path=_SESSION + "/messages", raises=(404,))
async def history(services: Services, params: Page) -> History:
    """Read a conversation: what people said, what the agent answered, what its tools returned."""
    events = await _read(services, params)
    return History(said(events), events[-1].seq if events else params.after)


@operation("session.events", scope="read", path=_SESSION + "/events", raises=(404,))
async def events(services: Services, params: Page) -> Events:
    """Read the kept events of a session. Asked for as `text/event-stream`, they keep coming as they happen."""
    page = await _read(services, params)
    return Events(page, page[-1].seq if page else params.after)


@operation("session.subscribe", scope="read")
async def subscribe(services: Services, params: Subscribe) -> Subscription:
    """Send the events of a session over this WebSocket as notifications `event`, from a `seq` on, without a gap."""
    if services.watcher is None:
        raise InvalidRequest("session.subscribe works over /ws only", "over HTTP read the events as text/event-stream")
    if params.session:
        await services.journal.session(params.session)
    elif params.after is not None:
        raise InvalidRequest("all sessions together have no seq to start after", "leave out after, or name a session")
    await services.watcher.watch(params.session, params.after)
    return Subscription(params.session, active=True)


@operation("session.unsubscribe", scope="read")
async def unsubscribe(services: Services, params: Unsubscribe) -> Subscription:
    """Send the events of a session no longer."""
    if services.watcher is not None:
        services.watcher.unwatch(params.session)
    return Subscription(params.session, active=False)


async def _read(services: Services, params: Page) -> list[Envelope]:
    await services.journal.session(params.session)
    return await services.journal.read(params.session, params.after, limit=params.limit)


def _model(params: Send) -> str:
    """The name by which the gateway knows the model that is asked for."""
    return "/".join(part for part in (params.provider, params.model) if part)
