"""Whether the sandboxes that agents are configured with work here."""

import tempfile
from pathlib import Path

from carapax import extensions
from carapax.doctor.finding import Finding, Patient, failed
from carapax.egress import PublicEgress
from carapax.errors import CarapaxError

NAME = "sandbox"


async def check(patient: Patient) -> list[Finding]:
    if patient.config is None:
        return []
    kinds = dict.fromkeys(agent.sandbox for agent in patient.config.agents.values())
    egress = PublicEgress(patient.config.egress)
    return [await _try(kind, patient.config.sandboxes.get(kind, {}), egress) for kind in kinds]


async def _try(kind: str, section: dict[str, object], egress: PublicEgress) -> Finding:
    try:
        module = extensions.find("sandbox", kind)
        settings = extensions.configure("sandbox", kind, module, section)
        with tempfile.TemporaryDirectory(prefix="carapax-doctor-") as workspace:
            async with extensions.export("sandbox", kind, module)(settings, Path(workspace) / "workspace", egress):
                return Finding(NAME, "ok", f"{kind} works")
    except CarapaxError as error:
        return failed(NAME, error)
