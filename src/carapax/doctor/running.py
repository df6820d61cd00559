"""Whether a gateway answers for a home."""

import socket
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from carapax.config import Home

_PATIENCE_S = 2.0


class Announced(Struct, frozen=True):
    """What a gateway wrote of itself into its run file; there is more in it."""

    url: str
    pid: int = 0


def announced(home: Home) -> Announced | None:
    """What the last gateway of a home said of itself, unless it has ended well, or said nothing that can be read."""
    try:
        return msgspec.json.decode(home.run_file.read_bytes(), type=Announced)
    except (OSError, msgspec.MsgspecError):
        return None


def answers(url: str) -> bool:
    """Whether somebody listens there."""
    try:
        address = urlsplit(url)
        with socket.create_connection((address.hostname or "", address.port or 80), timeout=_PATIENCE_S):
            return True
    except (OSError, ValueError):
        return False
