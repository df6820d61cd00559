"""Whether what is kept secret can be read, and by whom."""

from carapax.doctor.finding import Finding, Patient, failed
from carapax.errors import CarapaxError
from carapax.vault import open_vault

NAME = "vault"


async def check(patient: Patient) -> list[Finding]:
    vault = open_vault(patient.home)
    try:
        names = await vault.names()
        for name in names:
            await vault.get(name)
    except CarapaxError as error:
        return [failed(NAME, error)]
    if not names:
        return [Finding(NAME, "ok", "nothing is kept secret yet")]
    place = patient.home.vault
    return [
        Finding(NAME, "ok", f"{len(names)} in {place}, sealed with the key file there, which only this user may read")
    ]
