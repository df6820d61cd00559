"""Which models would answer, where their keys come from, and whether their servers can be reached."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from carapax.clock import SystemClock
from carapax.config import Config, ProviderConfig
from carapax.doctor.finding import Finding, Patient, failed
from carapax.errors import CarapaxError
from carapax.http import Http
from carapax.models.catalogue import Vendor, resolve, vendors
from carapax.models.closest import did_you_mean
from carapax.models.detection import OFFLINE, detect, needs_key
from carapax.models.keys import CONFIGURATION, VAULT, Keys
from carapax.models.opening import open_provider

NAME = "model"
_TIMEOUT_S = 10.0


async def check(patient: Patient) -> list[Finding]:
    if patient.config is None:
        return []
    keys = Keys(patient.vault, patient.environ)
    wanted: dict[str, None] = {}
    for agent in patient.config.agents.values():
        wanted |= dict.fromkeys(patient.config.chains.get(agent.model, (agent.model,)))
    try:
        sources = await _sources(patient.config, keys)
    except CarapaxError as error:
        return [failed(NAME, error)]
    async with Http() as http:
        asking = _Asking(patient.config, keys, http, patient.used)
        return [*sources, *await asyncio.gather(*[asking.model(model) for model in wanted])]


async def _sources(config: Config, keys: Keys) -> list[Finding]:
    """Of each provider that is configured, and each vendor whose key is somewhere, where it is."""
    found = []
    sections: Mapping[str, ProviderConfig | None] = {**dict.fromkeys(vendors()), **config.providers}
    for name, section in sections.items():
        vendor = resolve(name, section)
        source = await keys.source(name, vendor, section)
        if source or (section and needs_key(vendor)):
            found.append(_source(name, vendor, source))
    return found


def _source(name: str, vendor: Vendor, source: str) -> Finding:
    if not source:
        remedy = f"`carapax models add {name}`, or set {vendor.key_env}"
        return Finding(NAME, "warn", f"{name}: there is no key", remedy)
    if source == CONFIGURATION:
        remedy = f"`carapax models add {name}` keeps it in the vault; then take it out of the file"
        return Finding(NAME, "warn", f"{name}: the key stands readable in {source}", remedy)
    return Finding(NAME, "ok", f"{name}: the key is from {'the vault' if source == VAULT else source}")


@dataclass(frozen=True, slots=True)
class _Asking:
    config: Config
    keys: Keys
    http: Http
    used: str

    async def model(self, model: str) -> Finding:
        if model == "auto":
            return await self._detected()
        provider, _, name = model.partition("/")
        section = self.config.providers.get(provider)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                opened = await open_provider(provider, section, self.http, self.keys, SystemClock())
                known = [info.name for info in await opened.models()]
        except TimeoutError:
            return Finding(
                NAME, "fail", f"{provider} did not answer in {_TIMEOUT_S:.0f} s", f"check [providers.{provider}]"
            )
        except CarapaxError as error:
            return failed(NAME, error)
        if known and name and name not in known:
            remedy = did_you_mean(name, known) or f"it has {', '.join(sorted(known)[:5])} ..."
            return Finding(NAME, "warn", f"{provider} does not list {name}", remedy)
        return Finding(NAME, "ok", f"{model} can be asked")

    async def _detected(self) -> Finding:
        try:
            found = await detect(self.config.providers, self.keys, self.http)
        except CarapaxError as error:
            return failed(NAME, error)
        if found.provider == OFFLINE:
            remedy = "keep a vendor's key with `carapax models add openai`, or start a local model server"
            return Finding(NAME, "warn", f"the offline demo answers: {found.reason}", remedy)
        told = f"{found.provider}/{found.model}: {found.reason}"
        if self.used.partition("/")[0] == OFFLINE:
            remedy = "open Models on the page, or `carapax models providers`: the gateway then looks anew; what only"
            remedy += " this terminal's environment says must be set where the gateway is started"
            return Finding(NAME, "warn", f"the gateway still answers with {self.used}; found by now: {told}", remedy)
        return Finding(NAME, "ok", told)
