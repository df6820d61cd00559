"""One gateway per home."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from carapax import durable
from carapax.config import Home
from carapax.errors import StoreError, StoreLocked

_GLANCE_S = 0.05


@contextmanager
def lock_home(home: Home, *, patience_s: float = 0) -> Iterator[None]:
    """Hold the home until the end, or until the process dies in whatever way.

    Raises StoreLocked when another process holds it, for longer than `patience_s`, during which nothing else is done
    here; StoreError when the home cannot be written; Forbidden for root in the home of another user.
    """
    durable.refuse_root(home.config_dir, home.data_dir)
    descriptor = _open(home)
    try:
        give_up_at = time.monotonic() + patience_s
        while not _take(descriptor):
            if time.monotonic() >= give_up_at:
                raise _held(descriptor, home)
            time.sleep(_GLANCE_S)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return True


def _held(descriptor: int, home: Home) -> StoreLocked:
    holder = os.pread(descriptor, 20, 0).decode("ascii", "replace") or "unknown"
    return StoreLocked(
        f"another gateway (process {holder}) holds {home.data_dir}", "stop it, or choose another home with --home"
    )


def _open(home: Home) -> int:
    try:
        home.lock_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(home.lock_file, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StoreError(
            f"{home.lock_file} cannot be written: {error.strerror}",
            "make it writable, or choose another home with --home",
        ) from error
