"""Whether there is room, and how much of it the home takes."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from carapax.doctor.finding import Finding, Patient

NAME = "disk"
_NEEDED_BYTES = 50 << 20
_WANTED_BYTES = 500 << 20
_COUNTING_S = 1.0


async def check(patient: Patient) -> list[Finding]:
    config, data = patient.home.config_dir, patient.home.data_dir
    folders = [data] if data.is_relative_to(config) else [config, data]
    return [finding for folder in folders for finding in _room(folder)]


def _room(folder: Path) -> Iterator[Finding]:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        return
    free = shutil.disk_usage(there).free
    if free < _WANTED_BYTES:
        message = f"the disk of {folder} has only {free >> 20} MB left"
        yield Finding(NAME, "fail" if free < _NEEDED_BYTES else "warn", message, "free some space on it")
        return
    room = f"{free >> 30} GB" if free >> 30 else f"{free >> 20} MB"
    taken = f", and takes {_size(folder)}" if folder.exists() else ""
    yield Finding(NAME, "ok", f"{folder} has {room} of room{taken}")


def _size(folder: Path) -> str:
    """What its files take, as far as they can be counted in a moment."""
    end, total, cut = time.monotonic() + _COUNTING_S, 0, ""
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(place, name).lstat().st_blocks * 512
            except OSError:
                continue
        if time.monotonic() > end:
            cut = "more than "
            break
    return f"{cut}{total / 1e6:.1f} MB"
