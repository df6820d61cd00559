"""The vault of a home."""

import re
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from carapax.clock import Clock, SystemClock
from carapax.config import Home
from carapax.contracts import SecretStore
from carapax.extensions import export, find
from carapax.passphrase import find as find_passphrase
from carapax.redaction import Secret

_NAME = re.compile(r"[A-Za-z0-9.:_/-]{1,200}")

Ask = Callable[[], Secret | None]
"""Where a vault asks for its passphrase, each time it needs one that it has not."""


Protection = Secret | Literal["key file", "keyring"]
"""By what the key of a vault is protected: a passphrase, a file beside it, or the keyring of the system."""


class Vault(SecretStore, Protocol):
    """A store of secrets whose key is protected in one way or another."""

    async def protection(self) -> str:
        """What keeps the key: "passphrase", "keyring" or "key file"; empty while there is no vault. It needs no
        key."""
        ...

    async def unlock(self) -> None:
        """Read it now, to know that it can be. Raises Locked without the right passphrase or its keyring, and what
        `get` raises."""
        ...

    async def protect(self, by: Protection) -> None:
        """Seal everything with a new key, which is protected by this. Raises as `set` does, and Locked when the keyring
        cannot be asked."""
        ...

    async def rotate(self) -> None:
        """Seal everything with a new key that is protected as the old one was. Raises as `set` does."""
        ...


def is_name(text: str) -> bool:
    """Whether a secret can have this name."""
    return _NAME.fullmatch(text) is not None


def open_vault(
    home: Home, environ: Mapping[str, str] | None = None, clock: Clock | None = None, passphrase: Secret | None = None
) -> Vault:
    """Where a home keeps its secrets. Nothing is read or made until it is asked.

    The passphrase, where one is needed, is the one given, else what `environ` leads to.
    """

    def ask() -> Secret | None:
        return passphrase or find_passphrase(environ or {})

    vault: Vault = export("vault", "sealedfile", find("vault", "sealedfile"))(home.vault, clock or SystemClock(), ask)
    return vault
