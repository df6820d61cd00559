"""Vouching: what a session has read, which files others may have written, and a person who answers for them."""

from typing import Annotated

from msgspec import Meta, Struct

from carapax.api.agent import Named
from carapax.api.fields import Identifier, Name
from carapax.api.file import Digest
from carapax.api.operation import covers, operation
from carapax.api.services import Services
from carapax.api.session import Session
from carapax.errors import NotFound
from carapax.events import Vouched
from carapax.messages import Origin
from carapax.sessions.instructions import LeftOut


class Read(Struct, frozen=True):
    """What a session has read from others than those who may give orders.

    origins: whose words, the first first
    seq: the event up to which this is so; vouch for that, and for nothing that came later
    """

    origins: tuple[Origin, ...]
    seq: int


class Vouch(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's word for what a session has read.

    session: its id
    upto: the event up to which all that it has read is trusted from now on
    """

    session: Identifier
    upto: Annotated[int, Meta(ge=1, le=2**53)]


class Stained(Struct, frozen=True):
    """Files that may hold the words of others.

    agent: in whose workspace
    paths: which; empty text stands for all of it
    left_out: the files of instructions that the agent is not told until a person vouches for them; only for whoever may
    """

    agent: str
    paths: list[str]
    left_out: tuple[LeftOut, ...] = ()


class VouchFiles(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's word for files.

    agent: in whose workspace; empty for the default agent
    path: a file, or a folder with all beneath it; empty for all of the workspace
    seen: of each file of instructions among it that is left out, by name, the SHA-256 of what the person has read
    """

    agent: Name = ""
    path: Name = ""
    seen: Annotated[dict[Name, Digest], Meta(max_length=10)] = {}


@operation("session.reading", scope="read", path="/api/sessions/{session}/reading", raises=(404,))
async def reading(services: Services, params: Session) -> Read:
    """Tell from whom a session has read."""
    transcript = await services.sessions.transcript(params.session)
    return Read(transcript.reading.origins, transcript.seq)


@operation("session.vouch", scope="approve", method="POST", path="/api/sessions/{session}/vouch", raises=(404, 409))
async def vouch(services: Services, params: Vouch) -> Read:
    """Answer for what a session has read so far, so that it may act on that without a question."""
    transcript = await services.sessions.transcript(params.session)
    if params.upto > transcript.seq:
        raise NotFound(f"session {params.session} has no event {params.upto}", f"its events are 1 to {transcript.seq}")
    who = services.caller.actor()
    vouched = services.audit.of("session.vouched", who, session=params.session, detail={"upto": params.upto})
    await services.journal.append(params.session, Vouched(params.upto, who.name or who.id), also=vouched)
    return Read(transcript.reading.origins, transcript.seq)


@operation("workspace.stains", scope="read", path="/api/agents/{agent}/stains", raises=(404,))
async def stains(services: Services, params: Named) -> Stained:
    """Tell which files of an agent's workspace may hold the words of others."""
    agent, may_vouch = services.sessions.agent(params.agent).name, covers(services.caller.scopes, "approve")
    left_out = await services.instructions.left_out(agent) if may_vouch else ()
    return Stained(agent, services.stains.listed(agent), left_out)


@operation("workspace.vouch", scope="approve", method="POST", path="/api/agents/{agent}/vouch", raises=(404, 409))
async def vouch_files(services: Services, params: VouchFiles) -> Stained:
    """Answer for files of an agent's workspace, so that reading them is reading the owner. Tells which those were.

    A file of instructions is answered for as it was read: when it changes, the agent is not told it any more.
    """
    agent, who = services.sessions.agent(params.agent).name, services.caller.actor()
    return Stained(agent, await services.instructions.vouch(agent, params.path, params.seen, who, services.audit))
