"""The audit log: who did what to the gateway, and whether that is what was written."""

from typing import Annotated

from msgspec import Meta, Struct

from carapax.api.fields import Limit, Name, Seq
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.store import audit
from carapax.store.audit import Recorded, Verdict


class List(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the log.

    after: the entries after this number, oldest first; absent for the newest ones, newest first
    before: of the newest ones only those before this number
    kind: of the newest ones only those of this kind, or that begin with it and a dot; empty for all
    limit: how many at most
    """

    after: Seq | None = None
    before: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    kind: Name = ""
    limit: Limit = 100


class Check(Struct, frozen=True, forbid_unknown_fields=True):
    """What the log is compared with.

    head: a hash that was the last one once, kept elsewhere; empty for none
    """

    head: Name = ""


class Entries(Struct, frozen=True):
    """Entries of the audit log.

    entries: in the order that was asked for
    """

    entries: list[Recorded]


@operation("audit.list", scope="admin", path="/api/audit")
async def list_(services: Services, params: List) -> Entries:
    """List what was done to the gateway and by whom: log-ins, tokens, changes, and the calls of tools that do more than
    read."""
    database = services.audit.database
    if params.after is not None:
        return Entries(await audit.following(database, params.after, params.limit))
    return Entries(await audit.newest(database, before=params.before, kind=params.kind, limit=params.limit))


@operation("audit.verify", scope="admin", path="/api/audit/verify")
async def verify(services: Services, params: Check) -> Verdict:
    """Follow the chain of the log from its first entry, and name the first that was changed or is missing."""
    return await audit.verify(services.audit.database, kept=params.head)
