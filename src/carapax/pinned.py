"""A client that goes to addresses that were checked, and nowhere else, whatever a name server says."""

import socket
from collections.abc import Mapping, Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from carapax.errors import Forbidden


def open_client(host: str, addresses: Sequence[str], headers: Mapping[str, str]) -> aiohttp.ClientSession:
    """For one request to a host, at these addresses only. It keeps no cookies and uses no proxy of the environment."""
    pinned = _Pinned(host, addresses)
    connector = aiohttp.TCPConnector(
        resolver=pinned, use_dns_cache=False, force_close=True, socket_factory=pinned.socket
    )
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        auto_decompress=False,
    )


class _Pinned(AbstractResolver):
    """Gives the addresses that were checked, whatever is asked."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        self._host = host
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=self._host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass

    def socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """The last step before a connection: whatever led to it, the address is one that was checked."""
        family, kind, protocol, _, address = info
        if address[0] not in self._addresses:
            raise Forbidden(f"{address[0]} is not an address that was checked for {self._host}")
        return socket.socket(family, kind, protocol)
