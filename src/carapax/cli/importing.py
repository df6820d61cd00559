"""Secrets of somebody else's file, brought into the vault."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from carapax.cli.secretstore import Secrets
from carapax.cli.terminal import clean
from carapax.cli.unlocking import ask
from carapax.errors import InvalidRequest, NotFound, Unavailable
from carapax.importers import dotenv, opencrust
from carapax.models.keys import names_for
from carapax.redaction import Secret
from carapax.vault import is_name

_LARGEST = 1 << 20


class Step(Struct, frozen=True):
    """One secret of the file: what it is called there, under which name it would be kept, and what becomes of it."""

    variable: str
    name: str
    secret: Secret
    fate: Literal["new", "replaces", "is there", "is empty", "has no name that can be kept"]

    @property
    def is_kept(self) -> bool:
        return self.fate in ("new", "replaces")


def plan(file: Path, secrets: Secrets, *, replace: bool) -> list[Step]:
    """What importing would do, in the order of the file. Raises a CarapaxError for a file that cannot be read."""
    there = {kept.name for kept in secrets.kept()}
    return list(_steps(read(file), there, replace=replace))


def read(file: Path) -> dict[str, Secret]:
    """The secrets in a `.env` file, or in a vault of OpenCrust, whose passphrase is looked for and asked for."""
    try:
        with file.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no {file}") from None
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror}", "check it") from error
    if len(data) > _LARGEST:
        raise InvalidRequest(f"{file} is larger than 1 MiB", "it can hardly be a file of secrets")
    if opencrust.is_vault(data):
        return opencrust.read(data, _passphrase())
    try:
        return dotenv.read(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidRequest(f"{file} is no text in UTF-8, and no vault that is known") from None
    except InvalidRequest as error:
        raise InvalidRequest(f"{file}: {error.message}", error.hint) from None


def _passphrase() -> Secret:
    if told := os.environ.get(opencrust.PASSPHRASE, ""):
        return Secret(told)
    if sys.stdin.isatty():
        return ask("Passphrase of the OpenCrust vault")
    hint = f"set {opencrust.PASSPHRASE}; OpenCrust may keep it in the keyring of the system"
    raise Unavailable("the passphrase of the OpenCrust vault is not known", hint)


def _steps(found: Mapping[str, Secret], there: set[str], *, replace: bool) -> Iterator[Step]:
    for variable, secret in found.items():
        for name in names_for(variable):
            if not is_name(name):
                yield Step(clean(variable), "", secret, "has no name that can be kept")
            elif not secret:
                yield Step(variable, name, secret, "is empty")
            elif name in there:
                yield Step(variable, name, secret, "replaces" if replace else "is there")
            else:
                yield Step(variable, name, secret, "new")
