"""Files written as a whole: when the machine stops, there is the old one or the new one, never something between."""

import errno
import os
from pathlib import Path

from carapax.errors import Forbidden, StoreError, StoreFull


def replace(file: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file in place of the one that is there, if any; it is on disk when this returns. Raises OSError.

    Whoever writes the same file at the same time has to be kept out by a lock.
    """
    draft = _draft(file, data, mode)
    try:
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def create(file: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file that is not there yet. Raises FileExistsError when it is, another OSError when it cannot be."""
    draft = _draft(file, data, mode)
    try:
        os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(file.parent)


def unwritable(file: Path, error: OSError) -> StoreError:
    """What tells people that a file cannot be written, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"{file} cannot be written: {error.strerror}", "free some space")
    return StoreError(f"{file} cannot be written: {error.strerror}", "make it and its folder writable")


def refuse_root(*folders: Path) -> None:
    """Raises Forbidden when root would write into a folder of another user: what it writes is out of that user's reach,
    and where it writes may be that user's choice. One in which there is nothing that is not root's is used by nobody
    else: so it is with the folder that a container has its home in."""
    for folder in folders:
        if os.geteuid() == 0 and folder.is_dir() and (owner := folder.stat().st_uid) and not _is_only_roots(folder):
            remedy = (
                f"run this as that user (sudo -u '#{owner}' ..., a container with --user {owner}), or give the folder "
                "and what is in it to root"
            )
            raise Forbidden(f"{folder} is of another user ({owner}), who could not use what root writes there", remedy)


def _is_only_roots(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return all(entry.stat(follow_symlinks=False).st_uid == 0 for entry in entries)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft(file: Path, data: bytes, mode: int) -> Path:
    """The data in a file beside it, on disk. What a crash left there before is of no use to anybody."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            os.fchmod(descriptor, mode)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(stream.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft
