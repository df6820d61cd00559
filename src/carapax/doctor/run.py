"""Runs the checks, and the repairs that they offer."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from carapax.config import Config, Home
from carapax.configfile import load
from carapax.doctor.checks import (
    agents,
    audit,
    channels,
    clock,
    configuration,
    containers,
    database,
    disk,
    folders,
    model,
    port,
    remains,
    sandbox,
    search,
    telemetry,
    tls,
    vault,
)
from carapax.doctor.finding import Finding, Patient, failed
from carapax.doctor.fixes import FIXES
from carapax.doctor.running import announced, answers
from carapax.durable import refuse_root
from carapax.errors import CarapaxError, ConfigError, Forbidden, NotFound
from carapax.vault import Vault

LIMIT_S = 12.0
"""How long a check may take."""

Check = Callable[[Patient], Awaitable[list[Finding]]]
CHECKS: dict[str, Check] = {
    configuration.NAME: configuration.check,
    folders.NAME: folders.check,
    disk.NAME: disk.check,
    database.NAME: database.check,
    agents.NAME: agents.check,
    audit.NAME: audit.check,
    port.NAME: port.check,
    tls.NAME: tls.check,
    sandbox.NAME: sandbox.check,
    containers.NAME: containers.check,
    vault.NAME: vault.check,
    model.NAME: model.check,
    search.NAME: search.check,
    telemetry.NAME: telemetry.check,
    channels.NAME: channels.check,
    clock.NAME: clock.check,
    remains.NAME: remains.check,
}


@dataclass(frozen=True, slots=True)
class Doctor:
    """Looks at a home, beside its gateway or without one. Its checks wait for disks, servers and programs, some of them
    without letting go of the event loop. `used` is what `Patient` has of this name."""

    home: Home
    environ: Mapping[str, str]
    vault: Vault
    used: str = ""

    async def examine(self, names: Collection[str] = ()) -> AsyncIterator[Finding]:
        """What each check finds, or only those of these names. They run at the same time, and their findings come in
        the order of `CHECKS`. Changes nothing. Raises NotFound for a check that there is not."""
        for name in names:
            if name not in CHECKS:
                raise NotFound(f"there is no check {name!r}", f"there are: {', '.join(CHECKS)}")
        patient = self._patient()
        async with asyncio.TaskGroup() as group:
            chosen = {name: check for name, check in CHECKS.items() if name in (names or CHECKS)}
            tasks = [group.create_task(_bounded(name, check(patient))) for name, check in chosen.items()]
            for task in tasks:
                for finding in await task:
                    yield finding

    async def fix(self, fix: str) -> str:
        """Make a repair, if a check offers it now, and tell what was done. Raises NotFound when none does, Forbidden
        where the home is somebody else's, and a CarapaxError that says why it could not be made."""
        self._refuse_strangers()
        check, kind, subject = [*fix.split(":", 2), "", ""][:3]
        offered = [finding.fix async for finding in self.examine([check])] if check in CHECKS else []
        if fix not in offered or kind not in FIXES:
            raise NotFound(f"nothing asks for the repair {fix!r} now", "look again with `carapax doctor`")
        return await asyncio.to_thread(FIXES[kind], self._patient(), subject)

    def _refuse_strangers(self) -> None:
        """What a repair writes would be out of the owner's reach, and what it changes might be chosen by the owner."""
        refuse_root(self.home.config_dir, self.home.data_dir)
        for folder in (self.home.config_dir, self.home.data_dir):
            if folder.exists() and os.geteuid() not in (0, owner := folder.stat().st_uid):
                raise Forbidden(f"{folder} is of another user ({owner})", "have that user run `carapax doctor --fix`")

    def _patient(self) -> Patient:
        last, config = announced(self.home), _config(self.home)
        if last is None or not answers(last.url):
            return Patient(self.home, config, self.environ, self.vault)
        return Patient(self.home, config and last.of(config), self.environ, self.vault, last.url, self.used)


async def _bounded(name: str, work: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(LIMIT_S):
            return await work
    except TimeoutError:
        message = f"this did not come to its end in {LIMIT_S:.0f} s"
        return [Finding(name, "warn", message, "look again when the machine has less to do")]
    except CarapaxError as error:
        return [failed(name, error)]
    except OSError as error:
        place = error.filename or "a file"
        return [Finding(name, "fail", f"{place}: {error.strerror or error}", "see whose it is, and what its disk says")]


def _config(home: Home) -> Config | None:
    try:
        return load(home)
    except ConfigError:
        return None
