"""A key locked with a passphrase, and where a service finds the passphrase."""

import os
import threading
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from carapax.errors import InvalidRequest, Unavailable
from carapax.redaction import Secret

VARIABLE = "CARAPAX_VAULT_PASSPHRASE_FILE"
CREDENTIAL = "carapax-vault-passphrase"
SHORTEST = 8
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32
_LONGEST_BYTES = 4096
_one = threading.Lock()


class Locked(Unavailable):
    """What the key is protected with is not there now: no passphrase, not the right one, or no keyring that answers."""


class Cost(Struct, frozen=True, forbid_unknown_fields=True):
    """What one try of a passphrase costs by Argon2id (RFC 9106); bounded, for it is read before anything is proven."""

    memory_kib: Annotated[int, Meta(ge=32, le=1 << 20)] = 65_536
    passes: Annotated[int, Meta(ge=1, le=20)] = 3
    lanes: Annotated[int, Meta(ge=1, le=4)] = 4


class Lock(Struct, frozen=True, forbid_unknown_fields=True):
    """A key sealed with AES-256-GCM by what Argon2id makes of a passphrase. Nothing in it tells of the passphrase but
    that it opens this."""

    kdf: Annotated[str, Meta(pattern=r"^argon2id\Z")]
    cost: Cost
    salt: Annotated[bytes, Meta(min_length=_SALT_BYTES, max_length=64)]
    nonce: Annotated[bytes, Meta(min_length=_NONCE_BYTES, max_length=_NONCE_BYTES)]
    sealed: bytes


def lock(passphrase: Secret, key: bytes, cost: Cost) -> Lock:
    """Lock a key up. Raises InvalidRequest for a passphrase that is too short."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - heavy, for passphrases only

    if len(passphrase.reveal()) < SHORTEST:
        raise InvalidRequest("the passphrase is too short", f"use {SHORTEST} characters or more; five words are good")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    sealed = AESGCM(derived(passphrase, salt, cost)).encrypt(nonce, key, _belongs(salt, cost))
    return Lock("argon2id", cost, salt, nonce, sealed)


def unlock(passphrase: Secret, lock: Lock) -> bytes:
    """The key. Raises Locked for a wrong passphrase, after as much work as for the right one."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - heavy, for passphrases only
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - heavy, for passphrases only

    made = derived(passphrase, lock.salt, lock.cost)
    try:
        return AESGCM(made).decrypt(lock.nonce, lock.sealed, _belongs(lock.salt, lock.cost))
    except InvalidTag:
        raise Locked(
            "the passphrase of the vault is wrong, or what it locks was changed", "try again; nothing was changed"
        ) from None


def find(environ: Mapping[str, str]) -> Secret | None:
    """The passphrase that a service is given: in the file that `CARAPAX_VAULT_PASSPHRASE_FILE` names, else in the
    credential `carapax-vault-passphrase` that systemd hands over. A last line end does not belong to it.

    Raises Unavailable when the file cannot be read, or is empty.
    """
    if named := environ.get(VARIABLE, ""):
        return _read(Path(named), f"{VARIABLE} names")
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    if folder and (file := Path(folder) / CREDENTIAL).exists():
        return _read(file, "systemd hands over")
    return None


def _read(file: Path, whose: str) -> Secret:
    try:
        with file.open("rb") as stream:
            text = stream.read(_LONGEST_BYTES + 1).decode()
    except OSError as error:
        raise Unavailable(f"{file}, which {whose}, cannot be read: {error.strerror}", "check it") from error
    except UnicodeDecodeError:
        raise Unavailable(f"{file}, which {whose}, is no text in UTF-8", "check it") from None
    passphrase = text.removesuffix("\n").removesuffix("\r")
    if not passphrase or len(text) > _LONGEST_BYTES:
        raise Unavailable(f"{file}, which {whose}, holds no passphrase", "write it there, on one line")
    return Secret(passphrase)


def derived(passphrase: Secret, salt: bytes, cost: Cost) -> bytes:
    """What Argon2id makes of it: 32 bytes. However the keyboard spelt its characters, a passphrase is the same (as of
    RFC 8265). Threads wait for each other: OpenSSL has no more threads for lanes than the machine has cores, and who
    asks at the same time fails, or waits for ever."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415 - heavy, for passphrases only

    kdf = Argon2id(salt=salt, length=_KEY_BYTES, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib)
    with _one:
        return kdf.derive(unicodedata.normalize("NFC", passphrase.reveal()).encode(errors="surrogateescape"))


def _belongs(salt: bytes, cost: Cost) -> bytes:
    return msgspec.json.encode(["carapax lock", "argon2id", cost, salt])
