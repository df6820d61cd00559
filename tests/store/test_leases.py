from pathlib import Path

import pytest

from carapax.store.database import Row, Statement, Unexpected
from carapax.store.leases import acquire, release, renew
from tests.running import run
from tests.store.opened import opened_database


def outcomes(path: Path, *steps: Statement) -> tuple[list[bool], list[Row]]:
    """Whether each step was let through, and the lease in the end."""

    async def scenario() -> tuple[list[bool], list[Row]]:
        done = []
        async with opened_database(path) as database:
            for step in steps:
                try:
                    await database.transact([step])
                    done.append(True)
                except Unexpected:
                    done.append(False)
            return done, await database.fetch("SELECT session, run, owner, expires_at FROM leases")

    return run(scenario())


def test_a_free_session_is_taken(tmp_path: Path) -> None:
    assert outcomes(tmp_path / "a.db", acquire("s", "r1", "here", 100, 30)) == ([True], [("s", "r1", "here", 130.0)])


@pytest.mark.parametrize(("now", "taken"), [(129.9, False), (130, True)])
def test_a_session_that_another_run_has_is_taken_only_when_its_lease_is_over(
    tmp_path: Path, now: float, taken: bool
) -> None:
    done, rows = outcomes(tmp_path / "a.db", acquire("s", "r1", "here", 100, 30), acquire("s", "r2", "there", now, 30))
    assert done == [True, taken]
    assert rows == [("s", "r2", "there", now + 30)] if taken else [("s", "r1", "here", 130.0)]


def test_a_lease_is_renewed_only_by_who_has_it(tmp_path: Path) -> None:
    done, rows = outcomes(
        tmp_path / "a.db",
        acquire("s", "r1", "here", 100, 30),
        renew("s", "r1", 120, 30),
        renew("s", "r2", 120, 60),
        renew("t", "r1", 120, 60),
    )
    assert (done, rows) == ([True, True, False, False], [("s", "r1", "here", 150.0)])


def test_a_lease_is_released_only_by_who_has_it(tmp_path: Path) -> None:
    first = acquire("s", "r1", "here", 100, 30)
    assert outcomes(tmp_path / "a.db", first, release("s", "r2"))[1] == [("s", "r1", "here", 130.0)]
    assert outcomes(tmp_path / "a.db", release("s", "r1"), release("s", "r1")) == ([True, True], [])
