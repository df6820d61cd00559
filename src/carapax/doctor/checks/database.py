"""Whether the database is whole and of this release."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from carapax.doctor.finding import Finding, Patient, failed
from carapax.errors import StoreError
from carapax.store.connection import check_for
from carapax.store.migrations import MIGRATIONS, schema_version
from carapax.store.sqlite import open_database

NAME = "database"
_CHECKING_S = 5.0
_LONG_LOG_BYTES = 16 << 20


async def check(patient: Patient) -> list[Finding]:
    file = patient.home.database_file
    if not file.exists():
        return [Finding(NAME, "ok", "none yet: made at first start")]
    try:
        database = await open_database(file, read_only=True)
        try:
            version = await schema_version(database)
        finally:
            await database.close()
        whole = await asyncio.to_thread(check_for, file, _CHECKING_S)
    except StoreError as error:
        return [failed(NAME, error)]
    if version > len(MIGRATIONS):
        return [Finding(NAME, "fail", f"{file} was written by a newer release", "use that release")]
    how = "is whole" if whole else f"is whole as far as could be seen in {_CHECKING_S:.0f} s"
    return [Finding(NAME, "ok", f"{file} {how}, {file.stat().st_size / (1 << 20):.1f} MB"), *_log(patient)]


def _log(patient: Patient) -> Iterator[Finding]:
    """A gateway keeps its log short; one that was killed may leave a long one, which the next start moves as well."""
    log = Path(f"{patient.home.database_file}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LONG_LOG_BYTES and not patient.running:
        message = f"{log} is long: {size / (1 << 20):.1f} MB"
        yield Finding(NAME, "warn", message, "start the gateway once, or let the doctor tidy it", f"{NAME}:tidy:")
