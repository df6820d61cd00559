"""Models: what the providers offer."""

from msgspec import Struct

from carapax.api.operation import operation
from carapax.api.provider import Which
from carapax.api.services import Services
from carapax.models.listing import Offer, Silent


class Models(Struct, frozen=True):
    """What providers offer.

    models: their models, with what is known of each
    silent: the providers that did not say
    """

    models: list[Offer]
    silent: list[Silent]


@operation("model.list", scope="read", path="/api/models", raises=(404,))
async def list_(services: Services, params: Which) -> Models:
    """List the models of one provider, or of all; each is asked now, for ten seconds at most."""
    return Models(*await services.registry.models(params.provider))
