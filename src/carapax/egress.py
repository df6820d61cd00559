"""The way out for tools: public addresses only, whatever a URL, a name server or a redirect says."""

import asyncio
import ipaddress
import re
import socket
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin, urlsplit

from carapax.config import EgressConfig, ReachConfig
from carapax.contracts import Fetched
from carapax.errors import ConfigError, Forbidden, InvalidRequest, Unavailable
from carapax.places import Address, Places, hostname, literal
from carapax.redaction import Secret
from carapax.version import __version__

if TYPE_CHECKING:
    import aiohttp

EVERYWHERE = ReachConfig()
MAX_REDIRECTS = 5
MAX_URL = 8192
LOOKUPS = 4
"""How many names are asked for at the same time for one agent."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE | re.ASCII)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
_HEADERS = {"User-Agent": f"carapax/{__version__}", "Accept": "text/html, text/*, */*", "Accept-Encoding": "gzip"}
_PORTS = (80, 443)
_FIRST_FREE_PORT = 1024

# The address registries of IANA, and addresses by which clouds serve their guests. Python's own `is_global` is no
# substitute: it differs between its versions and calls some of these global.
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
            *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
        ),
    )
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be fetched, in its canonical spelling, and the only addresses it may be fetched from."""

    url: str
    host: str
    addresses: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return "/".join(self.url.split("/")[:3])


class SystemNames:
    """Asks the system for all addresses of a name. OSError when there are none.

    It waits in threads of its own: an answer may take long, and whoever chooses the names must not hold up others.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="names")

    async def __call__(self, host: str, port: int) -> list[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [str(address[0]) for *_, address in found]


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, by a table of our own."""
    if address.version == 6:
        embedded = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
        if embedded or address not in _GLOBAL_UNICAST:
            return False
    return not any(address in network for network in _NOT_PUBLIC)


class Filling(Protocol):
    """What puts secrets into the headers of a request, in the place of their names."""

    async def filled(self, target: Target, headers: Mapping[str, str]) -> Mapping[str, Secret]:
        """The headers as they are sent there. Raises a CarapaxError for one that may not be."""
        ...


class PublicEgress:
    """An Egress. A name is resolved once; all its addresses must be allowed, and only those are connected to.

    `reach` narrows it for one agent, whose table of the configuration refusals name as `whose`. Ports are 80, 443 and
    those from 1024 on: the others belong to protocols that could be spoken to by accident. Redirects are followed up to
    five times, each as if it had been asked for. Headers go no further than where they were meant to go, and nothing
    else is carried along: no cookies, no proxy of the environment.
    """

    def __init__(
        self,
        config: EgressConfig,
        resolve: Resolve | None = None,
        *,
        reach: ReachConfig = EVERYWHERE,
        whose: str = "the agent",
        filling: Filling | None = None,
    ) -> None:
        self._resolve = resolve or SystemNames()
        if "*" in config.allow:
            raise ConfigError('egress: "*" would open every place', "name the places, or networks such as 10.0.0.0/8")
        self._allowed = Places(config.allow, "egress")
        self._hosts = Places(reach.hosts, f"{whose}: hosts")
        self._denied = Places(reach.deny, f"{whose}: deny")
        self._whose = whose
        self._filling = filling

    async def fetch(
        self, url: str, *, max_bytes: int, timeout_s: float, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Fetched:
        meant: Target | None = None
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(MAX_REDIRECTS + 1):
                    target = await self.admit(url)
                    meant = meant or target
                    sent = await self._filled(target, headers) if target.origin == meant.origin else {}
                    answer = await _get(target, sent, max_bytes)
                    if isinstance(answer, Fetched):
                        return answer
                    url = answer
        except TimeoutError:
            raise Unavailable(f"{_shown(url)} did not answer in full within {timeout_s:g} s") from None
        raise Unavailable(f"{_shown(url)}: more than {MAX_REDIRECTS} redirects")

    async def _filled(self, target: Target, headers: Mapping[str, str]) -> Mapping[str, Secret]:
        if not headers:
            return {}
        if self._filling is None:
            raise Forbidden(f"{_shown(target.url)}: no headers may be sent from here")
        return await self._filling.filled(target, headers)

    async def connect(self, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection to the host and port of a URL. Raises like `fetch`."""
        target = await self.admit(url)
        place = urlsplit(target.url)
        port = place.port or (443 if place.scheme == "https" else 80)
        reason = ""
        for address in target.addresses:
            try:
                return await asyncio.open_connection(address, port)
            except OSError as error:
                reason = error.strerror or str(error)
        raise Unavailable(f"{target.host} cannot be reached: {reason}")

    async def admit(self, url: str) -> Target:
        """Decide about a URL, without connecting. Raises like `fetch`."""
        scheme, host, port, rest = _parsed(url)
        own_port = 443 if scheme == "https" else 80
        number = own_port if port is None else port
        self._check_name(host, url)
        if number not in _PORTS and number < _FIRST_FREE_PORT and not self._allowed.naming(host):
            raise Forbidden(f"{_shown(url)}: port {number} is not one of the web", "use 80, 443, or one from 1024 on")
        address = literal(host)
        addresses = [str(address)] if address else await self._resolved(host, number)
        for each in addresses:
            self._check_address(host, each, url)
        written = f"[{host}]" if ":" in host else host
        place = written if port in (None, own_port) else f"{written}:{port}"
        return Target(f"{scheme}://{place}{rest if rest.startswith('/') else '/' + rest}", host, tuple(addresses))

    def _check_name(self, host: str, url: str) -> None:
        """As far as the name tells, before it is resolved: asking for it may tell somebody something."""
        if rule := self._denied.naming(host):
            raise Forbidden(f"{_shown(url)} may not be reached", f"{self._whose}: deny has {rule!r}")
        if not (self._hosts.naming(host) or self._hosts.networks):
            raise Forbidden(f"{_shown(url)} may not be reached", f"{self._whose}: hosts does not have {host}")

    def _check_address(self, host: str, address: str, url: str) -> None:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise Forbidden(f"{_shown(url)} is at {address!r}, which is no address") from None
        if rule := self._denied.holding(parsed):
            raise Forbidden(f"{_shown(url)} is at {address}", f"{self._whose}: deny has {rule!r}")
        if not (self._hosts.naming(host) or self._hosts.holding(parsed)):
            raise Forbidden(f"{_shown(url)} is at {address}", f"{self._whose}: hosts has neither")
        if not (self._allowed.naming(host) or self._allowed.holding(parsed) or is_public(parsed)):
            raise Forbidden(
                f"{_shown(url)} is at {address}, which is no public address",
                "the operator can allow it in the configuration: [egress] allow",
            )

    async def _resolved(self, host: str, port: int) -> list[str]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"the name {host} does not resolve: {error}") from error
        if not addresses:
            raise Unavailable(f"the name {host} has no address")
        return list(dict.fromkeys(addresses))


def _parsed(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port, and path with query. Raises InvalidRequest for what two programs could read differently."""
    if len(url) > MAX_URL:
        raise InvalidRequest(f"the URL is longer than {MAX_URL} characters")
    if any(character <= " " or character == "\\" or "\x7f" <= character <= "\xa0" for character in url):
        raise InvalidRequest(f"{_shown(url)}: a URL holds no spaces, control characters or backslashes")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise InvalidRequest(f"{_shown(url)} is no web address", "it must begin with https:// or http://")
    scheme, authority, rest = parts.groups()
    if "@" in authority:
        raise InvalidRequest(f"{_shown(url)}: no user name or password may be part of a URL")
    place = _AUTHORITY.fullmatch(authority)
    if place is None or "%" in authority:
        raise InvalidRequest(f"{_shown(url)}: {authority[:100]!r} is no host")
    port = None if place[2] is None else int(place[2])
    if port is not None and not 0 < port < 65536:
        raise InvalidRequest(f"{_shown(url)}: {port} is no port")
    try:
        return scheme.lower(), hostname(place[1]), port, rest
    except InvalidRequest as error:
        raise InvalidRequest(f"{_shown(url)}: {error.message}", error.hint) from error


def _shown(url: str) -> str:
    return url[:200].encode("unicode_escape").decode()


async def _get(target: Target, headers: Mapping[str, Secret], max_bytes: int) -> Fetched | str:
    """What is there, or the URL it redirects to."""
    import aiohttp  # noqa: PLC0415  # heavy, and most commands fetch nothing

    from carapax.pinned import open_client  # noqa: PLC0415  # the same

    given = {**_HEADERS, **{name: value.reveal() for name, value in headers.items()}}
    try:
        async with (
            open_client(target.host, target.addresses, given) as session,
            session.get(target.url, allow_redirects=False) as response,
        ):
            location = response.headers.get("Location")
            if response.status in (301, 302, 303, 307, 308) and location:
                return urljoin(target.url, location)
            body, truncated = await _body(response, max_bytes)
            kind = response.headers.get("Content-Type", "")[:200]
            return Fetched(target.url, response.status, kind, body, truncated)
    except (aiohttp.ClientError, OSError, zlib.error) as error:
        raise Unavailable(f"{_shown(target.url)}: {str(error) or type(error).__name__}") from error
    except ValueError as error:
        raise InvalidRequest(f"{_shown(target.url)}: {error}") from error


async def _body(response: "aiohttp.ClientResponse", max_bytes: int) -> tuple[bytes, bool]:
    """The body, unpacked, and whether it was cut; neither what comes nor what it unpacks to grows beyond the limit."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise Unavailable(
            f"{_shown(str(response.url))} answers in the encoding {encoding[:50]!r}, which was not asked for"
        )
    unpack = None if encoding == "identity" else zlib.decompressobj(16 + zlib.MAX_WBITS)
    body, came = bytearray(), 0
    async for chunk in response.content.iter_chunked(16_384):
        came += len(chunk)
        room = max_bytes + 1 - len(body)
        body += unpack.decompress(chunk, room) if unpack else chunk[:room]
        if len(body) > max_bytes or came > max_bytes:
            break
    return bytes(body[:max_bytes]), len(body) > max_bytes or came > max_bytes
