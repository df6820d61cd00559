"""Which vendor searches the web for agents, and with which key."""

from carapax.clock import SystemClock
from carapax.doctor.finding import Finding, Patient, failed
from carapax.errors import CarapaxError
from carapax.http import Http
from carapax.models.catalogue import vendors
from carapax.models.keys import Keys
from carapax.models.search import choose

NAME = "search"


async def check(patient: Patient) -> list[Finding]:
    if patient.config is None:
        return []
    keys = Keys(patient.vault, patient.environ)
    try:
        async with Http() as http:
            chosen = await choose(patient.config.providers, http, keys, SystemClock())
    except CarapaxError as error:
        return [failed(NAME, error)]
    if chosen is None:
        able = " or ".join(row.key_env or row.base_url_env for row in vendors().values() if row.search)
        return [Finding(NAME, "ok", f"agents have no web_search; set {able} to give it to them")]
    return [Finding(NAME, "ok", f"web_search asks {chosen.name}: {chosen.why}")]
