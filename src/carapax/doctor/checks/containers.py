"""What the docker sandbox of a home has left on its engine."""

from carapax.containers.identity import has_identity
from carapax.doctor.finding import Finding, Patient, failed
from carapax.errors import Unavailable

NAME = "containers"
_SHOWN = 5


async def check(patient: Patient) -> list[Finding]:
    """Nothing is said of a home that has never had a container."""
    if patient.config is None or not has_identity(patient.home.workspaces):
        return []
    from carapax.containers import records  # noqa: PLC0415  # heavy, and most homes have no containers
    from carapax.containers.opened import open_engine  # noqa: PLC0415  # the same

    try:
        async with open_engine(patient.home, patient.config) as there:
            left = [one.name for one in await records.leftovers(there.engine, there.home, there.needed)]
    except Unavailable as error:
        return [failed(NAME, error)]
    if not left:
        return [Finding(NAME, "ok", "nothing is left over on the engine")]
    told = ", ".join(left[:_SHOWN]) + (" ..." if len(left) > _SHOWN else "")
    return [Finding(NAME, "warn", f"left over on the engine: {told}", "carapax sandbox clean", f"{NAME}:clean:")]


async def remove(patient: Patient) -> list[str]:
    """Remove what is left over; returns the names of what is gone."""
    if patient.config is None:
        return []
    from carapax.containers import records  # noqa: PLC0415  # heavy, and most homes have no containers
    from carapax.containers.opened import open_engine  # noqa: PLC0415  # the same

    async with open_engine(patient.home, patient.config) as there:
        return [one.name for one in await records.clean(there.engine, there.home, there.needed)]
