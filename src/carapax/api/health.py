"""How the gateway is."""

from typing import Literal

from msgspec import Struct

from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.store.halt import Stop
from carapax.telemetry.meters import memory
from carapax.version import __version__


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Health(Struct, frozen=True):
    """The gateway is alive.

    status: always "ok"
    """

    status: Literal["ok"]


class Status(Struct, frozen=True):
    """The gateway in numbers.

    version: of the software
    uptime_s: seconds since start
    memory_bytes: resident memory; the most it was where the system does not tell
    running: ids of the sessions with a run under way
    stopped: since when, by whom and why agents are stopped; null while they may run
    """

    version: str
    uptime_s: float
    memory_bytes: int
    running: list[str]
    stopped: Stop | None


@operation("health", scope="read", path="/health")
async def health(services: Services, params: Nothing) -> Health:
    """Tell that the gateway is alive. Over HTTP this needs no token."""
    return Health("ok")


@operation("status", scope="read", path="/status")
async def status(services: Services, params: Nothing) -> Status:
    """Tell version, uptime, memory, and what is running."""
    uptime_s = services.clock.now() - services.started_at
    return Status(__version__, uptime_s, int(memory()), sorted(services.sessions.running()), services.sessions.stopped)
