"""The vault of OpenCrust, `credentials/vault.json`: one sealed table of names and values.

PBKDF2-HMAC-SHA256 with 600,000 rounds makes the key of its passphrase, AES-256-GCM seals the table, as JSON, without
associated data; salt, nonce and what is sealed stand in the file as base64.
"""

import msgspec
from msgspec import Struct

from carapax.errors import InvalidRequest
from carapax.redaction import Secret

PASSPHRASE = "OPENCRUST_VAULT_PASSPHRASE"
_ROUNDS = 600_000


class _File(Struct, forbid_unknown_fields=True):
    salt: bytes
    nonce: bytes
    ciphertext: bytes


def is_vault(data: bytes) -> bool:
    """Whether a file is such a vault, by its form."""
    return _file(data) is not None


def read(data: bytes, passphrase: Secret) -> dict[str, Secret]:
    """What is in it, by name. Raises InvalidRequest for a wrong passphrase, and for what is no such vault."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - heavy, for secrets only
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - heavy, for secrets only
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - heavy, for secrets only
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC  # noqa: PLC0415 - heavy, for secrets only

    file = _file(data)
    if file is None:
        raise InvalidRequest("this is no vault of OpenCrust", "it is in credentials/vault.json of its folder")
    kdf = PBKDF2HMAC(SHA256(), 32, file.salt, _ROUNDS)
    try:
        key = kdf.derive(passphrase.reveal().encode(errors="surrogateescape"))
        plain = AESGCM(key).decrypt(file.nonce, file.ciphertext, None)
        table = msgspec.json.decode(plain, type=dict[str, str])
    except (InvalidTag, ValueError):
        raise InvalidRequest("the passphrase of the OpenCrust vault is wrong, or the file is damaged") from None
    return {name: Secret(value) for name, value in table.items()}


def _file(data: bytes) -> _File | None:
    try:
        return msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
