"""Secrets as they lie in a file: each record sealed by itself, and all of them together.

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits. What is sealed with a record is its name and version, so
that no record can stand in for another; with the whole, every name, version, time and nonce, so that none can be left
out or brought back.
"""

import hashlib
import os
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from carapax.errors import Broken, Unavailable
from carapax.passphrase import Lock
from carapax.redaction import Secret
from carapax.systemkeyring import Account

FORMAT = 1
KEY_BYTES = 32
_NONCE_BYTES = 12


class Record(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One sealed secret, how often it was replaced, and when it was last, where that is known."""

    version: int
    nonce: bytes
    sealed: bytes
    changed_at: float = 0.0


class Document(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole file. `key` tells which key it was sealed with, `seal` holds everything together. The key itself is
    under the `lock`, or where that says; without one it is in a file."""

    format: int
    key: str
    records: dict[str, Record]
    seal: Record
    lock: Lock | Account | None = None


def read(data: bytes, place: str) -> Document:
    """The document of a file, whose seals are not looked at. Raises Broken; Unavailable for one of a newer release."""
    try:
        if msgspec.json.decode(data, type=_Format).format > FORMAT:
            raise Unavailable(f"{place} was written by a newer release", "upgrade, or restore an older copy")
        return msgspec.json.decode(data, type=Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Broken(
            f"{place} is damaged: it is no whole vault", "restore it from a copy; it was not touched"
        ) from error


class _Format(Struct):
    format: int


class Box:
    """Seals and opens with one key of 32 bytes; `place` is what errors call the file."""

    def __init__(self, key: bytes, place: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - heavy, for secrets only

        self._cipher = AESGCM(key)
        self.key = hashlib.sha256(b"carapax vault key\0" + key).hexdigest()[:16]
        self._place = place

    def empty(self, lock: Lock | Account | None = None) -> Document:
        return self._sealed({}, 0, lock)

    def check(self, document: Document) -> None:
        """Raises Broken for a document that another key has sealed, or of which anything but a record's content was
        changed; of a record's content, `open` tells."""
        if document.key != self.key:
            raise Broken(
                f"{self._place} was sealed with another key", "put back the key file that belongs to it; none was lost"
            )
        belongs = _whole(document.records, document.seal.version, document.lock)
        self._opened(document.seal, belongs, "as a whole")

    def open(self, document: Document, name: str) -> Secret | None:
        """The secret of this name. Raises Broken when its record was changed."""
        record = document.records.get(name)
        return None if record is None else Secret(self._plain(name, record).decode())

    def take(self, other: "Box", document: Document, lock: Lock | Account | None) -> Document:
        """What another box has sealed, sealed with this one. Raises Broken when a record was changed."""
        records = {
            name: self._record(record.version, other._plain(name, record), _of(name, record.version), record.changed_at)
            for name, record in document.records.items()
        }
        return self._sealed(records, document.seal.version + 1, lock)

    def put(self, document: Document, name: str, secret: Secret, at: float) -> Document:
        before = document.records.get(name)
        version = before.version + 1 if before else document.seal.version + 1
        record = self._record(version, secret.reveal().encode(), _of(name, version), at)
        return self._sealed({**document.records, name: record}, document.seal.version + 1, document.lock)

    def drop(self, document: Document, name: str) -> Document:
        rest = {other: record for other, record in document.records.items() if other != name}
        return self._sealed(rest, document.seal.version + 1, document.lock)

    def _sealed(self, records: dict[str, Record], version: int, lock: Lock | Account | None) -> Document:
        seal = self._record(version, b"", _whole(records, version, lock))
        return Document(FORMAT, self.key, records, seal, lock)

    def _plain(self, name: str, record: Record) -> bytes:
        return self._opened(record, _of(name, record.version), f"at {name!r}")

    def _record(self, version: int, plain: bytes, belongs: bytes, at: float = 0.0) -> Record:
        nonce = os.urandom(_NONCE_BYTES)
        return Record(version, nonce, self._cipher.encrypt(nonce, plain, belongs), at)

    def _opened(self, record: Record, belongs: bytes, where: str) -> bytes:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - heavy, for secrets only

        try:
            return self._cipher.decrypt(record.nonce, record.sealed, belongs)
        except (InvalidTag, ValueError) as error:
            raise Broken(
                f"{self._place} was changed {where} by something else than Carapax",
                "restore it from a copy; it was not touched",
            ) from error


def _of(name: str, version: int) -> bytes:
    return msgspec.json.encode(["carapax record", FORMAT, name, version])


def _whole(records: Mapping[str, Record], version: int, lock: Lock | Account | None) -> bytes:
    listed = [
        (name, record.version, record.nonce, *([record.changed_at] if record.changed_at else []))
        for name, record in sorted(records.items())
    ]
    return msgspec.json.encode(["carapax vault", FORMAT, version, listed, *([lock] if lock else [])])
