"""Files that came with messages, kept by the SHA-256 of their bytes."""

import hashlib
from collections.abc import AsyncIterator

from carapax.clock import Clock
from carapax.errors import NotFound
from carapax.mediatype import media_type
from carapax.messages import Attachment
from carapax.store.database import Database, Row, Statement

UNUSED_S = 86_400.0
PIECE_BYTES = 1_000_000
"""A longer file is kept in pieces of this: a row is in memory several times while it is written."""
_INSERT_PIECE = (
    "INSERT INTO file_pieces (digest, start, data) VALUES ($1, $2, $3) ON CONFLICT (digest, start) DO NOTHING"
)
_INSERT = (
    "INSERT INTO files (digest, media_type, size, data, used, added_at) VALUES ($1, $2, $3, $4, $5, $6) "
    "ON CONFLICT (digest) DO UPDATE SET added_at = $6"
)


class Files:
    """The files of one gateway. One that no message has named within a day is forgotten at the next start."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, name: str, data: bytes | bytearray, declared: str = "") -> Attachment:
        """Keep a file, synced when this returns; the same bytes are kept only once."""
        found = Attachment(name, media_type(data, declared), hashlib.sha256(data).hexdigest(), len(data))
        pieces = range(0, len(data), PIECE_BYTES) if len(data) > PIECE_BYTES else ()
        for start in pieces:
            piece = (found.digest, start, bytes(data[start : start + PIECE_BYTES]))
            await self._database.transact([Statement(_INSERT_PIECE, piece)])
        values = (found.digest, found.media_type, found.size, b"" if pieces else bytes(data), 0, self._clock.now())
        await self._database.transact([Statement(_INSERT, values)])
        return Attachment(name, found.media_type, found.digest, found.size)

    async def find(self, digest: str, name: str = "") -> Attachment:
        """A file that is kept, without its bytes. Raises NotFound."""
        rows = await self._database.fetch("SELECT media_type, size FROM files WHERE digest = $1", digest)
        kind, size = _one(rows, digest)
        return Attachment(name, str(kind), digest, int(str(size)))

    async def read(self, digest: str) -> bytes:
        """The bytes of a file. Raises NotFound."""
        return b"".join([piece async for piece in self.pieces(digest)])

    async def pieces(self, digest: str) -> AsyncIterator[bytes]:
        """The bytes of a file, some after the others. Raises NotFound."""
        sql = "SELECT data, size FROM files WHERE digest = $1"
        data, size = _one(await self._database.fetch(sql, digest), digest)
        if isinstance(data, bytes) and data:
            yield data
            return
        sql = "SELECT data FROM file_pieces WHERE digest = $1 AND start = $2"
        for start in range(0, int(str(size)), PIECE_BYTES):
            (piece,) = _one(await self._database.fetch(sql, digest, start), digest)
            yield piece if isinstance(piece, bytes) else b""

    async def sweep(self) -> None:
        """Forget what was sent and never named by a message."""
        before = self._clock.now() - UNUSED_S
        await self._database.transact(
            [
                Statement("DELETE FROM files WHERE used = 0 AND added_at < $1", (before,)),
                Statement("DELETE FROM file_pieces WHERE digest NOT IN (SELECT digest FROM files)"),
            ]
        )


def attachment(name: str, data: bytes, declared: str = "") -> Attachment:
    """A file as it comes with a message."""
    return Attachment(name, media_type(data, declared), hashlib.sha256(data).hexdigest(), len(data), data)


def use(file: Attachment, now: float) -> list[Statement]:
    """Keep a file for good: commit it with the message that names it. Unexpected when its bytes neither come with it
    nor are there."""
    adding = [Statement(_INSERT, (file.digest, file.media_type, file.size, file.data, 1, now))] if file.data else []
    return [*adding, Statement("UPDATE files SET used = 1 WHERE digest = $1", (file.digest,), expect=1)]


def _one(rows: list[Row], digest: str) -> Row:
    if not rows:
        raise NotFound(f"there is no file {digest[:80]!r}", "send it to this gateway first")
    return rows[0]
