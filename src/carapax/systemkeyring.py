"""Keys in the keyring of the system: Secret Service or KWallet on Linux, Keychain on macOS, Credential Locker.

The package `keyring` asks it (https://keyring.readthedocs.io); it comes with `carapax[keyring]`, and is imported when a
key is asked for, kept or removed. That happens in a thread of its own: a keyring may wait for a person, or for ever.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from msgspec import Meta

from carapax import durable
from carapax.errors import CarapaxError, Unavailable
from carapax.passphrase import Locked

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "carapax"
PATIENCE_S = 30.0
_KEY_BYTES = 32
_LEAST_PRIORITY = 1
"""From which on `keyring` recommends a backend."""
_UNSAFE = ("keyrings.alt", "keyring.backends.fail", "keyring.backends.null")
_OTHER_WAYS = "or protect the vault by a passphrase or a key file"
_ACCOUNT = r"^vault-[0-9a-f]{32}\Z"
T = TypeVar("T")
Account = Annotated[str, Meta(pattern=_ACCOUNT)]
"""Under which the keyring has a key: another one for each key."""
log = logging.getLogger("carapax.vault")


def new_account() -> Account:
    return f"vault-{os.urandom(16).hex()}"


class Unanswered(Locked):
    """The keyring did not answer in time. What it was asked for may still happen."""


class SystemKeyring:
    """Keys of 32 bytes, each under an account of the service "carapax". What it is asked takes `patience_s` at most.

    Everything raises Locked when the keyring cannot be asked or says no, of which Unanswered when it says nothing.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._turn = threading.Lock()
        self._stuck = False

    def get(self, account: Account) -> bytes:
        """Raises Unavailable when there is no such key."""
        text = self._ask(lambda backends: _found(backends, account))
        if text is None:
            raise Unavailable(
                f"the keyring of the system has no entry {account} of {SERVICE}, which is the key of the vault",
                "the vault opens as the user and on the computer that it was protected on; else put the entry back",
            )
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise Unavailable(
                f"the entry {account} of {SERVICE} in the keyring of the system holds no key", "put it back from a copy"
            )
        return key

    def put(self, account: Account, key: bytes) -> None:
        """Unless it raises Unanswered, nothing was kept when it raises."""
        self._ask(lambda backends: backends[0].set_password(SERVICE, account, key.hex()))

    def remove(self, account: Account) -> None:
        """Does nothing when there is no such key."""

        def drop(backends: list[KeyringBackend]) -> None:
            for backend in backends:
                if backend.get_password(SERVICE, account) is not None:
                    backend.delete_password(SERVICE, account)

        self._ask(drop)

    def _ask(self, act: Callable[[list[KeyringBackend]], T]) -> T:
        """One at a time, so that a keyring that hangs holds one thread up, and the next who asks hears it at once."""
        if not self._turn.acquire(timeout=0 if self._stuck else self._patience_s):
            raise self._unanswered()
        answer: Future[T] = Future()

        def work() -> None:
            try:
                answer.set_result(act(_backends()))
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
                answer.set_exception(error)
            finally:
                self._stuck = False
                self._turn.release()

        threading.Thread(target=work, name="keyring", daemon=True).start()
        try:
            error = answer.exception(self._patience_s)
        except TimeoutError:
            self._stuck = True
            raise self._unanswered() from None
        if isinstance(error, Exception):
            raise _told(error) from None
        return answer.result()

    def _unanswered(self) -> Unanswered:
        return Unanswered(
            f"the keyring of the system has not answered for {self._patience_s:g} s",
            "it may be asking on the screen to be unlocked; do that, and try again",
        )


class Entries:
    """The keys of one vault in the keyring. Those that are to go from there, or may never be needed, are in a file from
    before they can be left behind until they are gone: an entry that nothing names could not be found."""

    def __init__(self, file: Path, keyring: SystemKeyring) -> None:
        self._file = file
        self._keyring = keyring

    def get(self, account: Account) -> bytes:
        """Raises as that of a `SystemKeyring`."""
        return self._keyring.get(account)

    def enter(self, new: Account | None, old: Account | None, key: bytes) -> None:
        """Put the key into the keyring, if it has an account there, before anything names it. What is not named by then
        goes when it is tidied. Raises as `put` and `get` of a `SystemKeyring` do, and OSError."""
        before = self._listed()
        if accounts := [account for account in (old, new) if account]:
            self._list([*before, *accounts])
        if new is None:
            return
        try:
            self._keyring.put(new, key)
        except Unanswered:
            raise
        except Unavailable:
            self._list(before)
            raise
        if self._keyring.get(new) != key:
            raise Unavailable("the keyring of the system keeps something else than it was given", "nothing was changed")

    def tidy(self, named: Account | None) -> None:
        """Remove every key that is to go but the one that is named. One that stays goes with the next change."""
        try:
            listed = self._listed()
            for account in listed:
                if account != named:
                    self._keyring.remove(account)
            if listed:
                self._list([])
        except (OSError, Unavailable) as error:
            log.warning("an old key may stay in the keyring of the system until the next change: %s", error)

    def _listed(self) -> list[Account]:
        try:
            lines = self._file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if re.match(_ACCOUNT, line)]

    def _list(self, accounts: list[Account]) -> None:
        if accounts:
            durable.replace(self._file, "".join(f"{account}\n" for account in accounts).encode())
        else:
            self._file.unlink(missing_ok=True)
            durable.sync_folder(self._file.parent)


def _backends() -> list[KeyringBackend]:
    """Those that can be used, the preferred one first."""
    try:
        import keyring  # noqa: PLC0415 - an optional part, and heavy
        from keyring.backends.chainer import ChainerBackend  # noqa: PLC0415 - an optional part, and heavy
    except ImportError:
        raise Locked(
            "the keyring of the system cannot be asked: a package for it is not installed",
            "pip install 'carapax[keyring]'",
        ) from None
    found = keyring.get_keyring()
    each: list[KeyringBackend] = list(found.backends) if isinstance(found, ChainerBackend) else [found]
    safe = [backend for backend in each if _is_safe(backend)]
    if not safe:
        names = ", ".join(f"{type(backend).__module__}.{type(backend).__name__}" for backend in each)
        raise Locked(
            f"there is no keyring of the system here that keeps a key safe, only {names}",
            f"start Carapax in the session of a desktop with GNOME Keyring or KWallet, {_OTHER_WAYS}",
        )
    return safe


def _is_safe(backend: KeyringBackend) -> bool:
    """Neither one that keeps nothing, nor one of those that write plain files."""
    modules = {base.__module__ for base in type(backend).__mro__}
    return float(backend.priority) >= _LEAST_PRIORITY and not any(module.startswith(_UNSAFE) for module in modules)


def _found(backends: list[KeyringBackend], account: Account) -> str | None:
    return next((text for each in backends if (text := each.get_password(SERVICE, account)) is not None), None)


def _told(error: Exception) -> CarapaxError:
    """What a person is told. The text of an error is left out: nobody knows what somebody else's backend puts there."""
    if isinstance(error, CarapaxError):
        return error
    from keyring.errors import KeyringLocked  # noqa: PLC0415 - an optional part, and heavy

    if isinstance(error, KeyringLocked):
        return Locked("the keyring of the system is locked", "unlock it and try again")
    return Locked(
        f"the keyring of the system failed: {type(error).__name__}",
        f"see whether it runs and is unlocked, and try again, {_OTHER_WAYS}",
    )
