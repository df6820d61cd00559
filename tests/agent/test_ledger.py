import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carapax.agent.ledger import Accounts, Budget, Standing, budgets, usd
from carapax.config import AgentConfig, BudgetConfig
from carapax.contracts import Spend, Spender
from carapax.errors import OverBudget, StoreError
from carapax.events import BudgetReached, Envelope, SessionEnded
from carapax.messages import Usage
from carapax.store import spend
from carapax.store.database import Committed, Database, Row, Statement, Value
from carapax.store.days import open_days
from carapax.store.journal import Journal
from carapax.store.spend import Tally
from carapax.testing import FakeClock
from carapax.testing.clock import START
from tests.running import run
from tests.store.opened import ANSWERED, STARTED, opened_database

DOLLAR = 1_000_000_000
DAY = Budget("daily", "", 10 * DOLLAR)
ANN = Spender("main", "s1", "r1")


class Watched:
    """A database that tells what it was given in which order, and fails while it is told to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.given: list[str] = []
        self.full = False

    async def transact(self, statements: Sequence[Statement], committed: Committed | None = None) -> list[list[Row]]:
        if self.full:
            raise StoreError("the disk is full")
        self.given += [" ".join(statement.sql.split()[:3]) for statement in statements]
        return await self._database.transact(statements, committed)

    async def fetch(self, sql: str, *params: Value) -> list[Row]:
        return await self._database.fetch(sql, *params)

    async def close(self) -> None:
        await self._database.close()


class Books:
    """Accounts that are open, and what is behind them."""

    accounts: Accounts

    def __init__(self, database: Watched, journal: Journal, tasks: asyncio.TaskGroup) -> None:
        self.database = database
        self.journal = journal
        self.tasks = tasks
        self.never_begins = False
        self.writing: list[asyncio.Task[None]] = []

    async def spend(self, cost: float, spender: Spender = ANN, amount: float = 0) -> None:
        reservation = await self.accounts.reserve(spender, "p", "m", round((amount or cost) * DOLLAR))
        await self.accounts.settle(reservation, Spend("p", "m", Usage(10, 5), round(cost * DOLLAR)))

    def spawn(self, name: str, work: Coroutine[object, object, None]) -> object:
        if self.never_begins:
            work.close()
        else:
            self.writing.append(self.tasks.create_task(work, name=name))
        return None

    async def told(self, session: str = "s1") -> list[BudgetReached]:
        await asyncio.gather(*self.writing)
        events: list[Envelope] = await self.journal.read(session)
        return [envelope.event for envelope in events if isinstance(envelope.event, BudgetReached)]

    async def written(self) -> Tally:
        await asyncio.gather(*self.writing)
        return await spend.total(self.database, "2000-01-01", "2100-01-01")


@asynccontextmanager
async def opened(path: Path, *limits: Budget, clock: FakeClock | None = None) -> AsyncGenerator[Books, None]:
    clock = clock or FakeClock()
    async with opened_database(path / "db") as real, asyncio.TaskGroup() as tasks:
        database = Watched(real)

        journal = Journal(database, clock)
        books = Books(database, journal, tasks)
        books.accounts = Accounts(database, journal, clock, open_days("Europe/Berlin", {}), limits, books.spawn)
        await books.accounts.load()
        yield books


def test_the_budgets_of_a_configuration() -> None:
    agents = {"a": AgentConfig(daily_usd=0), "b": AgentConfig(monthly_usd=2.5), "c": AgentConfig()}
    found = budgets(BudgetConfig(monthly_usd=100), agents)
    assert [(budget.name, budget.key, budget.limit) for budget in found] == [
        ("monthly", "budget.monthly_usd", 100 * DOLLAR),
        ("daily of a", "agents.a.daily_usd", 0),
        ("monthly of b", "agents.b.monthly_usd", 2_500_000_000),
    ]


def test_what_is_set_aside_counts_until_it_is_settled(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, DAY) as books:
            first = await books.accounts.reserve(ANN, "p", "m", 6 * DOLLAR)
            assert books.accounts.standing() == [
                Standing("daily", "", "daily", 0.0, 6.0, 10.0, 1_767_308_400.0),  # 2026-01-02 00:00 in Berlin
            ]
            with pytest.raises(OverBudget) as refused:
                await books.accounts.reserve(ANN, "p", "m", 5 * DOLLAR)
            assert str(refused.value) == (
                "the daily budget of 10.00 USD does not cover this call: 0.00 USD spent, 6.00 USD set aside for calls "
                "under way, and this one could cost 5.00 USD; it begins anew at 2026-01-02 00:00 (Europe/Berlin) "
                "(raise budget.daily_usd in carapax.toml, choose a cheaper model, or lower max_output_tokens)"
            )
            await books.accounts.settle(first, Spend("p", "m", Usage(10, 5), 1 * DOLLAR))
            second = await books.accounts.reserve(ANN, "p", "m", 9 * DOLLAR)
            await books.accounts.settle(second, None)
            [standing] = books.accounts.standing()
            assert (standing.spent_usd, standing.reserved_usd) == (1.0, 0.0)
            assert await books.written() == Tally(1, 10, output=5, cost_usd=1.0)

    run(main())


def test_a_reservation_is_on_disk_before_the_vendor_is_asked_where_a_budget_applies(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, Budget("daily", "poor", DOLLAR)) as books:
            await books.accounts.reserve(Spender("poor", "s", "r"), "p", "m", 7)
            await books.accounts.reserve(Spender("rich", "s", "r"), "p", "m", 8)
            await books.accounts.reserve(Spender("poor", "s", "r"), "p", "free", 0)
            assert await spend.sums(books.database, "", "reserved") == [("poor", "2026-01-01", 7)]
            assert [books.accounts.limited(Spender(name, "s", "r")) for name in ("poor", "rich")] == [True, False]

    run(main())


def test_what_a_call_took_stands_before_what_its_caller_commits_next(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as books:
            await books.journal.append("s1", STARTED)
            books.database.given.clear()
            await books.spend(1)
            await books.journal.append("s1", ANSWERED)
            assert books.database.given == ["INSERT INTO spend", "INSERT INTO events"]

    run(main())


def test_a_call_that_a_crash_cut_short_counts_as_what_was_set_aside(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, DAY) as books:
            await books.spend(2)
            await books.accounts.reserve(ANN, "p", "m", 3 * DOLLAR)
        for _ in range(2):
            async with opened(tmp_path, DAY) as books:
                [standing] = books.accounts.standing()
                assert (standing.spent_usd, standing.reserved_usd) == (5.0, 0.0)
                assert await books.written() == Tally(2, 10, output=5, cost_usd=5.0, estimated=1)

    run(main())


def test_a_caller_who_goes_away_while_setting_aside_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, DAY) as books:
            reserving = books.tasks.create_task(books.accounts.reserve(ANN, "p", "m", DOLLAR))
            await asyncio.sleep(0)
            reserving.cancel()
            await asyncio.wait([reserving])
            assert books.accounts.standing()[0].reserved_usd == 0
            await books.database.transact([])
            assert await spend.sums(books.database, "", "reserved") == []

    run(main())


def test_a_caller_who_is_cancelled_settles_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, DAY) as books:
            reservation = await books.accounts.reserve(ANN, "p", "m", 3 * DOLLAR)

            async def call() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    await books.accounts.settle(reservation, Spend("p", "m", Usage(1), DOLLAR, estimated=True))

            calling = books.tasks.create_task(call())
            await asyncio.sleep(0)
            calling.cancel()
            await asyncio.wait([calling])
            assert await books.written() == Tally(1, 1, cost_usd=1.0, estimated=1)

    run(main())


def test_what_cannot_be_written_counts_and_is_written_later(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as books:
            books.database.full = True
            await books.spend(1)
            await asyncio.sleep(0)
            books.database.full = False
            await books.spend(2)
            assert await books.written() == Tally(2, 20, output=10, cost_usd=3.0)

    run(main())


def test_what_is_not_written_at_the_end_is_written_then(tmp_path: Path) -> None:
    """As when the end comes before the task that writes has begun."""

    async def main() -> None:
        async with opened(tmp_path, DAY) as books:
            reservation = await books.accounts.reserve(ANN, "p", "m", DOLLAR)
            books.never_begins = True
            await books.accounts.settle(reservation, Spend("p", "m", Usage(1), DOLLAR))
            await books.accounts.close()
            assert await books.written() == Tally(1, 1, cost_usd=1.0)

    run(main())


def test_settling_twice_counts_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as books:
            reservation = await books.accounts.reserve(ANN, "p", "m", 1)
            for _ in range(2):
                await books.accounts.settle(reservation, Spend("p", "m", Usage(1), DOLLAR))
            assert (await books.written()).calls == 1

    run(main())


def test_a_call_counts_on_the_day_it_began(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        clock.set(1_767_308_399.0)  # a second before midnight in Berlin
        async with opened(tmp_path, DAY, clock=clock) as books:
            await books.journal.append("s1", STARTED)
            reservation = await books.accounts.reserve(ANN, "p", "m", 8 * DOLLAR)
            clock.advance(2)
            await books.accounts.settle(reservation, Spend("p", "m", Usage(), 8 * DOLLAR))
            assert await books.told() == [BudgetReached("daily", 80, 8.0, 10.0)]
            assert books.accounts.standing()[0].spent_usd == 0
            await books.spend(9)
            clock.advance(-2)
            assert books.accounts.standing()[0].spent_usd == 8

    run(main())


def test_each_level_is_told_once_in_a_period_also_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        month = Budget("monthly", "main", 40 * DOLLAR)
        async with opened(tmp_path, DAY, month, clock=clock) as books:
            await books.journal.append("s1", STARTED)
            for cost in (4.0, 2.0, 1.0):
                await books.spend(cost)
            assert await books.told() == [BudgetReached("daily", 50, 6.0, 10.0)]
        async with opened(tmp_path, DAY, month, clock=clock) as books:
            for cost in (0.5, 2.0, 0.5):
                await books.spend(cost)
            clock.advance(86_400)
            await books.spend(10)
            assert (await books.told())[1:] == [
                BudgetReached("daily", 80, 9.5, 10.0),
                BudgetReached("daily", 100, 10.0, 10.0),
                BudgetReached("daily", 100, 10.0, 10.0),
                BudgetReached("monthly of main", 50, 20.0, 40.0),
            ]

    run(main())


def test_a_session_that_has_ended_is_not_told_but_its_call_counts(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, DAY) as books:
            await books.journal.append("s1", STARTED, SessionEnded())
            await books.spend(9)
            await books.spend(1, Spender("main", "", ""))
            assert await books.told() == []
            assert (await books.written()).cost_usd == 10.0

    run(main())


@pytest.mark.parametrize(
    ("nanodollars", "text"),
    [(0, "0.00"), (1_234_567_890_000, "1,234.57"), (10_000_000, "0.01"), (4_200_000, "0.0042"), (7, "0.000000007")],
)
def test_an_amount_says_something_however_small(nanodollars: int, text: str) -> None:
    assert usd(nanodollars) == text


def test_what_costs_nothing_is_asked_also_when_more_was_spent_than_a_budget_has(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, DAY) as books:
            await books.spend(11, amount=9)
            await books.accounts.settle(await books.accounts.reserve(ANN, "local", "m", 0), None)
            with pytest.raises(OverBudget):
                await books.accounts.reserve(ANN, "p", "m", 1)

    run(main())


def test_what_was_being_written_when_all_was_stopped_is_written_at_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, DAY) as books:
            await books.journal.append("s1", STARTED)
            await books.journal.append("s1", SessionEnded())
            await books.spend(9)
            [writing] = books.writing
            writing.cancel()
            await asyncio.wait([writing])
            books.writing.clear()
            await books.accounts.close()
            assert await books.written() == Tally(1, 10, output=5, cost_usd=9.0)

    run(main())


def test_a_clock_that_was_ahead_when_the_gateway_started_hides_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, DAY) as books:
            await books.spend(9)
        ahead = FakeClock(START + 400 * 86_400)
        async with opened(tmp_path, DAY, clock=ahead) as books:
            await books.spend(8)
            ahead.set(START)
            with pytest.raises(OverBudget):
                await books.spend(2)

    run(main())
