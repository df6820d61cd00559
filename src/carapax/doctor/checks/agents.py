"""Whether agents may run."""

from carapax.doctor.finding import Finding, Patient
from carapax.errors import StoreError
from carapax.store.halt import REMEDY, read_stop
from carapax.store.migrations import MIGRATIONS, schema_version
from carapax.store.sqlite import open_database

NAME = "agents"


async def check(patient: Patient) -> list[Finding]:
    """Nothing is said of a database that cannot be read, of which its own check tells."""
    file = patient.home.database_file
    if not file.exists():
        return []
    try:
        database = await open_database(file, read_only=True)
        try:
            stop = await read_stop(database) if await schema_version(database) == len(MIGRATIONS) else None
        finally:
            await database.close()
    except StoreError:
        return []
    return [Finding(NAME, "warn", stop.told(), REMEDY)] if stop else [Finding(NAME, "ok", "may run")]
