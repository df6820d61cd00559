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

# What each migration makes room for, from version 1 on: a new one needs a new entry, and its table below.
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
        "INSERT INTO tokens (id, name, scopes, digest, created_at, last_used_at) "
        "VALUES ('t', 'phone', '[]', x'00', 1.5, NULL)",
    ),
    ("INSERT INTO files VALUES ('d', 'image/png', 1, x'00', 1, 1.5)",),
    ("INSERT INTO health VALUES ('p', 'm', 1, 2.5, 'busy', 'too much', 1.5)",),
    ("INSERT INTO spend VALUES ('c', 1.5, '2026-11-21', '', '', '', 'p', 'm', 1, 1, 0, 0, 0, 0, 9, 0, 1, 'settled')",),
    ("INSERT INTO halt VALUES (1, '{}')",),
    ("INSERT INTO audit VALUES (1, 'x', '{}', 'h')",),
    ("INSERT INTO stains VALUES ('main', 'notes.md')",),
    ("UPDATE tokens SET trust = 'known'",),
    ("INSERT INTO grants VALUES ('g', 'main', '{}', 'ann', 1.5)", "INSERT INTO questions VALUES ('q', 's')"),
    ("INSERT INTO file_pieces VALUES ('d', 0, x'00')",),
    (
        "INSERT INTO owner VALUES (1, x'00', '')",
        "INSERT INTO passkeys VALUES ('p', 'phone', 'localhost', x'00', 0, 1.5, NULL)",
        "INSERT INTO signins VALUES ('i', x'00', 'passkey', 'p', '127.0.0.1', 'Firefox', 1.5, 1.5, 2.5)",
    ),
    ("INSERT INTO followed (agent, name, digest) VALUES ('main', 'AGENTS.md', 'd')",),
    ("UPDATE followed SET vouched = 1",),
)
# How many rows of each table that is; the version that made it.
TABLES = {
    "sessions": (1, 1),
    "events": (2, 1),
    "waiting": (1, 1),
    "receipts": (1, 1),
    "leases": (1, 1),
    "outbox": (1, 1),
    "tokens": (1, 1),
    "files": (1, 2),
    "health": (1, 3),
    "spend": (1, 4),
    "halt": (1, 5),
    "audit": (1, 6),
    "audit_head": (1, 0),
    "stains": (1, 7),
    "grants": (1, 9),
    "questions": (1, 9),
    "file_pieces": (1, 10),
    "owner": (1, 11),
    "passkeys": (1, 11),
    "signins": (1, 11),
    "followed": (1, 12),
}


def test_every_version_has_data_to_be_upgraded_with() -> None:
    assert len(DATA) == len(MIGRATIONS)


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_a_database_of_any_version_is_brought_up_to_date_with_what_it_holds(tmp_path: Path, version: int) -> None:
    async def scenario() -> None:
        database = await open_database(tmp_path / "a.db")
        assert await migrate(database, MIGRATIONS[:version]) == version
        await database.transact([Statement(sql) for step in DATA[:version] for sql in step])
        await database.close()
        async with opened_database(tmp_path / "a.db") as database:
            assert await migrate(database) == len(MIGRATIONS)
            counted = {table: (await database.fetch(f"SELECT count(*) FROM {table}"))[0][0] for table in TABLES}
            assert counted == {table: rows if version >= since else 0 for table, (rows, since) in TABLES.items()}
            journal = Journal(database, FakeClock())
            assert [info.id for info in await journal.unfinished()] == (["s"] if version else [])
            assert len(await journal.read("s")) == (2 if version else 0)

    run(scenario())


def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            await migrate(database, [*MIGRATIONS, ("CREATE TABLE later (n BIGINT)",)])
            known = len(MIGRATIONS)
            with pytest.raises(StoreError, match=rf"has version {known + 1}, this release knows only {known} .*newer"):
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
