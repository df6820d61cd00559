"""Whether the folders of the home are private, can be written, and have room."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from carapax.doctor.finding import Finding, Patient

NAME = "home"
_NEEDED_BYTES = 50 << 20
_WANTED_BYTES = 500 << 20


async def check(patient: Patient) -> list[Finding]:
    home = patient.home
    folders = dict.fromkeys([home.config_dir, home.data_dir])
    found = [finding for folder in folders for finding in _folder(folder)]
    if home.config_file.exists() and _is_open(home.config_file):
        found.append(_open_to_others(home.config_file, 0o600))
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
        yield _open_to_others(folder, 0o700)
    yield _room(folder)


_REMEDY = "make it writable for this user, or choose another home with --home"


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & os.ST_RDONLY


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _open_to_others(path: Path, mode: int) -> Finding:
    return Finding(NAME, "warn", f"other users can get into {path}", f"chmod {mode:o} {path}")


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    if free < _WANTED_BYTES:
        message = f"{folder} has only {free >> 20} MB left"
        return Finding(NAME, "fail" if free < _NEEDED_BYTES else "warn", message, "free some space on its disk")
    return Finding(NAME, "ok", f"{folder} has {free >> 30} GB of room" if free >> 30 else f"{folder} has room")
