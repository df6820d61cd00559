"""Whether the clock is right: certificates are refused and sessions sorted wrongly when it is not."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from carapax.clock import SystemClock
from carapax.config import Config
from carapax.doctor.finding import Finding, Patient
from carapax.errors import ConfigError, Unavailable
from carapax.http import Http
from carapax.models.catalogue import resolve

NAME = "clock"
_RELEASED_AT = 1_767_225_600  # 2026-01-01: no clock that is right shows an earlier time
_TOLERATED_S = 60
_TIMEOUT_S = 5.0
_REMEDY = "set the clock, for example with `timedatectl set-ntp true`"


async def check(patient: Patient) -> list[Finding]:
    """Compared with nobody but a server of models that agents ask anyway, where there is one on the internet."""
    now = SystemClock().now()
    if now < _RELEASED_AT:
        return [Finding(NAME, "fail", "the clock is years behind", _REMEDY)]
    written = [file for file in (patient.home.config_file, patient.home.database_file) if file.exists()]
    if any(file.stat().st_mtime > now + _TOLERATED_S for file in written):
        return [Finding(NAME, "warn", "files of this home were written in the future, so the clock went back", _REMEDY)]
    for server in _servers(patient.config) if patient.config else ():
        ahead = await _ahead(server)
        if ahead is not None:
            return [_compared(urlsplit(server).hostname or server, ahead)]
    return [Finding(NAME, "ok", "the clock can be right; it was compared with no other")]


def _servers(config: Config) -> Iterator[str]:
    """Those on the internet that agents ask for answers."""
    models = [model for agent in config.agents.values() for model in config.chains.get(agent.model, (agent.model,))]
    for name in dict.fromkeys(model.partition("/")[0] for model in models):
        with suppress(ConfigError):
            url = resolve(name, config.providers.get(name)).base_url
            if url.startswith("https:"):
                yield url


async def _ahead(server: str) -> float | None:
    """Seconds that this clock is ahead of a server's; None when it does not tell the time."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # heavy, and seldom needed

    try:
        async with asyncio.timeout(_TIMEOUT_S), Http() as http, http.request("HEAD", server) as answer:
            now = SystemClock().now()
            return now - parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (Unavailable, TimeoutError, KeyError, ValueError):
        return None


def _compared(host: str, ahead: float) -> Finding:
    if abs(ahead) > _TOLERATED_S:
        how = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
        return Finding(NAME, "warn", f"the clock is {how} that of {host}", _REMEDY)
    return Finding(NAME, "ok", f"the clock agrees with that of {host}")
