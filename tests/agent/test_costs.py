from pathlib import Path

import pytest

from carapax.agent.costs import Costs, add_up
from carapax.agent.ledger import Accounts
from carapax.errors import InvalidRequest
from carapax.messages import Usage
from carapax.store.days import open_days
from carapax.store.journal import Journal
from carapax.store.spend import Call, Group, Part, Tally, settled
from carapax.testing import FakeClock
from tests.running import run
from tests.store.opened import opened_database

NOW = 1_767_308_500.0  # 2026-01-02 in Berlin, the day before in UTC


def test_days_are_those_of_the_user_and_the_last_is_today(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened_database(tmp_path / "db") as database:
            calls = [
                Call(f"c{nth}", 0.0, f"2026-01-0{nth}", "a", "s", "r", "p", "m", nth * 10**9, Usage(1))
                for nth in (1, 2, 3)
            ]
            await database.transact([settled(call) for call in calls])
            clock = FakeClock(NOW)
            calendar = open_days("Europe/Berlin", {})
            accounts = Accounts(
                database, Journal(database, clock), clock, calendar, (), lambda name, work: work.close()
            )
            one, both = Tally(1, 1, cost_usd=2.0), Tally(2, 2, cost_usd=3.0)
            assert await add_up(accounts, NOW, "agent", days=1) == Costs(
                "2026-01-02",
                "2026-01-02",
                "Europe/Berlin",
                "agent",
                one,
                [Group("a", "", one)],
                [Part("2026-01-02", "a", 2.0)],
                [],
            )
            assert (await add_up(accounts, NOW, "day", since="2026-01-01")).total == both
            with pytest.raises(InvalidRequest, match="since 2026-01-03 comes after until 2026-01-02"):
                await add_up(accounts, NOW, "day", since="2026-01-03")

    run(main())
