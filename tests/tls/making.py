"""Certificates of people's own, made for tests."""

import datetime
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


def write_own(
    cert: Path, key: Path, *names: str, begins_s: float = -3600, ends_s: float = 86_400, passphrase: bytes = b""
) -> None:
    """A certificate that vouches for itself, and its key; it begins and ends so many seconds from now."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = time.time()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(now + begins_s, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(now + ends_s, datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(private, SHA256())
    )
    sealed = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    cert.write_bytes(made.public_bytes(Encoding.PEM))
