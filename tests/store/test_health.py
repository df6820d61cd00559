from pathlib import Path

from carapax.store.health import State, load, put, remove
from carapax.testing.clock import START
from tests.running import run
from tests.store.opened import opened_database

BUSY = State("openai", "gpt-x", 2, START + 20, "busy", "too much", START)
REFUSED = State("anthropic", "claude", 1, START + 3600, "unauthorized", "no credit", START + 1)


def test_what_was_put_is_loaded_until_it_is_removed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            later = State("openai", "gpt-x", 3, START + 50, "busy", "still too much", START + 10)
            await database.transact([put(BUSY), put(REFUSED), put(later)])
            assert await load(database, START) == [REFUSED, later]
            await database.transact([remove("openai", "gpt-x"), remove("openai", "gpt-y")])
            assert await load(database, START) == [REFUSED]

    run(scenario())


def test_what_is_a_day_old_is_forgotten(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            await database.transact([put(BUSY)])
            assert await load(database, BUSY.until + 86_400) == [BUSY]
            assert await load(database, BUSY.until + 86_401) == []

    run(scenario())
