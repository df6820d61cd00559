"""The owner's own credentials: the setup code, the password, passkeys."""

import asyncio
from typing import Annotated, Any

from msgspec import Meta, Struct

from carapax.api.fields import Identifier
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.config import is_public
from carapax.errors import Conflict, Forbidden, InvalidRequest, RateLimited
from carapax.owner.challenges import Page
from carapax.owner.page import page_at
from carapax.owner.password import SHORTEST
from carapax.owner.setupcode import LASTS_S
from carapax.redaction import Secret
from carapax.store.owner import Passkey
from carapax.store.signins import How, SignIn
from carapax.throttle import PASSWORD

FRESH_S = 600.0
_CODE = "`carapax owner code` prints one, and where to type it"
PasskeyId = Annotated[str, Meta(min_length=1, max_length=1400, pattern=r"^[A-Za-z0-9_-]+\Z")]
Password = Annotated[str, Meta(min_length=SHORTEST, max_length=1000, pattern=r"^[^\x00]*\Z")]
Typed = Annotated[str, Meta(max_length=1000, pattern=r"^[^\x00]*\Z")]


class Status(Struct, frozen=True):
    """By what the owner is known.

    password: whether there is a password
    passkeys: the passkeys, oldest first
    tokens: how many tokens there are
    free: whether programs of this machine need none of these, because there is none
    public: whether others than this machine can reach the gateway
    setup: whether a setup code can be used now
    """

    password: bool
    passkeys: list[Passkey]
    tokens: int
    free: bool
    public: bool
    setup: bool


class SetupCode(Struct, frozen=True):
    """A one-time code, shown this once.

    code: what to type into the page
    expires_at: when it ends by itself, in seconds since 1970
    """

    code: str
    expires_at: float


class NewPassword(Struct, frozen=True, forbid_unknown_fields=True):
    """Another password.

    new: of 12 characters or more; null to have none
    current: the one that is in force, where the caller has not just signed in
    """

    new: Password | None = None
    current: Typed = ""


class Changed(Struct, frozen=True):
    """What came of a change.

    free: whether programs of this machine need no credential now, because the last one is gone
    """

    free: bool


class Confirmed(Struct, frozen=True, forbid_unknown_fields=True):
    """Who has not just signed in says the password.

    current: the password that is in force
    """

    current: Typed = ""


class Options(Struct, frozen=True):
    """What a browser makes a passkey with.

    options: for `PublicKeyCredential.parseCreationOptionsFromJSON`
    """

    options: dict[str, Any]


class NewPasskey(Struct, frozen=True, forbid_unknown_fields=True):
    """A passkey that a browser has made.

    name: what to call it
    credential: what `navigator.credentials.create` gave, as JSON
    """

    name: Identifier
    credential: dict[str, Any]


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """Another name for a passkey.

    passkey: its id
    name: what to call it
    """

    passkey: PasskeyId
    name: Identifier


class Removal(Struct, frozen=True, forbid_unknown_fields=True):
    """A passkey to forget.

    passkey: its id
    current: the password, where the caller has not just signed in
    """

    passkey: PasskeyId
    current: Typed = ""


@operation("owner.status", scope="admin", path="/api/owner")
async def status(services: Services, params: Nothing) -> Status:
    """Tell by what the owner is known, and whether anybody has to be."""
    record = services.owner.record
    return Status(
        await record.password() is not None,
        await record.passkeys(),
        len(await services.tokens.list()),
        not await services.owner.guarded(),
        is_public(services.config.gateway),
        services.owner.code.is_open,
    )


@operation("owner.code", scope="admin", method="POST", path="/api/owner/code", status=201)
async def code(services: Services, params: Nothing) -> SetupCode:
    """Make a new setup code, for commands of the same user on this machine; the one before ends."""
    if not services.caller.is_local:
        raise Forbidden("a setup code is made by a command on this machine", "run `carapax owner code` there")
    made = services.owner.code.make()
    await services.audit.note("owner.code", services.caller.actor())
    return SetupCode(made.reveal(), round(services.clock.now() + LASTS_S, 3))


@operation("owner.password", scope="admin", method="POST", path="/api/owner/password", raises=(409,))
async def password(services: Services, params: NewPassword) -> Changed:
    """Set, change or remove the owner's password. It ends what was signed in with the one before, but the caller."""
    await confirm(services, params.current)
    keep = services.caller.signin.id if services.caller.signin else ""
    who, owner = services.caller.actor(), services.owner
    if params.new is not None:
        await owner.password.set(Secret(params.new), who, keep=keep)
        await _settle(services, "password")
    else:
        await owner.record.set_password(None, who, keep=keep, keep_one=is_public(services.config.gateway))
    return Changed(not await owner.guarded())


@operation("passkey.begin", scope="admin", method="POST", path="/api/owner/passkey", raises=(409,))
async def begin(services: Services, params: Confirmed) -> Options:
    """Begin to make a passkey for the name that the page was opened under. Only the page can do it."""
    await confirm(services, params.current)
    return Options(await services.owner.passkeys.begin_registration(_page(services), services.caller.id))


@operation("passkey.add", scope="admin", method="POST", path="/api/passkeys", status=201, raises=(409,))
async def add(services: Services, params: NewPasskey) -> Passkey:
    """Keep a passkey that was begun within five minutes from the same page."""
    caller = services.caller
    made = await services.owner.passkeys.register(
        _page(services), caller.id, params.name, params.credential, caller.actor()
    )
    await _settle(services, "passkey", made.id)
    return made


@operation("passkey.rename", scope="admin", method="PATCH", path="/api/passkeys/{passkey}", raises=(404,))
async def rename(services: Services, params: Named) -> Changed:
    """Give a passkey another name."""
    await services.owner.record.rename(params.passkey, params.name, services.caller.actor())
    return Changed(False)


@operation("passkey.remove", scope="admin", method="DELETE", path="/api/passkeys/{passkey}", raises=(404, 409))
async def remove(services: Services, params: Removal) -> Changed:
    """Forget a passkey, and end at once what was signed in with it."""
    await confirm(services, params.current)
    keep_one = is_public(services.config.gateway)
    await services.owner.record.remove(params.passkey, services.caller.actor(), keep_one=keep_one)
    return Changed(not await services.owner.guarded())


async def confirm(services: Services, current: str) -> None:
    """Raises Forbidden unless it is certain that the owner asks: a command on this machine, somebody who has signed in
    as the owner within ten minutes, or who says the password."""
    caller = services.caller
    if caller.is_local:
        return None
    signin = _own_signin(services)
    if signin and abs(services.clock.now() - signin.created_at) <= FRESH_S:
        return None
    has_password = await services.owner.record.password() is not None
    if current and has_password:
        return await _check(services, current)
    if caller.free:
        raise Forbidden("the setup code is needed", "it stands in the terminal; `carapax owner code` prints a new one")
    if has_password:
        remedy = "sign in again, or say the password"
    elif await services.owner.record.passkeys():
        remedy = f"sign in again with a passkey, or with a setup code: {_CODE}"
    else:
        remedy = f"sign in with a new setup code: {_CODE}"
    raise Forbidden("you signed in a while ago" if signin else "a token is not enough for this", remedy)


def _own_signin(services: Services) -> SignIn | None:
    """The caller's sign-in, where it is the owner's own and came of no token."""
    signin = services.caller.signin
    return signin if signin and signin.how != "token" else None


async def _check(services: Services, current: str) -> None:
    """Wrong ones are counted by the owner's sign-in that says them; those of others with whoever tries to sign in."""
    signin = _own_signin(services)
    key = signin.id if signin else PASSWORD
    async with services.owner.password.tries:
        now = asyncio.get_running_loop().time()
        if wait := services.bans.wait(key, now):
            raise RateLimited("too many wrong passwords", wait)
        if await services.owner.password.is_right(Secret(current)):
            return
        services.bans.fail(key, None, now, grows=key != PASSWORD)
        await services.audit.note("auth.refused", services.caller.actor(), detail={"how": PASSWORD})
        raise InvalidRequest("the current password is wrong", "try again", fields={"current": "this is not it"})


async def _settle(services: Services, how: How, credential: str = "") -> None:
    if services.caller.signin:
        await services.signins.settle(services.caller.signin, how, credential)


def _page(services: Services) -> Page:
    page = page_at(services.caller.page)
    if page is None:
        raise Conflict(
            "passkeys are made by the page, opened under a name over https, or at localhost",
            "open it there; an address that is no name cannot have any",
        )
    return page
