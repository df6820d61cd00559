"""The log on disk: JSON lines, private, in a few files that take turns so that all of them together stay small."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from carapax.errors import StoreError
from carapax.logs.line import Level, Line, is_at_least

MAX_BYTES = 8 << 20
"""How long a file grows before the next one is begun."""
KEPT = 4
"""Files besides the one that is written."""
_MODE = 0o600


class Wanted(Struct, frozen=True):
    """Which lines: of at least this level, with this text in their message, traceback or names, however it is
    capitalised, about this session, and before this time."""

    level: Level = "debug"
    text: str = ""
    session: str = ""
    before: float = 1e300

    def fits(self, line: Line) -> bool:
        if not is_at_least(line.level, self.level) or self.session not in ("", line.session) or line.at >= self.before:
            return False
        words = self.text.casefold()
        told = (line.text, line.error, line.logger, line.agent, line.run, line.request, *line.fields.values())
        return not words or any(words in part.casefold() for part in told)


class LogFile:
    """`gateway.jsonl` in a folder, which is made when the first line comes; for one thread at a time."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._kept = kept
        self._file = -1

    def write(self, data: bytes) -> None:
        """Append whole lines, all or none. Raises OSError when that cannot be done now; it may later."""
        if self._file < 0 or not os.fstat(self._file).st_nlink:
            self._open()
        size = os.fstat(self._file).st_size  # whoever empties it meanwhile is welcome to
        if size and size + len(data) > self._max_bytes:
            self._turn()
            size = 0
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _open(self) -> None:
        self.close()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(place(self.folder), flags, _MODE)
        os.fchmod(self._file, _MODE)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":  # the power went off within a line
            os.write(self._file, b"\n")

    def _turn(self) -> None:
        for number in range(self._kept, 0, -1):
            if (older := place(self.folder, number - 1)).exists():
                older.replace(place(self.folder, number))
        self._open()


def place(folder: Path, number: int = 0) -> Path:
    """The file that is written, or the one that was so many turns before."""
    return folder / (f"gateway.{number}.jsonl" if number else "gateway.jsonl")


def newest(folder: Path, wanted: Wanted, limit: int) -> list[Line]:
    """The last lines that are wanted, newest first; none where nothing was logged. Raises StoreError for files that
    cannot be read."""
    found: list[Line] = []
    for _, data in reversed(_files(folder)):
        for raw in reversed(data.splitlines()):
            line = _parsed(raw)
            if line is not None and wanted.fits(line):
                found.append(line)
                if len(found) == limit:
                    return found
    return found


class Tail:
    """All lines from the oldest on, then what comes to them, also across turns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inode = 0
        self._read = 0

    def more(self) -> Iterator[Line]:
        """The lines since the last call. Raises StoreError for files that cannot be read."""
        files = _files(self._folder)
        known = next((at for at, (inode, _) in enumerate(files) if inode == self._inode), 0)
        for inode, data in files[known:]:
            read = self._read if inode == self._inode and self._read <= len(data) else 0
            end = data.rfind(b"\n", read) + 1
            for raw in data[read:end].splitlines():
                if (line := _parsed(raw)) is not None:
                    yield line
            self._inode, self._read = inode, max(read, end)


def _files(folder: Path) -> list[tuple[int, bytes]]:
    """What the files hold, by their inodes, oldest first. They are opened newest first: a turn meanwhile shows one
    twice, of which one stays, and none never."""
    found: dict[int, bytes] = {}
    for number in range(KEPT + 1):
        file = place(folder, number)
        try:
            with open(file, "rb", opener=_at_once) as stream:  # Path.open takes no opener
                told = os.fstat(stream.fileno())
                if not stat.S_ISREG(told.st_mode):
                    raise StoreError(f"{file} is no file", "move it away: the gateway makes it anew")
                if told.st_ino not in found:
                    found[told.st_ino] = stream.read()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(f"{file} cannot be read: {error.strerror}", "see who may read it") from error
    return list(reversed(found.items()))


def _at_once(file: str, flags: int) -> int:
    """Open without waiting for whoever would write into a pipe."""
    return os.open(file, flags | os.O_NONBLOCK)


def _parsed(raw: bytes) -> Line | None:
    """None for what is no line of ours, as one that a full disk cut."""
    try:
        return msgspec.json.decode(raw, type=Line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
