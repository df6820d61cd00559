"""How a client under test reaches a fake of a vendor's server."""

from typing import Protocol

from carapax.http import Http
from carapax.models.credential import Credentials, Fixed
from carapax.models.server import Server
from carapax.redaction import Secret
from carapax.testing import FakeClock


class Fake(Protocol):
    """A fake that listens at `url`. A client is to wait `patience_s` for its next byte."""

    url: str
    patience_s: float


def reached(http: Http, fake: Fake, key: str, path: str = "", *, credentials: Credentials | None = None) -> Server:
    """The fake under the name "fake", asked at a path with a key, or else with what `credentials` give."""
    given = credentials or Fixed(Secret(key))
    return Server("fake", http, FakeClock(), fake.url + path, credentials=given, idle_timeout_s=fake.patience_s)
