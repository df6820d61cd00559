"""Runs every check, in this order."""

from collections.abc import AsyncIterator, Mapping

from carapax.config import Config, Home
from carapax.configfile import load
from carapax.doctor.checks import (
    agents,
    audit,
    clock,
    configuration,
    database,
    folders,
    model,
    port,
    sandbox,
    search,
    vault,
)
from carapax.doctor.finding import Finding, Patient
from carapax.errors import ConfigError

CHECKS = (
    configuration.check,
    folders.check,
    database.check,
    agents.check,
    audit.check,
    port.check,
    sandbox.check,
    vault.check,
    model.check,
    search.check,
    clock.check,
)


async def examine(home: Home, environ: Mapping[str, str], running: int = 0) -> AsyncIterator[Finding]:
    """What each check finds, as it finds it. `running` is the port of the home's gateway, or 0. Changes nothing."""
    patient = Patient(home, _config(home), environ, running)
    for check in CHECKS:
        for finding in await check(patient):
            yield finding


def _config(home: Home) -> Config | None:
    try:
        return load(home)
    except ConfigError:
        return None
