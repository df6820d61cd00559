from pathlib import Path

import pytest

from carapax.errors import NotFound
from carapax.events import Grant
from carapax.store.database import Unexpected
from carapax.store.grants import Granted, Grants, answered, asked, keep, void
from carapax.store.migrations import migrate
from tests.running import run
from tests.store.opened import opened_database

GRANTED = Granted("g", "main", Grant("shell", {"command": "git status"}), "ann", 1.5)


def test_what_was_allowed_is_known_after_a_restart_until_it_is_taken_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            await migrate(database)
            await database.transact([keep(GRANTED)])
            grants = Grants(database)
            await grants.load()
            assert (grants.all(), list(grants.of("main", "shell"))) == ([GRANTED], [GRANTED])
            assert not grants.of("other", "shell") and not grants.of("main", "post")
            assert await grants.remove("g", []) == GRANTED
            with pytest.raises(NotFound):
                await grants.remove("g", [])
            again = Grants(database)
            await again.load()
            assert grants.all() == again.all() == []

    run(scenario())


def test_a_question_has_one_answer_at_most(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            await migrate(database)
            await database.transact([asked("q", "s"), asked("r", "s")])
            await database.transact([answered("q")])
            with pytest.raises(Unexpected):
                await database.transact([answered("q")])
            await database.transact([void("s")])
            with pytest.raises(Unexpected):
                await database.transact([answered("r")])

    run(scenario())
