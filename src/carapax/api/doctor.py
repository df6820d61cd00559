"""The doctor: what is wrong with the gateway's home, and repairs that can lose nothing."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from msgspec import Struct

from carapax.api.fields import Identifier
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.doctor.finding import Finding
from carapax.doctor.run import CHECKS, LIMIT_S
from carapax.errors import Unavailable

T = TypeVar("T")


class Examine(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look at.

    checks: names of checks; none for all
    """

    checks: list[Identifier] = []


class Report(Struct, frozen=True):
    """What was found.

    checks: the names of all checks there are, in their order
    findings: what those that were asked for found
    """

    checks: list[str]
    findings: list[Finding]


class Repair(Struct, frozen=True, forbid_unknown_fields=True):
    """A repair to make.

    fix: its id, as a finding has it
    """

    fix: Identifier


class Repaired(Struct, frozen=True):
    """A repair that was made.

    fixed: what was done
    """

    fixed: str


@operation("doctor.run", scope="admin", path="/api/doctor", raises=(404, 503))
async def run(services: Services, params: Examine) -> Report:
    """Look for what is wrong, as `carapax doctor` does. A check that takes too long says so."""

    async def examined() -> list[Finding]:
        return [finding async for finding in services.doctor.examine(params.checks)]

    await services.registry.look_again()
    return Report([*CHECKS], await _aside(examined()))


@operation("doctor.fix", scope="admin", method="POST", path="/api/doctor/fix", raises=(404, 409, 503))
async def fix(services: Services, params: Repair) -> Repaired:
    """Make a repair that a finding offers now."""
    fixed = await _aside(services.doctor.fix(params.fix))
    await services.audit.note("doctor.fix", services.caller.actor(), detail={"fix": params.fix, "fixed": fixed})
    return Repaired(fixed)


async def _aside(work: Coroutine[object, object, T]) -> T:
    """Do it in a thread of its own, on an event loop of its own, so that the gateway goes on whatever it waits for."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="doctor")
    try:
        return await asyncio.wait_for(asyncio.wrap_future(pool.submit(asyncio.run, work)), 2 * LIMIT_S)
    except TimeoutError:
        raise Unavailable("the doctor waits for something that does not come", "see what the disks say") from None
    finally:
        pool.shutdown(wait=False)
