"""Hosts in their one spelling, and lists of places to tell them by."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable

import idna

from carapax.errors import ConfigError, InvalidRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Places:
    """A list of names, addresses and networks. "*.example.com" stands for every name below example.com, of however many
    labels, and "*" for every place. ConfigError for an entry that is none of these, with `where` it stands.
    """

    def __init__(self, entries: Iterable[str], where: str) -> None:
        self._networks: dict[Network, str] = {}
        self._names: dict[str, str] = {}
        self._below: dict[str, str] = {}
        self._everything = ""
        for entry in entries:
            self._add(entry, where)

    @property
    def networks(self) -> bool:
        """Whether some of them are told by their addresses."""
        return bool(self._networks)

    def naming(self, host: str) -> str:
        """The entry that is, or stands for, the name of a host in its one spelling; else the empty string."""
        if found := self._everything or self._names.get(host, ""):
            return found
        labels = [] if literal(host) else host.split(".")
        above = (".".join(labels[at:]) for at in range(1, len(labels)))
        return next((self._below[name] for name in above if name in self._below), "")

    def holding(self, address: Address) -> str:
        """The entry for a network that has this address, else the empty string."""
        return self._everything or next((entry for network, entry in self._networks.items() if address in network), "")

    def _add(self, entry: str, where: str) -> None:
        if entry == "*":
            self._everything = entry
            return
        try:
            self._networks[ipaddress.ip_network(entry)] = entry
        except ValueError:
            try:
                if entry.startswith("*."):
                    self._below[hostname(entry[2:])] = entry
                else:
                    self._names[hostname(entry)] = entry
            except InvalidRequest as error:
                raise ConfigError(f"{where}: {entry!r} is neither a name nor a network", error.message) from error


def literal(host: str) -> Address | None:
    """The address that a host in its one spelling is, if it is one."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def hostname(text: str) -> str:
    """A host in its one spelling: a name in lower case and ASCII, or an address, without brackets. Raises
    InvalidRequest for what two programs could read differently."""
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError as error:
            raise InvalidRequest(f"{text[:100]} is no IPv6 address") from error
    name = text.lower().removesuffix(".")
    if not name.isascii():
        name = _ascii(name)
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{text[:100]!r} is no host name")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError as error:
            raise InvalidRequest(
                f"{text[:100]!r} is no host name", "write an address as four decimal numbers"
            ) from error
    return name


def _ascii(name: str) -> str:
    """An international name in ASCII; refused where it would be another name than it looks like."""
    try:
        if len(name) > 253 or idna.uts46_remap(name) != unicodedata.normalize("NFC", name):
            raise InvalidRequest(f"{name[:100]!r} is not a host name in its usual spelling")
        return idna.encode(name).decode()
    except idna.IDNAError as error:
        raise InvalidRequest(f"{name[:100]!r} is no host name: {error}") from error
