from pathlib import Path

import pytest

from carapax.errors import StoreError
from carapax.store.database import Statement
from carapax.store.journal import Journal
from carapax.store.migrations import MIGRATIONS, migrate
from carapax.store.sqlite import open_database
from carapax.testing.clock import FakeClock
from tests.running import run
from tests.store.opened import opened_database

# What a database of each released version may hold, from version 1 on: a new migration needs a new entry.
DATA: tuple[tuple[str, ...], ...] = (
    (
        "INSERT INTO sessions (id, agent, channel, conversation, created_at, updated_at, title, model, ended, run, "
        "forked_from, forked_at) VALUES ('s', 'main', 'chat', 'room', 1.5, 2.5, 'T', 'a/b', 0, 'r', '', 0)",
        """INSERT INTO events SELECT number, 1, '{"at":1.5,"event":{"kind":"session_started","agent":"main",
        "channel":"chat","conversation":"room"}}' FROM sessions""",
        """INSERT INTO events SELECT number, 2, '{"at":2.5,"event":{"kind":"run_started","agent":"main",
        "model":"a/b"},"run":"r"}' FROM sessions""",
        "INSERT INTO waiting VALUES ('s', 'm')",
        "INSERT INTO receipts VALUES ('chat', 'k', 's', 'm', 2)",
        "INSERT INTO leases VALUES ('s', 'r', 'here', 9.5)",
        "INSERT INTO outbox (key, session, channel, conversation, body, next_at, attempts, error, buried) "
        "VALUES ('k', 's', 'chat', 'room', '{}', 1.5, 0, '', 0)",
        "INSERT INTO tokens VALUES ('t', 'phone', '[]', x'00', 1.5, NULL)",
    ),
)
TABLES = ("sessions", "events", "waiting", "receipts", "leases", "outbox", "tokens")


def test_every_version_has_data_to_be_upgraded_with() -> None:
    assert len(DATA) == len(MIGRATIONS)


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_a_database_of_any_version_is_brought_up_to_date_with_what_it_holds(tmp_path: Path, version: int) -> None:
    async def scenario() -> None:
        database = await open_database(tmp_path / "a.db")
        assert await migrate(database, MIGRATIONS[:version]) == version
        await database.transact([Statement(sql) for sql in (DATA[version - 1] if version else ())])
        await database.close()
        async with opened_database(tmp_path / "a.db") as database:
            assert await migrate(database) == len(MIGRATIONS)
            counts = [await database.fetch(f"SELECT count(*) FROM {table}") for table in TABLES]
            assert [rows[0][0] for rows in counts] == ([1, 2, 1, 1, 1, 1, 1] if version else [0] * 7)
            journal = Journal(database, FakeClock())
            assert [info.id for info in await journal.unfinished()] == (["s"] if version else [])
            assert len(await journal.read("s")) == (2 if version else 0)

    run(scenario())


def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            await migrate(database, [*MIGRATIONS, ("CREATE TABLE later (n BIGINT)",)])
            with pytest.raises(StoreError, match=r"has version 2, this release knows only 1 .*newer"):
                await migrate(database)

    run(scenario())


def test_a_step_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            broken = ("CREATE TABLE half (n BIGINT)", "CREATE TABLE sessions (n BIGINT)")
            with pytest.raises(StoreError, match="table sessions already exists"):
                await migrate(database, [*MIGRATIONS, broken])
            assert await migrate(database) == len(MIGRATIONS)
            await migrate(database, [*MIGRATIONS, ("CREATE TABLE half (n BIGINT)",)])

    run(scenario())
