"""What a request to a vendor is signed with, and where that comes from."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from carapax.redaction import Secret


class Credential(Struct, frozen=True):
    """A key, empty for a server that wants none. `headers` go with it; a `base_url` takes the place of the server's, a
    `region` that of `{region}` in it."""

    key: Secret = Secret("")
    headers: Mapping[str, str] = {}
    base_url: str = ""
    region: str = ""


class Credentials(Protocol):
    """Where a credential comes from: a fixed key, or a login that is renewed from time to time."""

    async def get(self) -> Credential:
        """The credential to use now. Raises ModelUnauthorized, with what to do, when there is none."""
        ...

    async def renew(self, refused: Credential) -> Credential | None:
        """Another one in place of one that the vendor refused; None when there is no other."""
        ...


class Fixed:
    """A key that stays the same."""

    def __init__(self, key: Secret | None = None) -> None:
        self._credential = Credential(key) if key else Credential()

    async def get(self) -> Credential:
        return self._credential

    async def renew(self, refused: Credential) -> Credential | None:
        return None
