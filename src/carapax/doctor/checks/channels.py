"""Whether the platforms of channels answer, and know us."""

from typing import Any

from carapax import extensions
from carapax.doctor.finding import Finding, Patient, failed
from carapax.errors import CarapaxError

NAME = "channels"


async def check(patient: Patient) -> list[Finding]:
    """Each is opened for it, and does not listen. Those of a gateway that runs are its own to ask: a platform may take
    only one of us."""
    sections = patient.config.channels if patient.config and not patient.running else {}
    return [await _ask(name, section) for name, section in sections.items()]


async def _ask(name: str, section: dict[str, Any]) -> Finding:
    try:
        module = extensions.find("channel", name)
        settings = extensions.configure("channel", name, module, section)
        async with extensions.export("channel", name, module)(settings) as channel:
            return Finding(NAME, "ok", f"{name}: known as {await channel.check()}")
    except CarapaxError as error:
        return failed(NAME, error)
