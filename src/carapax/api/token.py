"""Tokens: the credentials of callers. Once there is one, every call needs one."""

from typing import Annotated

from msgspec import Meta, Struct

from carapax.api.fields import Identifier
from carapax.api.health import Nothing
from carapax.api.operation import Scope, operation
from carapax.api.owner import Typed, confirm
from carapax.api.services import Services
from carapax.config import is_public
from carapax.messages import Trust
from carapax.store.tokens import Token


class Create(Struct, frozen=True, forbid_unknown_fields=True):
    """A new token.

    name: what it is for
    scopes: what it may do; each of read, write, approve and admin includes the ones before it
    trust: whose words the messages are that come with it: those of an owner, of a known person, or of a stranger, who
        may not give orders
    current: the password, where the caller signed in as the owner a while ago
    """

    name: Identifier
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=3)] = ("write",)
    trust: Trust = "owner"
    current: Typed = ""


class Created(Struct, frozen=True):
    """A token, shown this once.

    token: what is kept of it
    secret: what the caller sends as `Authorization: Bearer`; it cannot be shown again
    """

    token: Token
    secret: str


class Tokens(Struct, frozen=True):
    """What is kept of the tokens.

    tokens: none of the secrets
    """

    tokens: list[Token]


class Revoke(Struct, frozen=True, forbid_unknown_fields=True):
    """A token to end.

    token: its id
    current: the password, where the caller signed in as the owner a while ago
    """

    token: Identifier
    current: Typed = ""


class Revoked(Struct, frozen=True):
    """The token that ended.

    token: its id
    """

    token: str


@operation("token.create", scope="admin", method="POST", path="/api/tokens", status=201)
async def create(services: Services, params: Create) -> Created:
    """Make a token. The first one ends free access from this machine."""
    await _confirm(services, params.current)
    token, secret = await services.tokens.create(params.name, params.scopes, services.caller.actor(), params.trust)
    return Created(token, secret.reveal())


@operation("token.list", scope="admin", path="/api/tokens")
async def list_(services: Services, params: Nothing) -> Tokens:
    """List the tokens, without their secrets."""
    return Tokens(await services.tokens.list())


@operation("token.revoke", scope="admin", method="DELETE", path="/api/tokens/{token}", raises=(404, 409))
async def revoke(services: Services, params: Revoke) -> Revoked:
    """End a token at once; its open connections are closed."""
    await _confirm(services, params.current)
    keep_one = is_public(services.config.gateway)
    await services.tokens.revoke(params.token, services.caller.actor(), keep_one=keep_one)
    return Revoked(params.token)


async def _confirm(services: Services, current: str) -> None:
    """Who finds a signed-in browser makes no key of their own with it. A token with the scope may. Raises Forbidden."""
    signin = services.caller.signin
    if signin and signin.how != "token":
        await confirm(services, current)
