from pathlib import Path

from carapax.store.followed import Followed
from tests.running import run
from tests.store.opened import opened_database


def test_what_a_file_held_is_known_after_a_restart_until_it_holds_something_else(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "db") as database:
            followed = Followed(database)
            await followed.keep("main", "AGENTS.md", "one")
            await followed.keep("main", "AGENTS.md", "two")
            again = Followed(database)
            assert not again.holds("main", "AGENTS.md", "two")
            await again.load()
            assert again.holds("main", "AGENTS.md", "two")
            assert not again.holds("main", "AGENTS.md", "one")
            assert not again.holds("other", "AGENTS.md", "two")
            assert not again.holds("main", "SOUL.md", "two")

    run(scenario())
