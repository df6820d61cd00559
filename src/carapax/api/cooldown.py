"""Models that failed lately: which they are, and that one is well again."""

from msgspec import Struct

from carapax.api.fields import Identifier, Name
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.errors import NotFound
from carapax.store.health import State


class States(Struct, frozen=True):
    """The models that failed and did not answer since.

    models: one line each; one whose `until` lies in the future is asked only when no other model can be
    """

    models: list[State]


class Recover(Struct, frozen=True, forbid_unknown_fields=True):
    """A model that is well again.

    provider: the provider's name
    model: the model's name there; empty for all of the provider's models
    """

    provider: Identifier
    model: Name = ""


class Recovered(Struct, frozen=True):
    """What was forgotten.

    models: the states as they were
    """

    models: list[State]


@operation("model.health", scope="read", path="/api/models/health")
async def states(services: Services, params: Nothing) -> States:
    """List the models that failed lately, why, and until when they cool down. A model that answers is not listed."""
    return States(services.health.all())


@operation("model.recover", scope="admin", method="POST", path="/api/models/recover", raises=(404,))
async def recover(services: Services, params: Recover) -> Recovered:
    """End the cool-down of a model, as after its key was renewed or its server was started again."""
    meant = [
        state
        for state in services.health.all()
        if state.provider == params.provider and params.model in ("", state.model)
    ]
    if not meant:
        name = f"{params.provider}/{params.model}" if params.model else params.provider
        raise NotFound(f"nothing is wrong with {name!r}", "`model.health` lists the models that failed")
    for state in meant:
        await services.health.succeeded(state.provider, state.model)
        detail = {"provider": state.provider, "model": state.model}
        await services.audit.note("model.recover", services.caller.actor(), detail=detail)
    return Recovered(meant)
