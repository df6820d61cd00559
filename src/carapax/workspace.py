"""The files of one agent: everything beneath one folder, and nothing else, whatever else is moving in there."""

import asyncio
import contextlib
import errno
import heapq
import os
import posixpath
import secrets
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from carapax.beneath import FOLDER, MAX_LINKS, descriptor, link_at, open_beneath
from carapax.contracts import Entry
from carapax.errors import CarapaxError, Forbidden, InvalidRequest, NotFound, Unavailable
from carapax.quota import Quota

MAX_DEPTH = 100
_TEMPORARY = ".carapax-{}.tmp"
_CHUNK = 1 << 18
_NO_WAIT = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Workspace:
    """Reads and writes regular files beneath `root`, race-free: no `..`, link or rename leads outside.

    A link that stays beneath the root is followed. An absolute path is refused, unless it begins with `seen_as`, the
    name that commands know the root by. What is made here is given to `owner`, a user and a group id. Nothing is
    written where there is more than the `quota`.
    """

    def __init__(
        self, root: Path, *, seen_as: str = "", owner: tuple[int, int] | None = None, quota: Quota | None = None
    ) -> None:
        self.root = root
        self._seen_as = seen_as
        self._owner = owner
        self._quota = quota

    def make(self) -> None:
        """Make the root where it is missing, for its owner alone, and remove what a crash left in it.

        Raises Unavailable.
        """
        if self._owner is not None and self.root.is_symlink():
            raise Unavailable(
                f"the workspace {self.root} is a link, and what it leads to would be given to another user",
                "bind-mount the folder there, or run the gateway as an ordinary user",
            )
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if self._owner is not None:
                os.chown(self.root, *self._owner)
            self.root.chmod(0o700)
            for left in self.root.glob(_TEMPORARY.format("*")):
                with contextlib.suppress(OSError):  # a folder of that name is none of ours
                    left.unlink()
        except OSError as error:
            raise Unavailable(f"the workspace cannot be made: {error}", "check the folder's owner and disk") from error

    async def read_file(self, path: str, max_bytes: int) -> bytes:
        """Raises NotFound; InvalidRequest for what is no regular file, or has more than `max_bytes`; Forbidden."""
        return await asyncio.to_thread(self._read, path, max_bytes)

    async def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        """Replace a file at once, keeping its mode, or write at its end. Missing folders are made.

        Raises InvalidRequest where something else than a regular file stands, Unavailable for a full disk or workspace,
        Forbidden.
        """
        if self._quota is not None:
            if await self._quota.is_full():
                raise Unavailable("the workspace holds as much as it may", "remove files from it")
            self._quota.wrote(len(data))
        await asyncio.to_thread(self._append if append else self._replace, path, data)

    async def list_files(self, path: str, *, recursive: bool, max_entries: int) -> list[Entry]:
        """The first `max_entries` below a folder, a folder before what it holds; links are told, not followed.

        Raises NotFound, InvalidRequest for what is no folder, Forbidden.
        """
        return await asyncio.to_thread(self._list, path, recursive, max_entries)

    def _read(self, path: str, max_bytes: int) -> bytes:
        with (
            self._opened(path) as root,
            descriptor(open_beneath(root, self._name(path), os.O_RDONLY | _NO_WAIT)) as file,
        ):
            size = _regular(file, path).st_size
            if size > max_bytes:
                raise InvalidRequest(f"{path} has {size} bytes, more than the {max_bytes} that can be read at once")
            return _read_all(file, path, max_bytes)

    def _append(self, path: str, data: bytes) -> None:
        with self._opened(path) as root:
            name = self._name(path)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_WAIT
            with (
                descriptor(self._folder(root, posixpath.dirname(name))),
                descriptor(open_beneath(root, name, flags, 0o644)) as file,
            ):
                status = _regular(file, path)
                if self._owner is not None and status.st_uid != self._owner[0]:
                    os.fchown(file, *self._owner)
                _write_all(file, data)

    def _replace(self, path: str, data: bytes) -> None:
        with self._opened(path) as root:
            name = self._name(path)
            for _ in range(MAX_LINKS):
                folder, leaf = posixpath.split(name)
                with descriptor(self._folder(root, folder)) as parent:
                    link = link_at(parent, leaf)
                    if link is None:
                        self._replace_at(root, parent, leaf, path, data)
                        return
                if posixpath.isabs(link):
                    raise OSError(errno.EXDEV, "absolute link")
                name = posixpath.join(folder, link)
            raise OSError(errno.ELOOP, "too many links")

    def _replace_at(self, root: int, parent: int, leaf: str, path: str, data: bytes) -> None:
        if leaf in ("", ".", ".."):
            raise InvalidRequest(f"{path!r} is the name of a folder, not of a file")
        mode = _mode_at(parent, leaf, path)
        temporary = _TEMPORARY.format(secrets.token_hex(8))
        place = root if os.fstat(root).st_dev == os.fstat(parent).st_dev else parent  # where `make` finds what is left
        with descriptor(os.open(temporary, _NEW_FILE, 0o600, dir_fd=place)) as file:
            try:
                _write_all(file, data)
                if self._owner is not None:
                    os.fchown(file, *self._owner)
                os.fchmod(file, mode)
                os.fsync(file)
                os.rename(temporary, leaf, src_dir_fd=place, dst_dir_fd=parent)
            except BaseException:
                os.unlink(temporary, dir_fd=place)
                raise
        os.fsync(parent)

    def _folder(self, root: int, name: str) -> int:
        """Open a folder, made with all that lead to it where they are missing."""
        if name.count("/") > MAX_DEPTH:
            raise InvalidRequest(f"the path has more than {MAX_DEPTH} folders")
        try:
            return open_beneath(root, name or ".", FOLDER)
        except FileNotFoundError:
            above, leaf = posixpath.split(name)
            with descriptor(self._folder(root, above)) as parent, contextlib.suppress(FileExistsError):
                os.mkdir(leaf, 0o755, dir_fd=parent)
                if self._owner is not None:
                    os.chown(leaf, *self._owner, dir_fd=parent, follow_symlinks=False)
            return open_beneath(root, name, FOLDER)

    def _list(self, path: str, recursive: bool, max_entries: int) -> list[Entry]:
        found: list[Entry] = []
        with self._opened(path) as root:
            name = posixpath.normpath(self._name(path)).lstrip("/")
            with descriptor(open_beneath(root, self._name(path), FOLDER)) as folder:
                waiting = deque(_entries(folder, name, max_entries))
            while waiting and len(found) < max_entries:
                entry = waiting.popleft()
                found.append(entry)
                if recursive and entry.kind == "folder":
                    waiting.extendleft(reversed(_entries_below(root, entry.path, max_entries - len(found))))
        return found

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """The root, open; what the system says against `path` becomes an error of ours."""
        try:
            with descriptor(os.open(self.root, FOLDER)) as root:
                yield root
        except OSError as error:
            raise told(error, path) from error

    def _name(self, path: str) -> str:
        return relative(path, self._seen_as)


def relative(path: str, seen_as: str = "") -> str:
    """The path relative to the root, as the system takes it; `seen_as` is a name of the root. Raises InvalidRequest for
    what is no path, OSError with EXDEV for one that is absolute and elsewhere."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the path {path!r} holds what is no character") from error
    if "\0" in path:
        raise InvalidRequest(f"the path {path!r} holds a null character")
    if seen_as and (path + "/").startswith(seen_as + "/"):
        return path[len(seen_as) :].lstrip("/") or "."
    if path.startswith("/"):
        raise OSError(errno.EXDEV, "absolute path")
    return path or "."


def told(error: OSError, path: str) -> CarapaxError:
    """What the system says against a path, as an error of ours."""
    match error.errno:
        case errno.EXDEV:
            return Forbidden(f"{path!r} is outside of the workspace", "use a path relative to the workspace")
        case errno.ENOENT:
            return NotFound(f"{path!r} does not exist", "list_files shows what there is")
        case errno.ENOTDIR:
            return InvalidRequest(f"{path!r}: a part of it is no folder")
        case errno.EISDIR | errno.ENXIO | errno.ENODEV:
            return InvalidRequest(f"{path!r} is not a regular file")
        case errno.ELOOP:
            return Forbidden(f"{path!r} goes through too many links")
        case errno.ENAMETOOLONG | errno.EINVAL:
            return InvalidRequest(f"{path[:80]!r} is no possible name: {error.strerror}")
        case errno.EACCES | errno.EPERM:
            return Forbidden(f"{path!r}: {error.strerror}")
        case _:
            return Unavailable(f"{path!r}: {error.strerror}", "look at the disk of the workspace")


def _regular(file: int, path: str) -> os.stat_result:
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise InvalidRequest(f"{path!r} is {kind}")
    return status


def _read_all(file: int, path: str, max_bytes: int) -> bytes:
    data = bytearray()
    while chunk := os.read(file, min(_CHUNK, max_bytes + 1 - len(data))):
        data += chunk
        if len(data) > max_bytes:
            raise InvalidRequest(f"{path!r} has more than the {max_bytes} bytes that can be read at once")
    return bytes(data)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _mode_at(parent: int, leaf: str, path: str) -> int:
    """The permissions of the file that is about to be replaced, without set-id bits; else those of a new one."""
    try:
        mode = os.stat(leaf, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0o644
    if not stat.S_ISREG(mode):
        raise InvalidRequest(f"{path!r} is {'a folder' if stat.S_ISDIR(mode) else 'not a regular file'}")
    return mode & 0o777


def _entries(folder: int, name: str, limit: int) -> list[Entry]:
    with os.scandir(folder) as found:
        first = heapq.nsmallest(limit, found, key=lambda entry: entry.name)
    prefix = "" if name == "." else name + "/"
    return [_entry(entry, prefix) for entry in first]


def _entries_below(root: int, name: str, limit: int) -> list[Entry]:
    """Entries of a folder found before; nothing if it went away or cannot be read."""
    try:
        with descriptor(open_beneath(root, name, FOLDER | os.O_NOFOLLOW)) as folder:
            return _entries(folder, name, limit)
    except OSError:
        return []


def _entry(entry: os.DirEntry[str], prefix: str) -> Entry:
    kind: Literal["file", "folder", "link", "other"] = "other"
    size = 0
    with contextlib.suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            kind, size = "file", status.st_size
        elif stat.S_ISDIR(status.st_mode):
            kind = "folder"
        elif stat.S_ISLNK(status.st_mode):
            kind = "link"
    return Entry(prefix + os.fsencode(entry.name).decode(errors="replace"), kind, size)
