"""A disk that fails when it is told to: an apsw VFS over the system's own."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

_numbers = itertools.count()


class FaultyDisk(apsw.VFS):
    """Counts every write, sync and truncate. `fails` says of each, by its number and name, with what error it fails;
    a write that fails has written half of its bytes."""

    def __init__(self) -> None:
        self.name = f"faulty-{next(_numbers)}"
        self.operations = 0
        self.fails: Callable[[int, str], type[apsw.Error] | None] = lambda number, operation: None
        super().__init__(self.name, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)

    def check(self, operation: str) -> None:
        self.operations += 1
        error = self.fails(self.operations, operation)
        if error is not None:
            failure = error(f"{operation} number {self.operations} fails")
            if error is apsw.IOError:
                failure.extendedresult = apsw.SQLITE_IOERR_WRITE  # type: ignore[attr-defined]  # SQLite reads it here
            raise failure

    def fail_once(self, number: int, error: type[apsw.Error]) -> None:
        """Let the operation of this number, counted from now, fail."""
        self.operations = 0
        self.fails = lambda now, operation: error if now == number else None


class _File(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:
        try:
            self._disk.check("write")
        except apsw.Error:
            super().xWrite(data[: len(data) // 2], offset)
            raise
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.check("sync")
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        self._disk.check("truncate")
        super().xTruncate(size)


@contextmanager
def faulty_disk() -> Iterator[FaultyDisk]:
    disk = FaultyDisk()
    try:
        yield disk
    finally:
        disk.unregister()
