"""Sign-ins: the browsers that are in."""

from msgspec import Struct

from carapax.api.fields import Identifier
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.store.signins import SignIn


class SignIns(Struct, frozen=True):
    """The browsers that are in.

    signins: the one that was seen last first
    current: the id of the caller's own; empty for a caller that is none of them
    """

    signins: list[SignIn]
    current: str


class End(Struct, frozen=True, forbid_unknown_fields=True):
    """A browser to sign out.

    signin: its id
    """

    signin: Identifier


class EndAll(Struct, frozen=True, forbid_unknown_fields=True):
    """All browsers to sign out.

    others: true to leave the caller's own
    """

    others: bool = False


class Ended(Struct, frozen=True):
    """Who is out.

    ended: how many
    """

    ended: int


@operation("signin.list", scope="admin", path="/api/signins")
async def list_(services: Services, params: Nothing) -> SignIns:
    """List the browsers that are in, with when they were seen last, to the minute."""
    own = services.caller.signin
    return SignIns(await services.signins.list(), own.id if own else "")


@operation("signin.end", scope="admin", method="DELETE", path="/api/signins/{signin}", raises=(404,))
async def end(services: Services, params: End) -> Ended:
    """Sign a browser out at once; its open connections are closed."""
    await services.signins.end(params.signin, services.caller.actor())
    return Ended(1)


@operation("signin.end_all", scope="admin", method="POST", path="/api/owner/sign-out")
async def end_all(services: Services, params: EndAll) -> Ended:
    """Sign all browsers out at once, everywhere. Tokens go on working."""
    own = services.caller.signin
    keep = own.id if own and params.others else ""
    return Ended(await services.signins.end_all(services.caller.actor(), keep=keep))
