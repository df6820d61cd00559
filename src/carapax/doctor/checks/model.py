"""Which models would answer, and whether their servers can be reached."""

import asyncio
from collections.abc import Mapping

from carapax.clock import SystemClock
from carapax.config import Config
from carapax.doctor.finding import Finding, Patient, failed
from carapax.errors import CarapaxError
from carapax.http import Http
from carapax.models.detection import detect
from carapax.models.opening import open_provider

NAME = "model"
_TIMEOUT_S = 10.0


async def check(patient: Patient) -> list[Finding]:
    if patient.config is None:
        return []
    models = dict.fromkeys(agent.model for agent in patient.config.agents.values())
    async with Http() as http:
        return [await _model(model, patient.config, patient.environ, http) for model in models]


async def _model(model: str, config: Config, environ: Mapping[str, str], http: Http) -> Finding:
    if model == "auto":
        return await _detected(config, environ, http)
    provider, _, name = model.partition("/")
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            opened = open_provider(provider, config.providers.get(provider), http, environ, SystemClock())
            known = {info.name for info in await opened.models()}
    except TimeoutError:
        return Finding(
            NAME, "fail", f"{provider} did not answer in {_TIMEOUT_S:.0f} s", f"check [providers.{provider}]"
        )
    except CarapaxError as error:
        return failed(NAME, error)
    if known and name not in known:
        return Finding(NAME, "warn", f"{provider} does not list {name}", f"it has {', '.join(sorted(known)[:5])} ...")
    return Finding(NAME, "ok", f"{model} can be asked")


async def _detected(config: Config, environ: Mapping[str, str], http: Http) -> Finding:
    found = await detect(config.providers, environ, http)
    if found.provider == "demo":
        remedy = "set the key of a vendor in the environment, such as OPENAI_API_KEY, or start a local model server"
        return Finding(NAME, "warn", f"the offline demo answers: {found.reason}", remedy)
    return Finding(NAME, "ok", f"{found.provider}/{found.model}: {found.reason}")
