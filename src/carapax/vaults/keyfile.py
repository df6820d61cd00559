"""Secrets in one sealed file, whose key is in another file beside it that only its owner may read.

Whoever can read both files has the secrets: this keeps them out of backups of the one, of listings, logs and commits,
not from whoever is this user. Commands and the gateway may use it at the same time.
"""

import fcntl
import os
import re
import stat
import time
from asyncio import to_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from carapax import durable
from carapax.clock import Clock
from carapax.contracts import KeptSecret
from carapax.errors import InvalidRequest, Unavailable
from carapax.redaction import Secret
from carapax.sealed import KEY_BYTES, Box, Document, read

_NAME = re.compile(r"[A-Za-z0-9.:_/-]{1,200}")
_LONGEST_SECRET = 65_536
_TRIES, _GLANCE_S = 1000, 0.01

Stamp = tuple[int, int, int]


class _Known(NamedTuple):
    """The file as it was read last; nothing while there is none."""

    stamp: Stamp | None = None
    box: Box | None = None
    document: Document | None = None


_NOTHING = _Known()


class KeyFile:
    """The vault in a folder, made with the first secret. The file is read once, and again whenever it has changed."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._file = folder / "vault.json"
        self._key_file = folder / "key"
        self._known = _NOTHING

    async def get(self, name: str) -> Secret | None:
        """The secret; None when there is none. Raises Broken when the file was changed by something else, Unavailable
        when it or its key cannot be read."""
        _check_name(name)
        known = self._known
        if self._stamp() != known.stamp:
            known = await to_thread(self._load)
        if known.box is None or known.document is None:
            return None
        return known.box.open(known.document, name)

    async def set(self, name: str, secret: Secret) -> None:
        _check_name(name)
        _check_secret(name, secret)
        at = self._clock.now()
        await to_thread(self._change, lambda box, document: box.put(document, name, secret, at))

    async def remove(self, name: str) -> bool:
        _check_name(name)
        if name not in await self.names():
            return False
        there: list[bool] = []

        def drop(box: Box, document: Document) -> Document:
            there.append(name in document.records)
            return box.drop(document, name)

        await to_thread(self._change, drop)
        return there[0]

    async def names(self) -> list[str]:
        """Names are not secret: this needs no key."""
        return [kept.name for kept in await self.kept()]

    async def kept(self) -> list[KeptSecret]:
        """This needs no key either, and so believes what the file says."""
        data = self._bytes(self._file)
        records = read(data, str(self._file)).records if data is not None else {}
        return [KeptSecret(name, record.version, record.changed_at) for name, record in sorted(records.items())]

    def _load(self) -> _Known:
        stamp = self._stamp()
        data = self._bytes(self._file)
        if data is None:
            self._known = _NOTHING
        else:
            document = read(data, str(self._file))
            box = Box(self._key(), str(self._file))
            box.check(document)
            self._known = _Known(stamp, box, document)
        return self._known

    def _change(self, change: Callable[[Box, Document], Document]) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                known = self._load()
                box = known.box or Box(self._key_or_new(), str(self._file))
                document = change(box, known.document or box.empty())
                durable.replace(self._file, msgspec.json.format(msgspec.json.encode(document)))
                self._known = _Known(self._stamp(), box, document)
        except OSError as error:
            place = error.filename or self._folder
            raise Unavailable(
                f"{place} cannot be written: {error.strerror}", "make room, or the folder writable; nothing was changed"
            ) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes the vault meanwhile. Raises Unavailable when somebody does not let go of it."""
        descriptor = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            for _ in range(_TRIES):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(_GLANCE_S)
            else:
                raise Unavailable(f"another process holds {self._folder}", "try again")
            yield
        finally:
            os.close(descriptor)

    def _key_or_new(self) -> bytes:
        if not self._key_file.exists():
            durable.create(self._key_file, os.urandom(KEY_BYTES).hex().encode() + b"\n")
            durable.sync_folder(self._folder.parent)
        return self._key()

    def _key(self) -> bytes:
        data = self._bytes(self._key_file)
        if data is None:
            raise Unavailable(f"the key of the vault is missing: {self._key_file}", "put it back from a copy")
        mode = self._key_file.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Unavailable(
                f"others can read the key of the vault: {self._key_file}",
                f"chmod 600 {self._key_file}, and replace what was in the vault if it may have been read",
            )
        try:
            key = bytes.fromhex(data.decode())
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise Unavailable(f"{self._key_file} holds no key", "put it back from a copy")
        return key

    def _stamp(self) -> Stamp | None:
        """What is another one whenever the file is."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self._file, error) from error
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    def _bytes(self, file: Path) -> bytes | None:
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(file, error) from error


EXTENSION = KeyFile


def _unreadable(file: Path, error: OSError) -> Unavailable:
    return Unavailable(f"{file} cannot be read: {error.strerror}", "make it readable for the user of the gateway")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{name[:50]!r} is no name of a secret", "use 1 to 200 letters, digits and .:_/-")


def _check_secret(name: str, secret: Secret) -> None:
    try:
        size = len(secret.reveal().encode())
    except UnicodeEncodeError:
        raise InvalidRequest(f"the secret {name} is no text", "give it as text") from None
    if not 0 < size <= _LONGEST_SECRET:
        raise InvalidRequest(f"the secret {name} has {size} bytes", f"1 to {_LONGEST_SECRET} can be kept")
