"""Changes `carapax.toml` for a person: keys and tables come and go, and every other line stays as it is."""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from carapax import durable
from carapax.configdoc import as_default
from carapax.configfile import NO_FILE, Look, Route, parse, read
from carapax.errors import Conflict, StoreError
from carapax.home import Home
from carapax.tomledit import edited

_BOM = "\ufeff"
Changes = Mapping[Route, object]
"""A value for each path; None takes away what stands there."""


def with_changes(text: str, changes: Changes) -> str:
    """A configuration with values set, tables written, and what is None taken away. Raises Conflict where that cannot
    be done without touching more."""
    for path, value in changes.items():
        text = edited(text, path, value, as_default)
    return text


def change(home: Home, changes: Changes, look: Look | None = None) -> bool:
    """Change the file of a home; whether it was another one before.

    Raises ConfigError when the file cannot be used as it is now or would be then, Conflict when it cannot be changed
    so, StoreError when it cannot be written.
    """
    with locked(home):
        before = read(home)
        parse(before.text, str(home.config_file))
        changed = with_changes(before.text, changes)
        parse(changed, str(home.config_file), look)
        if changed == before.text and before.digest != NO_FILE:
            return False
        write(home, changed, before.digest)
    return True


def write(home: Home, text: str, seen: str) -> None:
    """Have the file say this, in place of what has the digest `seen`. The file that a link leads to is changed, not the
    link. Raises Conflict when it says something else by now, StoreError when it cannot be written."""
    file = home.config_file
    try:
        place = file.resolve()
        data, mode = _bytes(place)
        mark = _BOM if data.startswith(_BOM.encode()) else ""
        if read(home).digest != seen:
            raise Conflict(f"{file} was changed meanwhile", "look at it again")
        if not mode & stat.S_IWUSR:
            raise StoreError(f"{file} is read-only", "make it writable, or change it where it is made")
        durable.replace(place, (mark + text).encode(), mode)
    except OSError as error:
        raise durable.unwritable(file, error) from error


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """No other process changes the file of a home by this module meanwhile. Raises StoreError, Forbidden for root in
    the home of another user."""
    folder = home.config_file.resolve().parent
    durable.refuse_root(home.config_dir, folder)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"{home.config_file} cannot be written: {error.strerror}", "make its folder") from error
    try:
        with suppress(OSError):  # a file system without locks: then two writers may still conflict, and one is told
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _bytes(file: Path) -> tuple[bytes, int]:
    """What a file holds, and its mode; nothing, and that of a private one, when it is not there."""
    try:
        return file.read_bytes(), stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return b"", 0o600
