"""A certificate authority of the gateway's own: made once, it vouches for what the gateway shows.

Its key and its certificate are one file, so that there are always both or none.
"""

import datetime
import ipaddress
import logging
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from carapax import durable
from carapax.errors import ConfigError

log = logging.getLogger("carapax.tls")
DAY_S = 86_400.0
LIFE_S = 3_652 * DAY_S
LEAF_LIFE_S = 89 * DAY_S
SKEW_S = DAY_S
"""Certificates begin this long before they are made, for devices whose clock is behind."""
_NETWORKS = (
    *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    *("::1/128", "fc00::/7", "fe80::/10"),
)
_DOMAINS = ("localhost", "local", "lan", "home", "internal", "home.arpa")
_SIGNS = dict.fromkeys(
    ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
    False,
)


@dataclass(frozen=True)
class Authority:
    """Key and certificate. It vouches for names of private networks and those it was made for, and for no others."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @cached_property
    def _permitted(self) -> tuple[x509.GeneralName, ...]:
        constraints = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        return tuple(constraints.permitted_subtrees or ())

    def permits(self, name: str) -> bool:
        """Whether it may vouch for a name or an address, spelled as certificates do."""
        return any(_covers(permitted, name) for permitted in self._permitted)

    def is_valid(self, now: float) -> bool:
        """Whether it has begun and not ended."""
        return self.certificate.not_valid_before_utc <= _time(now) < self.certificate.not_valid_after_utc

    def issue(self, names: Iterable[str], now: float) -> bytes:
        """A new key and a certificate of at most 90 days for these names, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        until = min(_time(now + LEAF_LIFE_S), self.certificate.not_valid_after_utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Carapax gateway")])
        issuer_key = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _dated(x509.CertificateBuilder(), _time(now - SKEW_S), until)
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False)
        )
        return _pem(key) + builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)


def open_authority(file: Path, names: Iterable[str], now: float) -> Authority:
    """The authority of this file; where there is none, or it has ended, a new one that may vouch for these names too.
    One that has ended is put into the folder `aside` beside it, and comes back when it turns out to be valid: then it
    was the clock that was wrong.

    Raises ConfigError for a file that is damaged, OSError for one that cannot be read or written.
    """
    known, aside = read_authority(file), file.with_name("aside")
    if known is not None and known.is_valid(now):
        return known
    kept = {place: read_authority(place) for place in sorted(aside.glob("*.pem"))}
    back = next((place for place, each in kept.items() if each is not None and each.is_valid(now)), None)
    if known is not None:
        if back is None and _time(now) < known.certificate.not_valid_after_utc:
            return known  # the clock is behind
        aside.mkdir(mode=0o700, exist_ok=True)
        file.replace(aside / f"{known.certificate.serial_number:x}.pem")
        log.warning("the certificate authority is not valid on %s, and put into %s", _time(now).date(), aside)
    if back is None:
        made = make_authority(names, now)
        durable.create(file, _pem(made.key) + made.certificate.public_bytes(Encoding.PEM))
        return made
    back.replace(file)
    return open_authority(file, names, now)


def read_authority(file: Path) -> Authority | None:
    """The authority of this file, or None. Raises as `open_authority` does."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    try:
        key = load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificate(data)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("its key is another's")
    except (ValueError, TypeError) as error:
        remedy = "move it away: a new authority is made then, which your devices must be told to trust"
        raise ConfigError(f"{file} holds no certificate authority: {error}", remedy) from error
    return Authority(key, certificate)


def make_authority(names: Iterable[str], now: float) -> Authority:
    """A new authority that may vouch for private networks and these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Carapax"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Carapax {socket.gethostname()[:40]} {secrets.token_hex(4)}"),
        ]
    )
    domains = dict.fromkeys([*_DOMAINS, *(each.removeprefix("*.") for each in names)])
    permitted: list[x509.GeneralName] = [_subtree(domain) for domain in domains]
    permitted += [x509.IPAddress(ipaddress.ip_network(network)) for network in _NETWORKS]
    builder = (
        _dated(x509.CertificateBuilder(), _time(now - SKEW_S), _time(now + LIFE_S))
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return Authority(key, builder.sign(key, SHA256()))


def _dated(
    builder: x509.CertificateBuilder, since: datetime.datetime, until: datetime.datetime
) -> x509.CertificateBuilder:
    return builder.serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(digital_signature=digital_signature, key_cert_sign=key_cert_sign, crl_sign=crl_sign, **_SIGNS)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subtree(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def _covers(permitted: x509.GeneralName, name: str) -> bool:
    wanted = _general(name)
    if isinstance(permitted, x509.IPAddress) and isinstance(wanted, x509.IPAddress):
        network, address = permitted.value, wanted.value
        return (
            isinstance(network, (ipaddress.IPv4Network, ipaddress.IPv6Network))
            and isinstance(address, (ipaddress.IPv4Address, ipaddress.IPv6Address))
            and address in network
        )
    if isinstance(permitted, x509.DNSName) and isinstance(wanted, x509.DNSName):
        return f".{name.removeprefix('*.')}".endswith(f".{permitted.value}")
    return False


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _time(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
