"""Whether a gateway answers for a home."""

import http.client
import socket
import ssl
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from carapax.config import Config, Home, TlsConfig

_PATIENCE_S = 2.0
_LONGEST_S = 5.0


class Announced(Struct, frozen=True):
    """What a gateway wrote of itself into its run file; there is more in it."""

    url: str
    pid: int = 0
    host: str = ""
    tls: TlsConfig | None = None

    def of(self, config: Config) -> Config:
        """The configuration with what the gateway was started with, which options may have said."""
        gateway = replace(config.gateway, host=self.host or config.gateway.host)
        return replace(config, gateway=gateway, tls=self.tls or config.tls)


def announced(home: Home) -> Announced | None:
    """What the last gateway of a home said of itself, unless it has ended well, or said nothing that can be read."""
    try:
        return msgspec.json.decode(home.run_file.read_bytes(), type=Announced)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def answers(url: str) -> bool:
    """Whether somebody listens there."""
    try:
        address = urlsplit(url)
        with socket.create_connection((address.hostname or "", address.port or 80), timeout=_PATIENCE_S):
            return True
    except (OSError, ValueError):
        return False


def is_silent(url: str) -> bool:
    """Whether whoever listens there says nothing to a request."""
    address, context = urlsplit(url), ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is told it, and nothing believed
    host = address.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, address.port, timeout=_LONGEST_S, context=context)
        if address.scheme == "https"
        else http.client.HTTPConnection(host, address.port, timeout=_LONGEST_S)
    )
    try:
        connection.request("GET", "/health")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return True
    finally:
        connection.close()
    return False
