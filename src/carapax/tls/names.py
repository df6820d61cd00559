"""The names and addresses under which people reach this machine, as certificates spell them."""

import ipaddress
import re
import socket
import struct
import sys
from collections.abc import Collection, Iterable, Iterator

import idna

from carapax.config import Config
from carapax.errors import ConfigError

if sys.platform == "linux":
    import fcntl

ALWAYS = ("localhost", "127.0.0.1", "::1")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_EVERYWHERE = ("0.0.0.0", "::")
_ADDRESS_OF_INTERFACE = 0x8915  # SIOCGIFADDR of Linux, see netdevice(7)
_OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def spell(name: str) -> str:
    """A name or an address as a certificate has it: ASCII, small letters, no port, brackets or zone.

    "*." may stand before a name. Raises ConfigError for what is neither.
    """
    bare = name.strip().lower().removeprefix("[").partition("]")[0].partition("%")[0].removesuffix(".")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    star, rest = ("*.", bare[2:]) if bare.startswith("*.") else ("", bare)
    try:
        encoded = rest if rest.isascii() else idna.encode(rest, uts46=True).decode()
    except idna.IDNAError:
        encoded = ""
    if not encoded or len(encoded) > 253 or not all(_LABEL.fullmatch(label) for label in encoded.split(".")):
        raise ConfigError(f"{name!r} is no name or address of a machine", "write it without scheme, port and path")
    return star + encoded


def asked(config: Config) -> tuple[str, ...]:
    """What the configuration says that the gateway is called."""
    host = config.gateway.host
    allowed = [_portless(name) for name in config.gateway.allowed_hosts]
    return tuple(_spelled([*(() if host in _EVERYWHERE else (host,)), *config.tls.names, *allowed]))


def found(config: Config) -> tuple[str, ...]:
    """What else this machine is called: always itself, by its name, and where it listens everywhere, by its
    addresses."""
    name = socket.gethostname()
    named = [name, f"{name.partition('.')[0]}.local"]
    return tuple(_spelled([*ALWAYS, *named, *(_addresses() if config.gateway.host in _EVERYWHERE else ())]))


def is_named(host: str, names: Collection[str]) -> bool:
    """Whether a certificate for these names is for this host."""
    return host in names or "*." + host.partition(".")[2] in names


def _spelled(names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        try:
            spelled = spell(name)
        except ConfigError:
            continue
        if spelled not in seen:
            seen.add(spelled)
            yield spelled


def _portless(host: str) -> str:
    return host if host.startswith("[") or host.count(":") > 1 else host.partition(":")[0]


def _addresses() -> Iterator[str]:
    """Of each network interface where the system tells, and those from which the machine speaks to others."""
    if sys.platform == "linux":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            for _, interface in socket.if_nameindex():
                try:
                    told = fcntl.ioctl(asking, _ADDRESS_OF_INTERFACE, struct.pack("256s", interface.encode()[:15]))
                except OSError:
                    continue
                yield socket.inet_ntoa(told[20:24])
    for family, outside in _OUTSIDE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asking:
                asking.connect((outside, 9))  # nothing is sent: the system only chooses a way
                yield str(asking.getsockname()[0])
        except OSError:
            continue
