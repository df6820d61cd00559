"""One connection to a SQLite file: how it is opened, checked, and what its errors mean to us."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import apsw

from carapax.errors import InvalidRequest, StoreCorrupt, StoreError, StoreFull, StoreLocked
from carapax.store.audit import chained

# What SQLite or apsw say of a statement that nothing but the statement is wrong with.
MISUSE = (
    apsw.SQLError,
    apsw.BindingsError,
    apsw.MismatchError,
    apsw.RangeError,
    apsw.TooBigError,
    TypeError,
    ValueError,
    OverflowError,
)
BUSY_MS = 5_000
# In pages of 4 KB: how long the write-ahead log may be while nobody writes, so that it stays small on disk, and how
# long while somebody does. Up to there its file is kept, as syncing what is written over is twice as fast as growing.
RESTING_LOG_PAGES = 200
LONGEST_LOG_PAGES = 1_000
# A whole check takes about 10 ms a megabyte; of a larger file only the tables that stay small are checked at the start.
WHOLE_CHECK_BYTES = 4 << 20
_STEPS = 10_000  # of its virtual machine, a few milliseconds
_LARGE_TABLES = ("events", "receipts", "audit")


@dataclass(frozen=True, slots=True)
class Source:
    """Which file to open and how; `vfs` names an apsw VFS, empty for the system's own."""

    path: Path
    synchronous: str = "FULL"
    vfs: str = ""


def connect(source: Source, *, read_only: bool) -> apsw.Connection:
    """Open the file, made with mode 0600 when it is new. Raises a StoreError."""
    flags = apsw.SQLITE_OPEN_READONLY
    if not read_only:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        _create(source.path)
    try:
        connection = apsw.Connection(str(source.path), flags=flags, vfs=source.vfs or None)
    except apsw.Error as error:
        raise explained(source.path, error) from error
    try:
        _configure(connection, source, read_only)
    except apsw.Error as error:
        close(connection)
        raise explained(source.path, error) from error
    return connection


def close(connection: apsw.Connection) -> None:
    """Close whatever state it is in: after an I/O error closing may fail as well, and changes nothing then."""
    try:
        connection.close(True)
    except apsw.Error:
        return


def _create(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreFull(f"{path}: cannot be written: {error.strerror}", "give this user write access to it") from error


def _configure(connection: apsw.Connection, source: Source, read_only: bool) -> None:
    connection.set_busy_timeout(BUSY_MS)
    connection.create_scalar_function("chained", _chained, 2, deterministic=True)
    if read_only:
        connection.pragma("query_only", True)
        return
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", source.synchronous)
    connection.pragma("foreign_keys", True)
    connection.pragma("journal_size_limit", LONGEST_LOG_PAGES * 4096)


def _chained(*given: object) -> str:
    return chained(str(given[0]), str(given[1]))


def check(connection: apsw.Connection, path: Path) -> None:
    """Raise StoreCorrupt when the file is damaged: all of a small one, the length and small tables of a large one."""
    try:
        size = connection.pragma("page_count") * connection.pragma("page_size")
        if size <= WHOLE_CHECK_BYTES:
            _quick_check(connection, path, "")
            return
        log = Path(f"{path}-wal")
        if path.stat().st_size < size and not (log.exists() and log.stat().st_size):
            raise _corrupt(path, f"{size - path.stat().st_size} bytes are missing at its end")
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            if table not in _LARGE_TABLES:
                _quick_check(connection, path, f"('{table}')")
    except apsw.Error as error:
        raise explained(path, error) from error


def check_for(path: Path, seconds: float) -> bool:
    """Check all of a file, for so long; whether that was enough. Raises StoreCorrupt, or another StoreError."""
    connection = connect(Source(path), read_only=True)
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        _quick_check(connection, path, "")
    except apsw.InterruptError:
        return False
    except apsw.Error as error:
        raise explained(path, error) from error
    finally:
        close(connection)
    return True


def tidy(path: Path) -> tuple[int, int]:
    """Move the log of a file that nobody else uses into it, and gather what queries are planned by. Returns the bytes
    of the log before and after. Raises a StoreError."""
    log = Path(f"{path}-wal")
    before = log.stat().st_size if log.exists() else 0
    connection = connect(Source(path), read_only=False)
    try:
        connection.pragma("optimize")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error as error:
        raise explained(path, error) from error
    finally:
        close(connection)
    return before, log.stat().st_size if log.exists() else 0


def _quick_check(connection: apsw.Connection, path: Path, argument: str) -> None:
    found = connection.execute(f"PRAGMA quick_check{argument}").fetchone()
    if found != ("ok",):
        lines = str(found[0] if found else "unreadable").splitlines()
        raise _corrupt(path, lines[-1])


def _corrupt(path: Path, detail: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"{path}: the database is damaged: {detail}",
        "stop the gateway, move the file and its -wal and -shm away, and put a copy in its place, or start empty and "
        "bring sessions back with `carapax sessions import`",
    )


def explained(path: Path, error: apsw.Error) -> StoreError:
    """What an error of SQLite means to whoever called the store."""
    match error:
        case apsw.CorruptError() | apsw.NotADBError():
            return _corrupt(path, str(error))
        case apsw.FullError():
            return StoreFull(f"{path}: the disk is full", "free some space; nothing that was accepted is lost")
        case apsw.ReadOnlyError() | apsw.PermissionsError():
            return StoreFull(f"{path}: the database cannot be written: {error}", "give this user write access to it")
        case apsw.BusyError() | apsw.LockedError():
            return StoreLocked(
                f"{path}: another process is writing to the database", "stop it, or wait until it is done"
            )
        case apsw.CantOpenError():
            return StoreError(f"{path}: the database cannot be opened: {error}", "check that it exists and is readable")
        case _:
            return StoreError(f"{path}: the database failed: {error}", "check the disk and its file system")


def misused(what: str, error: Exception) -> InvalidRequest | StoreError:
    """What one of `MISUSE` means: a text that cannot be kept is its sender's fault, all else is ours."""
    if isinstance(error, UnicodeError):
        return InvalidRequest("a text holds half a character (a lone surrogate)", "send text that is valid Unicode")
    return StoreError(f"{what} cannot be run: {error}")
