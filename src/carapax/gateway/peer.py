"""Where a request really came from: over the connection, or through a proxy that is known.

Anybody can write forwarding headers. They make a request one from elsewhere, whoever wrote them; what they say counts
only when the connection comes from an address of `gateway.behind_proxy`.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aiohttp import HttpVersion11, hdrs
from aiohttp.web import BaseRequest

from carapax.config import is_loopback
from carapax.errors import InvalidRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
THIS_MACHINE: tuple[Network, ...] = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1"))
_FORWARDED = re.compile(
    r"(x-)?forwarded\b.*|via|cdn-loop|(x-real|x-client|x-cluster-client|true-client|cf-connecting|fly-client|fastly-client)-ip"
    r"|x-original-host|tailscale-.*",
    re.IGNORECASE,
)
"""What proxies write of whom they heard, or of themselves."""


class Peer(NamedTuple):
    """Who sent a request.

    address: theirs; an IPv6 network of 64 bits counts as one
    is_direct: whether they are on this machine, with no proxy between
    is_secure: whether what they send is encrypted on its way here
    host: the name they called, with its port where it has one
    """

    address: str
    is_direct: bool
    is_secure: bool
    host: str

    @property
    def origin(self) -> str:
        """What a browser calls the pages of ours that it has under this name."""
        return f"{'https' if self.is_secure else 'http'}://{self.host.strip().lower()}"


class _Hop(NamedTuple):
    """What one proxy wrote of whom it heard."""

    address: str
    scheme: str = ""
    host: str = ""


def networks(named: Sequence[str]) -> tuple[Network, ...]:
    """The networks of `gateway.behind_proxy`. Raises ValueError for what is none."""
    return tuple(ipaddress.ip_network(each, strict=False) for each in named)


def peer_of(request: BaseRequest, proxies: Sequence[Network]) -> Peer:
    """Raises InvalidRequest when a known proxy says two things at once."""
    address, host = request.remote or "", request.headers[hdrs.HOST]
    if not _among(address, proxies):
        is_direct = is_loopback(plain(address)) and not _is_passed_on(request)
        return Peer(_counted(address), is_direct, request.secure, host)
    hop = _outermost(request, address, proxies)
    is_secure = hop.scheme == "https" if hop.scheme else request.secure
    return Peer(_counted(hop.address), False, is_secure, hop.host or host)


def _is_passed_on(request: BaseRequest) -> bool:
    """Whether a proxy shows. Browsers speak HTTP/1.1 here; proxies that tell nothing of whom they heard often less."""
    return request.version < HttpVersion11 or any(_FORWARDED.fullmatch(name) for name in request.headers)


def plain(address: str) -> str:
    """An address without its zone, and an IPv4 one in IPv6's clothes as such."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def _among(address: str, proxies: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(plain(address))
    except ValueError:
        return False
    return any(parsed in network for network in proxies)


def _counted(address: str) -> str:
    """As the address is counted by: whoever has one address of IPv6 has 2 to the 64 of them."""
    address = plain(address)
    if ":" not in address or is_loopback(address):
        return address
    return str(ipaddress.IPv6Network((address, 64), strict=False))


def _outermost(request: BaseRequest, address: str, proxies: Sequence[Network]) -> _Hop:
    """The hop from an address that is no proxy of ours: what stands further out, anybody can have written."""
    theirs, ours = list(_x_forwarded(request)), list(_forwarded(request))
    found = [_last(each, address, proxies) for each in (theirs, ours) if each]
    if len({hop.address for hop in found}) > 1:
        raise InvalidRequest(
            "Forwarded and X-Forwarded-For say different things", "have the proxy send only one of them"
        )
    return found[0] if found else _Hop(address, _only(request, "X-Forwarded-Proto"), _only(request, "X-Forwarded-Host"))


def _last(hops: list[_Hop], address: str, proxies: Sequence[Network]) -> _Hop:
    reached = _Hop(address, hops[-1].scheme, hops[-1].host)
    for hop in reversed(hops):
        if not _is_address(hop.address):
            return reached
        reached = hop
        if not _among(hop.address, proxies):
            break
    return reached


def _x_forwarded(request: BaseRequest) -> Iterator[_Hop]:
    scheme, host = _only(request, "X-Forwarded-Proto"), _only(request, "X-Forwarded-Host")
    for line in request.headers.getall("X-Forwarded-For", []):
        for address in line.split(","):
            yield _Hop(_bare(address.strip()), scheme, host)


def _forwarded(request: BaseRequest) -> Iterator[_Hop]:
    """As RFC 7239 has it. aiohttp reads the lines; what it cannot read ends the list."""
    for pairs in request.forwarded:
        yield _Hop(_bare(pairs.get("for", "")), pairs.get("proto", "").lower(), pairs.get("host", ""))


def _only(request: BaseRequest, name: str) -> str:
    """The one value of a header, and nothing for one that was added to: it may be a stranger's."""
    values = request.headers.getall(name, [])
    return values[0].strip().lower() if len(values) == 1 and "," not in values[0] else ""


def _bare(node: str) -> str:
    """An address without the port and brackets it may come with."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
