"""Which model would answer."""

from carapax.doctor.finding import Finding, Patient

NAME = "model"


async def check(patient: Patient) -> list[Finding]:
    return []
