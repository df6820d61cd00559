"""What is said about the encryption of the gateway's port."""

from typing import Literal

from msgspec import Struct

Mode = Literal["off", "private", "own"]


class Facts(Struct, frozen=True):
    """What a certificate says.

    name: whose it is
    names: the names and addresses it is for
    since: when it begins, in seconds since 1970
    until: when it ends
    fingerprint: the SHA-256 of the certificate, as devices show it
    """

    name: str
    names: tuple[str, ...]
    since: float
    until: float
    fingerprint: str


class TlsStatus(Struct, frozen=True):
    """How the gateway's port is encrypted.

    mode: "off", "private" with a certificate of the gateway's own authority, or "own" with one that was named
    certificate: what is shown to those who connect
    authority: who vouches for it, where that is the gateway's own
    renews_at: when the gateway renews the certificate by itself; 0 for one that it does not make
    left_out: names that were asked for and that the authority may not vouch for
    problem: why the certificate stays as it was; empty while nothing is wrong
    """

    mode: Mode
    certificate: Facts | None = None
    authority: Facts | None = None
    renews_at: float = 0
    left_out: tuple[str, ...] = ()
    problem: str = ""
