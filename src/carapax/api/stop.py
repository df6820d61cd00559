"""The kill switch: end all that agents do, and let them go on."""

from msgspec import Struct

from carapax.api.fields import Name
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.sessions.sessions import Stopped
from carapax.store.halt import Stop


class Why(Struct, frozen=True, forbid_unknown_fields=True):
    """A stop of all agents.

    reason: what for; it is shown wherever the stop is
    """

    reason: Name = ""


class Released(Struct, frozen=True):
    """The end of a stop.

    was: what had stopped the agents; null when they were not stopped
    """

    was: Stop | None


@operation("agents.stop", scope="write", method="POST", path="/api/stop")
async def stop(services: Services, params: Why) -> Stopped:
    """End all runs at once and start no run and no tool, also after restarts, until `agents.release`. Messages are
    taken and wait."""
    return await services.sessions.stop(services.caller.actor(), params.reason)


@operation("agents.release", scope="admin", method="DELETE", path="/api/stop")
async def release(services: Services, params: Nothing) -> Released:
    """Let agents run again; they answer what waits."""
    return Released(await services.sessions.release(services.caller.actor()))
