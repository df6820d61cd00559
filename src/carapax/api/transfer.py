"""Sessions carried from one gateway to another, as JSON lines with one event each."""

from collections.abc import AsyncIterator

from msgspec import Struct

from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.api.session import Session
from carapax.store.records import SessionInfo


class Exported(Struct, frozen=True):
    """A session as text.

    jsonl: one event a line
    """

    jsonl: str


class Import(Struct, frozen=True, forbid_unknown_fields=True):
    """A session as text.

    jsonl: one event a line, as exported
    """

    jsonl: str


@operation("session.export", scope="read", path="/api/sessions/{session}/export", raises=(404,))
async def export(services: Services, params: Session) -> Exported:
    """Write a session as JSON lines. Asked for as `application/x-ndjson`, they come as they are read."""
    await note_export(services, params.session)
    lines = [line async for line in services.journal.export(params.session)]
    return Exported(b"".join(lines).decode())


async def note_export(services: Services, session: str) -> None:
    """Record who took a whole session away, before it goes. Raises NotFound."""
    info = await services.journal.session(session)
    await services.audit.note("session.export", services.caller.actor(), channel=info.channel, session=session)


@operation("session.import", scope="write", method="POST", path="/api/imports", status=201)
async def import_(services: Services, params: Import) -> SessionInfo:
    """Make a new session of exported lines. Over REST a body of `application/x-ndjson` may be the lines themselves."""
    return await import_lines(services, _lines(params.jsonl))


async def import_lines(services: Services, lines: AsyncIterator[bytes]) -> SessionInfo:
    """Make a session of exported lines, and record who did. Raises InvalidRequest naming the line that is wrong."""
    new = services.clock.new_id()
    also = services.audit.of("session.import", services.caller.actor(), session=new)
    return await services.journal.import_(lines, new, also)


async def _lines(text: str) -> AsyncIterator[bytes]:
    for line in text.split("\n"):
        yield line.encode()
