"""Whether what is kept secret can be read, by whom, and what stands in the clear beside it."""

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from carapax.doctor.finding import Finding, Patient, failed, open_to_others
from carapax.errors import CarapaxError
from carapax.models.catalogue import vendors
from carapax.passphrase import VARIABLE, Locked
from carapax.redaction import is_called_secret
from carapax.vault import Vault

NAME = "vault"
_LARGEST = 1 << 20
_SET = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*[^\s#]", re.MULTILINE)
_MOST_TOLD = 5


async def check(patient: Patient) -> list[Finding]:
    vault = patient.vault
    kept = await _kept(patient, vault)
    missing = [] if kept.state == "fail" else _of_agents(patient, await vault.names())
    return [kept, *missing, *_open_to_others(patient), *_in_the_clear(patient)]


async def _kept(patient: Patient, vault: Vault) -> Finding:
    try:
        names = await vault.names()
        protection = await vault.protection()
        for name in names:
            await vault.get(name)
    except Locked as error:
        return Finding(NAME, "warn", f"{error.message}, so it was not looked into", error.hint)
    except CarapaxError as error:
        return failed(NAME, error)
    if not names:
        return Finding(NAME, "ok", "nothing is kept secret yet")
    how = {
        "passphrase": "its key is locked with a passphrase, which was found",
        "keyring": "its key is in the keyring of the system, which gave it",
        "key file": "sealed with the key file there, which only this user may read",
    }
    return Finding(NAME, "ok", f"{len(names)} in {patient.home.vault}, {how[protection]}")


def _of_agents(patient: Patient, names: Collection[str]) -> Iterator[Finding]:
    """Secrets for agents that nobody has kept, or that no agent has."""
    if patient.config is None:
        return
    for name, section in patient.config.credentials.items():
        secret = section.secret or name
        if secret not in names:
            yield Finding(NAME, "warn", f"secret:{name} is not in the vault", f"carapax secrets set {secret}")
        if not any(fnmatchcase(agent, pattern) for agent in patient.config.agents for pattern in section.agents):
            yield Finding(NAME, "warn", f"no agent has secret:{name}", f"name one in [credentials.{name}] agents")


def _open_to_others(patient: Patient) -> Iterator[Finding]:
    vault = patient.home.vault
    files = [vault, vault / "vault.json", vault / "key"]
    if named := patient.environ.get(VARIABLE, ""):
        files.append(Path(named))
    for file in files:
        try:
            mode = file.stat().st_mode & 0o077
        except OSError:
            continue
        if mode:
            yield open_to_others(NAME, file)


def _in_the_clear(patient: Patient) -> Iterator[Finding]:
    """The `.env` files that lie in the home, of which agents read those in their workspaces."""
    home = patient.home
    folders = sorted(home.workspaces.iterdir()) if home.workspaces.is_dir() else []
    for folder in dict.fromkeys([home.config_dir, home.data_dir, *folders]):
        file = folder / ".env"
        if names := _keys(file):
            told = ", ".join(names[:_MOST_TOLD]) + (" ..." if len(names) > _MOST_TOLD else "")
            remedy = f"`carapax secrets import {file} --apply`, then delete it"
            yield Finding(NAME, "warn", f"{file} holds keys in the clear: {told}", remedy)


def _keys(file: Path) -> list[str]:
    """The names of variables that are a vendor's key, or called a secret, and set. An agent may have put something
    else than a file in this place, to be waited for."""
    if not file.is_file():
        return []
    try:
        with file.open("rb") as stream:
            text = stream.read(_LARGEST).decode(errors="replace")
    except OSError:
        return []
    known = {vendor.key_env for vendor in vendors().values()}
    return [name for name in dict.fromkeys(_SET.findall(text)) if name in known or is_called_secret(name)]
