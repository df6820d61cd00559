"""Files that came with messages, kept by the SHA-256 of their bytes."""

import hashlib

from carapax.clock import Clock
from carapax.errors import NotFound
from carapax.mediatype import media_type
from carapax.messages import Attachment
from carapax.store.database import Database, Row, Statement

UNUSED_S = 86_400.0
_INSERT = (
    "INSERT INTO files (digest, media_type, size, data, used, added_at) VALUES ($1, $2, $3, $4, $5, $6) "
    "ON CONFLICT (digest) DO UPDATE SET added_at = $6"
)


class Files:
    """The files of one gateway. One that no message has named within a day is forgotten at the next start."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, name: str, data: bytes, declared: str = "") -> Attachment:
        """Keep a file, synced when this returns; the same bytes are kept only once."""
        found = attachment(name, data, declared)
        values = (found.digest, found.media_type, found.size, data, 0, self._clock.now())
        await self._database.transact([Statement(_INSERT, values)])
        return Attachment(name, found.media_type, found.digest, found.size)

    async def find(self, digest: str, name: str = "") -> Attachment:
        """A file that is kept, without its bytes. Raises NotFound."""
        rows = await self._database.fetch("SELECT media_type, size FROM files WHERE digest = $1", digest)
        kind, size = _one(rows, digest)
        return Attachment(name, str(kind), digest, int(str(size)))

    async def read(self, digest: str) -> bytes:
        """The bytes of a file. Raises NotFound."""
        (data,) = _one(await self._database.fetch("SELECT data FROM files WHERE digest = $1", digest), digest)
        return data if isinstance(data, bytes) else b""

    async def sweep(self) -> None:
        """Forget what was sent and never named by a message."""
        before = self._clock.now() - UNUSED_S
        await self._database.transact([Statement("DELETE FROM files WHERE used = 0 AND added_at < $1", (before,))])


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
