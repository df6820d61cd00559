"""Secrets in one sealed file, whose key is in another file beside it that only its owner may read, locked with a
passphrase, or in the keyring of the system.

Whoever can read both files has the secrets: the key file keeps them out of backups of the one, of listings, logs and
commits, not from whoever is this user; a passphrase does that too, while no gateway runs, and the keyring from whoever
has the files only. Commands and the gateway may use it at the same time.
"""

import fcntl
import logging
import os
import stat
import threading
import time
from asyncio import to_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from carapax import durable
from carapax.clock import Clock
from carapax.contracts import KeptSecret
from carapax.errors import CarapaxError, InvalidRequest, Unavailable
from carapax.passphrase import Cost, Lock, Locked, lock, unlock
from carapax.redaction import Secret
from carapax.sealed import KEY_BYTES, Box, Document, read
from carapax.systemkeyring import Account, Entries, SystemKeyring, new_account
from carapax.vault import Protection, is_name

_LONGEST_SECRET = 65_536
_TRIES, _GLANCE_S = 1000, 0.01
_HINT = "give it at the start, or in the file that CARAPAX_VAULT_PASSPHRASE_FILE names"
log = logging.getLogger("carapax.vault")

Stamp = tuple[int, int, int]


class _Known(NamedTuple):
    """The file as it was read last; nothing while there is none."""

    stamp: Stamp | None = None
    box: Box | None = None
    document: Document | None = None


_NOTHING = _Known()


class SealedFile:
    """The vault in a folder, made with the first secret. The file is read once, and again whenever it has changed.

    `ask` gives the passphrase, where one is needed, `cost` is what a try of a new one costs.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        ask: Callable[[], Secret | None] = lambda: None,
        cost: Cost | None = None,
        keyring: SystemKeyring | None = None,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._ask = ask
        self._cost = cost or Cost()
        self._entries = Entries(folder / "entries", keyring or SystemKeyring())
        self._passphrase: Secret | None = None
        self._refused: set[tuple[Lock, Secret]] = set()
        self._told: Stamp | None = None
        self._reading = threading.Lock()
        self._file = folder / "vault.json"
        self._key_file = folder / "key"
        self._known = _NOTHING

    async def get(self, name: str) -> Secret | None:
        """The secret; None when there is none. Raises Broken when the file was changed by something else, Unavailable
        when it or its key cannot be read, of which Locked when it wants another passphrase, or a keyring that answers.

        What was read before stays when only that is missing now.
        """
        _check_name(name)
        known = self._known
        if self._stamp() != known.stamp:
            known = await to_thread(self._fresh_or_known)
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

    async def protection(self) -> str:
        data = self._bytes(self._file)
        if data is None:
            return ""
        match read(data, str(self._file)).lock:
            case None:
                return "key file"
            case Lock():
                return "passphrase"
            case _:
                return "keyring"

    async def unlock(self) -> None:
        await to_thread(self._load)

    async def protect(self, by: Protection) -> None:
        await to_thread(self._reseal, lambda lock: by)

    async def rotate(self) -> None:
        await to_thread(self._reseal, self._as_before)

    def _as_before(self, lock: Lock | Account | None) -> Protection:
        if isinstance(lock, Lock):
            return self._passphrase or self._locked()
        return "keyring" if lock else "key file"

    def _fresh_or_known(self) -> _Known:
        """Several who want it at the same time have it read once: unlocking takes memory and time."""
        with self._reading:
            known, stamp = self._known, self._stamp()
            if stamp == known.stamp:
                return known
            try:
                return self._load()
            except Locked as error:
                if known.document is None:
                    raise
                if stamp != self._told:
                    log.warning("%s; until then what was in the vault before is used, and nothing is changed", error)
                    self._told = stamp
                return known

    def _load(self) -> _Known:
        """Raises Locked, and whatever else `get` may. Who reads while another process seals everything anew may have
        met the old file and the new key: then it is read again."""
        for _ in range(_TRIES):
            stamp = self._stamp()
            try:
                known = self._read(stamp)
            except CarapaxError:
                if self._stamp() == stamp:
                    raise
            else:
                self._known = known
                return known
        raise Unavailable(f"{self._file} changes all the time", "try again")

    def _read(self, stamp: Stamp | None) -> _Known:
        data = self._bytes(self._file)
        if data is None:
            return _NOTHING
        document = read(data, str(self._file))
        match document.lock:
            case None:
                box = self._box(document.key)
            case Lock() as lock:
                box = self._unlocked(document, lock)
            case account:
                box = self._entered(document, account)
        box.check(document)
        return _Known(stamp, box, document)

    def _unlocked(self, document: Document, lock: Lock) -> Box:
        known = self._known.box
        if known and known.key == document.key:
            return known
        for passphrase in filter(None, (self._passphrase, self._ask())):
            if (lock, passphrase) in self._refused:
                continue
            try:
                box = Box(unlock(passphrase, lock), str(self._file))
            except Locked:
                self._refused.add((lock, passphrase))
                continue
            self._passphrase = passphrase
            self._refused.clear()
            return box
        if any(refused == lock for refused, _ in tuple(self._refused)):
            raise Locked(f"the passphrase is not the one of {self._file}", _HINT)
        return self._locked()

    def _locked(self) -> NoReturn:
        raise Locked(f"{self._file} is locked with a passphrase", _HINT)

    def _entered(self, document: Document, account: Account) -> Box:
        known = self._known.box
        if known and known.key == document.key:
            return known
        box = Box(self._entries.get(account), str(self._file))
        if box.key != document.key:
            raise Unavailable(
                f"the entry {account} in the keyring of the system is the key of another vault than {self._file}",
                "put back the entry that belongs to it, or the file from a copy; neither was touched",
            )
        return box

    def _box(self, key: str) -> Box:
        """Of the keys in the key file the one with this mark, else the newest, for which the file is not."""
        boxes = [Box(each, str(self._file)) for each in self._keys()]
        return next((box for box in boxes if box.key == key), boxes[-1])

    def _change(self, change: Callable[[Box, Document], Document]) -> None:
        with self._writing():
            known = self._load()
            box = known.box or Box(self._key_or_new(), str(self._file))
            self._write(box, change(box, known.document or box.empty()))

    def _reseal(self, choose: Callable[[Lock | Account | None], Protection]) -> None:
        """The new key is in its place before anything is sealed with it, and the old one as long as anything is."""
        with self._writing():
            known = self._load()
            key = os.urandom(KEY_BYTES)
            box = Box(key, str(self._file))
            old = known.document.lock if known.document else None
            by = choose(old)
            lock = self._lock(by, key)
            if known.box and known.document:
                document = box.take(known.box, known.document, lock)
            else:
                document = box.empty(lock)
                durable.sync_folder(self._folder.parent)
            if lock is None:
                before = self._keys() if known.document and not old else []
                self._write_keys([*before, key])
            self._entries.enter(_account(lock), _account(old), key)
            self._write(box, document)
            self._passphrase = by if isinstance(by, Secret) else self._passphrase

    def _lock(self, by: Protection, key: bytes) -> Lock | Account | None:
        if isinstance(by, Secret):
            return lock(by, key, self._cost)
        return new_account() if by == "keyring" else None

    def _write(self, box: Box, document: Document) -> None:
        durable.replace(self._file, msgspec.json.format(msgspec.json.encode(document)))
        self._known = _Known(self._stamp(), box, document)
        self._tidy(box, document)
        self._entries.tidy(_account(document.lock))

    def _tidy(self, box: Box, document: Document) -> None:
        """No key lies about that opens nothing. One that stays goes with the next change."""
        try:
            if document.lock is not None:
                self._key_file.unlink(missing_ok=True)
                durable.sync_folder(self._folder)
            elif len(keys := self._keys()) > 1:
                self._write_keys([key for key in keys if Box(key, "").key == box.key])
        except OSError as error:
            log.warning("an old key stays in %s: %s", self._key_file, error.strerror)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        durable.refuse_root(self._folder, self._folder.parent)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                yield
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
        return self._keys()[-1]

    def _write_keys(self, keys: list[bytes]) -> None:
        durable.replace(self._key_file, b"".join(key.hex().encode() + b"\n" for key in keys))

    def _keys(self) -> list[bytes]:
        """The keys in the key file: one, or while everything is sealed anew the old one and the new."""
        try:
            with self._key_file.open("rb") as stream:
                mode, data = os.fstat(stream.fileno()).st_mode, stream.read()
        except FileNotFoundError:
            raise Unavailable(f"the key of the vault is missing: {self._key_file}", "put it back from a copy") from None
        except OSError as error:
            raise _unreadable(self._key_file, error) from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Unavailable(
                f"others can read the key of the vault: {self._key_file}",
                f"chmod 600 {self._key_file}, and replace what was in the vault if it may have been read",
            )
        try:
            keys = [bytes.fromhex(line) for line in data.decode().splitlines()]
        except ValueError:
            keys = []
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise Unavailable(f"{self._key_file} holds no key", "put it back from a copy")
        return keys

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


EXTENSION = SealedFile


def _account(lock: Lock | Account | None) -> Account | None:
    return lock if isinstance(lock, str) else None


def _unreadable(file: Path, error: OSError) -> Unavailable:
    return Unavailable(f"{file} cannot be read: {error.strerror}", "make it readable for the user of the gateway")


def _check_name(name: str) -> None:
    if not is_name(name):
        raise InvalidRequest(f"{name[:50]!r} is no name of a secret", "use 1 to 200 letters, digits and .:_/-")


def _check_secret(name: str, secret: Secret) -> None:
    try:
        size = len(secret.reveal().encode())
    except UnicodeEncodeError:
        raise InvalidRequest(f"the secret {name} is no text", "give it as text") from None
    if not 0 < size <= _LONGEST_SECRET:
        raise InvalidRequest(f"the secret {name} has {size} bytes", f"1 to {_LONGEST_SECRET} can be kept")
