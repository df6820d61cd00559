"""Setting up a home from the terminal: with the gateway that runs on it, else in the home itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from carapax import configedit
from carapax.api.setup import Known, Setup, sum_up
from carapax.cli.loop import awaited
from carapax.cli.record import open_record
from carapax.cli.rpc import find_gateway
from carapax.cli.stored import Stored
from carapax.configcheck import check, look
from carapax.configfile import parse, read
from carapax.doctor.checks import sandbox
from carapax.doctor.finding import Patient
from carapax.errors import NotFound
from carapax.personas import Personas
from carapax.settings import refuse_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carapax.config import Config, Home
    from carapax.configfile import Route
    from carapax.models.detection import Detected
    from carapax.vault import Vault

AUTO = "auto"


def look_at(home: Home) -> Setup:
    """How far setting up has come. Raises what the vault and the configuration do."""
    if gateway := find_gateway(home):
        return gateway.call("setup.status", {}, Setup)
    from carapax.cli.unlocking import unlocked

    config, vault = check(home), unlocked(home)
    name, agent = next(iter(config.agents.items()))
    persona = Personas(home.personas).read(name)
    model, reason = agent.model, "chosen in the configuration"
    if model == AUTO:
        found = awaited(_detected(config, vault))
        model, reason = "/".join(filter(None, (found.provider, found.model))), found.reason
    problem = awaited(_sandbox_problem(home, config, vault))
    title = persona.title if persona else ""
    return sum_up(config, Known(model, reason, title, problem, _has_owner(home), finished=False, is_new=False))


def refuse_misfits(home: Home, changes: Mapping[Route, object]) -> None:
    """Raises ConfigError or InvalidRequest for values that do not fit, before anything is done."""
    refuse_secrets(changes)
    parse(configedit.with_changes(read(home).text, changes), str(home.config_file), look)


def change(home: Home, changes: Mapping[Route, object]) -> None:
    """Write carapax.toml, which a running gateway then takes up. Raises ConfigError, Conflict, StoreError."""
    if gateway := find_gateway(home):
        given = [{"path": path, "value": value} for path, value in changes.items()]
        gateway.call("config.set", {"changes": given}, dict[str, object])
    elif changes:
        configedit.change(home, changes, look)


def finish(home: Home) -> None:
    """Have the page not offer it any more."""
    open_record(home).finish_setup()


async def _detected(config: Config, vault: Vault) -> Detected:
    from carapax.http import Http
    from carapax.models.detection import detect
    from carapax.models.keys import Keys

    async with Http() as http:
        return await detect(config.providers, Keys(vault, os.environ), http)


async def _sandbox_problem(home: Home, config: Config, vault: Vault) -> str:
    """Why the sandbox of the default agent cannot be had, and what to do; empty when it works."""
    name, agent = next(iter(config.agents.items()))
    [found] = await sandbox.check(Patient(home, replace(config, agents={name: agent}), os.environ, vault))
    return "" if found.state == "ok" else f"{found.message} ({found.remedy})"


def _has_owner(home: Home) -> bool:
    try:
        return Stored(home).has_owner()
    except NotFound:  # nothing was ever started here
        return False
