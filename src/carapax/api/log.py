"""What the gateway logged."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from carapax.api.fields import Limit, Name
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.logs.files import Wanted
from carapax.logs.line import Level, Line


class List(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the log.

    level: only lines of this level or worse
    text: only lines with this text in them, however it is capitalised; empty for all
    session: only lines about this session; empty for all
    before: only lines before this time, in seconds since 1970; absent for the newest
    limit: how many at most
    """

    level: Level = "debug"
    text: Name = ""
    session: Name = ""
    before: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    limit: Limit = 100


class Lines(Struct, frozen=True):
    """Lines of the log.

    lines: newest first
    lost: lines that were lost since the start, as the disk was full or too many came at once
    trouble: why the log cannot be written now; empty while it can
    """

    lines: list[Line]
    lost: int
    trouble: str


@operation("log.list", scope="admin", path="/api/log")
async def list_(services: Services, params: List) -> Lines:
    """List what the gateway logged last. No line holds a secret that the gateway knows."""
    before = 1e300 if params.before is None else params.before
    wanted = Wanted(params.level, params.text, params.session, before)
    lines = await asyncio.to_thread(services.logs.newest, wanted, params.limit)
    return Lines(lines, services.logs.lost, services.logs.trouble)
