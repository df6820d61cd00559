"""Providers: the vendors of models that can be asked, added and removed while the gateway runs."""

from msgspec import Struct

from carapax.api.fields import Identifier, Name
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.models.check import Checked
from carapax.models.listing import Addition, Known, ProviderStatus, catalogue


class Providers(Struct, frozen=True):
    """The providers, and the vendors that can be added.

    providers: those that can be asked, the configured ones first
    vendors: the catalogue
    """

    providers: list[ProviderStatus]
    vendors: list[Known]


class Remove(Struct, frozen=True, forbid_unknown_fields=True):
    """A provider to forget.

    provider: its name
    force: also when agents or chains use it
    """

    provider: Identifier
    force: bool = False


class Removed(Struct, frozen=True):
    """The provider that is gone.

    provider: its name
    """

    provider: str


class Which(Struct, frozen=True, forbid_unknown_fields=True):
    """One provider, or all.

    provider: its name; empty for all
    """

    provider: Name = ""


class Checks(Struct, frozen=True):
    """How providers answered.

    checks: one for each
    """

    checks: list[Checked]


@operation("provider.list", scope="read", path="/api/providers")
async def list_(services: Services, params: Nothing) -> Providers:
    """List the providers that can be asked, where the key of each is, and how its models are."""
    return Providers(await services.registry.providers(), catalogue())


@operation(
    "provider.add", scope="admin", method="POST", path="/api/providers", status=201, raises=(404, 409, 502, 503, 507)
)
async def add(services: Services, params: Addition) -> ProviderStatus:
    """Add a provider, or another key for one. It is asked first: nothing is kept of one that does not answer."""
    added = await services.registry.add(params, services.caller.actor())
    await services.audit.note("provider.add", services.caller.actor(), detail={"provider": added.name})
    return added


@operation(
    "provider.remove", scope="admin", method="DELETE", path="/api/providers/{provider}", raises=(404, 409, 503, 507)
)
async def remove(services: Services, params: Remove) -> Removed:
    """Forget a provider and its key, unless agents or chains use it."""
    await services.registry.remove(params.provider, force=params.force, who=services.caller.actor())
    await services.audit.note("provider.remove", services.caller.actor(), detail={"provider": params.provider})
    return Removed(params.provider)


@operation(
    "provider.check",
    scope="write",
    method="POST",
    path=("/api/providers/{provider}/check", "/api/provider-checks"),
    raises=(404,),
)
async def check(services: Services, params: Which) -> Checks:
    """Ask one provider, or all, whether they answer and take their keys."""
    return Checks(await services.registry.check(params.provider))
