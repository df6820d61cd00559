"""Whether the folders of the home are private and can be written."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from carapax.doctor.finding import Finding, Patient, open_to_others

NAME = "home"


async def check(patient: Patient) -> list[Finding]:
    home = patient.home
    folders = dict.fromkeys([home.config_dir, home.data_dir])
    found = [finding for folder in folders for finding in _folder(folder)]
    if home.config_file.exists() and _is_open(home.config_file):
        found.append(open_to_others(NAME, home.config_file))
    return found


def _folder(folder: Path) -> Iterator[Finding]:
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if _writable(above):
            yield Finding(NAME, "ok", f"{folder} will be made at first start")
        else:
            yield Finding(NAME, "fail", f"{folder} cannot be made: {above} cannot be written", _REMEDY)
        return
    if not folder.is_dir():
        yield Finding(NAME, "fail", f"{folder} is not a folder", "move it away, or choose another home with --home")
        return
    if not _writable(folder):
        yield Finding(NAME, "fail", f"{folder} cannot be written", _REMEDY)
    if _is_open(folder):
        yield open_to_others(NAME, folder)
    else:
        yield Finding(NAME, "ok", f"{folder} is yours alone")


_REMEDY = "make it writable for this user, or choose another home with --home"


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & os.ST_RDONLY


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
