"""Whether the database is whole and of this release."""

from carapax.doctor.finding import Finding, Patient, failed
from carapax.errors import StoreError
from carapax.store.migrations import MIGRATIONS, schema_version
from carapax.store.sqlite import open_database

NAME = "database"


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
    except StoreError as error:
        return [failed(NAME, error)]
    if version > len(MIGRATIONS):
        return [Finding(NAME, "fail", f"{file} was written by a newer release", "use that release")]
    return [Finding(NAME, "ok", f"{file} is whole, {file.stat().st_size / (1 << 20):.1f} MB")]
