"""What a gateway shows to those who connect: a certificate, whose it is, and what it says."""

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from carapax.errors import ConfigError
from carapax.tls.authority import Authority
from carapax.tls.status import Facts


def facts(certificate: x509.Certificate) -> Facts:
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest().upper()
    return Facts(
        certificate.subject.rfc4514_string(),
        names(certificate),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        ":".join(digest[place : place + 2] for place in range(0, 64, 2)),
    )


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names and addresses that a certificate is for."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (
        *alternatives.get_values_for_type(x509.DNSName),
        *(str(address) for address in alternatives.get_values_for_type(x509.IPAddress)),
    )


def read_own(cert: Path, key: Path, now: float) -> x509.Certificate:
    """The first certificate of a file, which can be shown with the key of the other.

    Raises ConfigError for files that cannot be read, a key that is encrypted or another's, a certificate that is not
    valid now.
    """
    certificate = _certificates(cert)[0]
    try:
        private = load_pem_private_key(_bytes(key, "tls.key"), None)
    except TypeError as error:
        remedy = f"write it without: openssl pkey -in {key} -out NEW, readable to this user only"
        raise ConfigError(f"tls.key: {key} is encrypted with a passphrase", remedy) from error
    except ValueError as error:
        raise ConfigError(f"tls.key: {key} holds no private key as PEM", "name the file of the key") from error
    if private.public_key() != certificate.public_key():
        remedy = "name the key that the certificate was made for; its own certificate comes first in the file"
        raise ConfigError(f"tls.cert and tls.key do not belong together: {cert}, {key}", remedy)
    if certificate.not_valid_after_utc.timestamp() <= now:
        ended = certificate.not_valid_after_utc.date()
        raise ConfigError(f"tls.cert: {cert} ended on {ended}", "renew it, or leave tls.cert out")
    if certificate.not_valid_before_utc.timestamp() > now:
        begins = certificate.not_valid_before_utc.date()
        raise ConfigError(f"tls.cert: {cert} begins on {begins} only", "look at the clock of this machine")
    return certificate


def read_leaf(file: Path, authority: Authority) -> x509.Certificate | None:
    """The certificate of a file if this authority has made it and its key is with it, else None."""
    try:
        data = file.read_bytes()
        certificate = x509.load_pem_x509_certificate(data)
        certificate.verify_directly_issued_by(authority.certificate)
        whole = load_pem_private_key(data, None).public_key() == certificate.public_key()
    except (OSError, ValueError, TypeError, InvalidSignature):
        return None
    return certificate if whole else None


def _certificates(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_bytes(file, "tls.cert"))
    except ValueError as error:
        remedy = "name a PEM file: the certificate first, then those that vouch for it"
        raise ConfigError(f"tls.cert: {file} holds no certificate as PEM, or a damaged one", remedy) from error


def _bytes(file: Path, place: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{place}: {file} cannot be read: {error.strerror}", "name a file that this user can read"
        ) from error
