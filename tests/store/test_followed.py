from pathlib import Path

import pytest

from carapax.errors import StoreFull
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
            with again.vouching("main", {"AGENTS.md": "three"}) as kept:
                await database.transact(kept)
            assert [again.is_vouched("main", name) for name in ("AGENTS.md", "SOUL.md")] == [True, False]
            await (last := Followed(database)).load()
            assert last.holds("main", "AGENTS.md", "three")
            assert [last.is_vouched("main", name) for name in ("AGENTS.md", "SOUL.md")] == [True, False]
            with pytest.raises(StoreFull), last.vouching("main", {"AGENTS.md": "four"}):
                raise StoreFull("no room")
            assert not any(last.holds("main", "AGENTS.md", digest) for digest in ("three", "four"))

    run(scenario())
