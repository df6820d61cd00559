from pathlib import Path

import pytest

from carapax.errors import NotFound
from carapax.messages import Attachment
from carapax.store.database import Unexpected
from carapax.store.files import PIECE_BYTES, UNUSED_S, Files, attachment, use
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database
from carapax.testing import FakeClock
from tests.running import run

PNG = b"\x89PNG\r\n\x1a\n\0"


def test_a_file_is_kept_once_and_read_back_by_its_digest(tmp_path: Path) -> None:
    async def main() -> None:
        database = await open_database(tmp_path / "carapax.db")
        await migrate(database)
        files = Files(database, FakeClock())
        first = await files.add("a.png", PNG, "image/png")
        assert first == Attachment("a.png", "image/png", attachment("", PNG).digest, len(PNG))
        assert (await files.add("b.png", PNG)).digest == first.digest
        assert await files.read(first.digest) == PNG
        assert await files.find(first.digest, "c.png") == Attachment("c.png", "image/png", first.digest, len(PNG))
        assert await database.fetch("SELECT count(*) FROM files") == [(1,)]
        for missing in (files.read("0" * 64), files.find("0" * 64)):
            with pytest.raises(NotFound, match="no file"):
                await missing
        await database.close()

    run(main())


def test_a_file_that_no_message_names_is_forgotten_after_a_day(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        database = await open_database(tmp_path / "carapax.db")
        await migrate(database)
        files = Files(database, clock)
        named, forgotten = await files.add("a", b"named"), await files.add("b", b"forgotten")
        await database.transact(use(named, clock.now()))
        brought = attachment("c", b"came with its message")
        await database.transact(use(brought, clock.now()))
        clock.advance(UNUSED_S + 1)
        fresh = await files.add("d", b"fresh")
        await files.sweep()
        assert [await files.read(file.digest) for file in (named, brought, fresh)] == [
            b"named",
            b"came with its message",
            b"fresh",
        ]
        with pytest.raises(NotFound):
            await files.read(forgotten.digest)
        with pytest.raises(Unexpected):
            await database.transact(use(forgotten, clock.now()))
        await database.close()

    run(main())


def test_a_long_file_is_kept_in_pieces_and_forgotten_with_them(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        database = await open_database(tmp_path / "carapax.db")
        await migrate(database)
        files = Files(database, clock)
        for size in (PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES):
            data = bytes(number % 251 for number in range(1000)) * (size // 1000) + b"x" * (size % 1000)
            kept = await files.add("long.bin", data)
            assert (kept.size, await files.read(kept.digest) == data) == (size, True)
            assert (await files.add("again.bin", data)).digest == kept.digest
        assert await database.fetch("SELECT count(*) FROM file_pieces") == [(5,)]
        await files.sweep()
        assert await database.fetch("SELECT count(*) FROM file_pieces") == [(5,)]
        clock.advance(UNUSED_S + 1)
        await files.sweep()
        assert await database.fetch("SELECT count(*) FROM file_pieces") == [(0,)]
        await database.close()

    run(main())
