"""A keyring in memory, in the place of the system's: the real package asks it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import keyring
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import PasswordDeleteError


class MemoryKeyring(KeyringBackend):
    """Keeps what it is given. It calls `asked` before each answer, and raises `failure` instead."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # the package leaves it without types
        self.kept: dict[tuple[str, str], str] = {}
        self.failure: Exception | None = None
        self.asked: Callable[[], None] = lambda: None

    def get_password(self, service: str, username: str) -> str | None:
        self._fail()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._fail()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._fail()
        if (service, username) not in self.kept:
            raise PasswordDeleteError("No such password!")
        del self.kept[service, username]

    def _fail(self) -> None:
        self.asked()
        if self.failure:
            raise self.failure


OF_KEYRING = [(MemoryKeyring, name) for name in ("get_password", "set_password", "delete_password")]


@contextmanager
def memory_keyring() -> Generator[MemoryKeyring]:
    """The keyring of the system is this one, and afterwards there is none."""
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    try:
        yield backend
    finally:
        keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call] # the package leaves it without types
