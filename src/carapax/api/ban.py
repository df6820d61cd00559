"""Bans: who has shown too many wrong tokens, and is refused for a while."""

import asyncio

from msgspec import Struct

from carapax.api.fields import Identifier
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.errors import NotFound


class Banned(Struct, frozen=True):
    """An address or a token that is refused.

    key: the address, an IPv6 network of 64 bits as one; or the id that the wrong tokens named
    until: when that ends, in seconds since 1970
    """

    key: str
    until: float


class Banlist(Struct, frozen=True):
    """Who is refused for having shown too many wrong tokens.

    bans: the last to end first
    """

    bans: list[Banned]


class Lift(Struct, frozen=True, forbid_unknown_fields=True):
    """A ban to end.

    key: the address or id, as listed
    """

    key: Identifier


class Lifted(Struct, frozen=True):
    """A ban that has ended.

    key: the address or id
    """

    key: str


@operation("ban.list", scope="admin", path="/api/bans")
async def list_(services: Services, params: Nothing) -> Banlist:
    """List the addresses and tokens that are banned for too many wrong tokens. A start of the gateway ends all bans."""
    now, wall = asyncio.get_running_loop().time(), services.clock.now()
    bans = [Banned(key, round(wall + wait, 3)) for key, wait in services.bans.all(now).items()]
    return Banlist(sorted(bans, key=lambda ban: -ban.until))


@operation("ban.lift", scope="admin", method="POST", path="/api/bans/lift", raises=(404,))
async def lift(services: Services, params: Lift) -> Lifted:
    """End a ban, and forget the wrong tokens that led to it."""
    if not services.bans.lift(params.key, asyncio.get_running_loop().time()):
        raise NotFound(f"{params.key!r} is not banned", "`carapax bans` lists those that are")
    await services.audit.note("ban.lift", services.caller.actor(), detail={"banned": params.key})
    return Lifted(params.key)
