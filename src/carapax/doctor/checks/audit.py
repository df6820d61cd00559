"""Whether the end of the audit log is as it was written."""

from carapax.doctor.finding import Finding, Patient
from carapax.errors import StoreError
from carapax.store.audit import verify
from carapax.store.migrations import MIGRATIONS, schema_version
from carapax.store.sqlite import open_database

NAME = "audit"
_LAST = 1000


async def check(patient: Patient) -> list[Finding]:
    """Nothing is said of a database that cannot be read, of which its own check tells."""
    file = patient.home.database_file
    if not file.exists():
        return []
    try:
        database = await open_database(file, read_only=True)
        try:
            if await schema_version(database) != len(MIGRATIONS):
                return []
            verdict = await verify(database, _LAST)
        finally:
            await database.close()
    except StoreError:
        return []
    if verdict.broken:
        remedy = "somebody wrote to the database; `carapax audit --verify` follows the whole log"
        return [Finding(NAME, "fail", verdict.problem, remedy)]
    return [Finding(NAME, "ok", f"the last {verdict.entries} entries are as they were written")]
