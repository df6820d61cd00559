"""The facts and prices of models."""

from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.models.facts import Refreshed


@operation("model.refresh", scope="admin", method="POST", path="/api/models/refresh", raises=(503, 507))
async def refresh(services: Services, params: Nothing) -> Refreshed:
    """Fetch the facts and prices of models anew; they are used at once, and after a restart."""
    refreshed = await services.facts.refresh(services.http, services.config.facts.url)
    await services.audit.note("model.refresh", services.caller.actor())
    return refreshed
