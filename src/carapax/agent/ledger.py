"""The ledger: what may be spent and what was, added up in memory, each call a row on disk."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from carapax.clock import Clock
from carapax.config import AgentConfig, BudgetConfig, Config
from carapax.contracts import Spend, Spender
from carapax.errors import Conflict, NotFound, OverBudget, StoreError
from carapax.events import BudgetReached
from carapax.store import spend as rows
from carapax.store.database import Database, Statement
from carapax.store.days import Days, Period, open_days, period_of
from carapax.store.journal import Journal
from carapax.store.spend import DOLLAR, Call

log = logging.getLogger(__name__)
LEVELS = (100, 80, 50)
_KEYS: dict[Period, str] = {"daily": "daily_usd", "monthly": "monthly_usd"}
_PERIODS: tuple[Period, ...] = ("daily", "monthly")


class Spawn(Protocol):
    """Starts work that ends by itself."""

    def __call__(self, name: str, work: Coroutine[object, object, None]) -> object: ...


class Budget(Struct, frozen=True):
    """A limit in nanodollars on what one agent, or with an empty name all of them, may spend in a day or month."""

    period: Period
    agent: str
    limit: int

    @property
    def name(self) -> str:
        return f"{self.period} of {self.agent}" if self.agent else self.period

    @property
    def key(self) -> str:
        """Where it stands in the configuration."""
        return f"agents.{self.agent}.{_KEYS[self.period]}" if self.agent else f"budget.{_KEYS[self.period]}"


class Standing(Struct, frozen=True):
    """How a budget stands now.

    name: "daily" or "monthly", with " of " and its name for the budget of one agent
    agent: the agent; empty for all of them
    period: "daily" or "monthly"
    spent_usd: US dollars that were spent in this day or month
    reserved_usd: US dollars that are set aside for calls under way
    limit_usd: US dollars that may be spent
    resets_at: when it begins anew, in seconds since 1970
    """

    name: str
    agent: str
    period: Period
    spent_usd: float
    reserved_usd: float
    limit_usd: float
    resets_at: float


class _Sum(Struct):
    """Nanodollars of one agent, or of all of them, in one day or month. `told` is the highest level of its budget that
    was told."""

    spent: int = 0
    reserved: int = 0
    told: int = 0


def budgets(whole: BudgetConfig, agents: Mapping[str, AgentConfig]) -> tuple[Budget, ...]:
    """The budgets of a configuration, those of all agents together first."""
    said = [("", whole.daily_usd, whole.monthly_usd)]
    said += [(name, config.daily_usd, config.monthly_usd) for name, config in agents.items()]
    return tuple(
        Budget(period, name, round(limit * DOLLAR))
        for name, *limits in said
        for period, limit in zip(_PERIODS, limits, strict=True)
        if limit is not None
    )


class Accounts:
    """A `Ledger` whose rows are in the database, which no other process writes to.

    A call that a budget applies to is on disk before the vendor is asked, with all that it could cost; if nobody lives
    to tell what it took, that is what counts. What it took is on disk no later than what is committed after `settle`.
    """

    def __init__(
        self,
        database: Database,
        journal: Journal,
        clock: Clock,
        days: Days,
        limits: Sequence[Budget],
        spawn: Spawn,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.database = database
        self.days = days
        self._journal = journal
        self._clock = clock
        self.budgets = limits
        self._spawn = spawn
        self._environ = environ
        self._sums: dict[tuple[str, str], _Sum] = {}
        self._open: dict[str, Call] = {}
        self._unsaved: list[Statement] = []
        self._observers: list[Callable[[Spend], None]] = []

    async def load(self, *, recover: bool = True) -> None:
        """Add up what is on disk of this month, and of the last one that has anything: that is this one when the clock
        was ahead and is set right. Call it once, before anything else. With `recover`, calls that an earlier process
        left under way count from now on as what was set aside for them. Raises StoreError."""
        today = self.days.of(self._clock.now())
        known = [today, self.days.before(today, 1), await rows.last_day(self.database) or today]
        since = min(known)[:7]  # in another time zone, today may be the last day of the month before
        for agent, day, cost in await rows.sums(self.database, since, "settled"):
            for each in self._of(agent, day):
                each.spent += cost
        self._set_levels()
        left = await rows.sums(self.database, "", "reserved")
        for agent, day, cost in left:
            for each in self._of(agent, day):
                each.spent += cost
        if left and recover:
            await self.database.transact([rows.recovered()])

    def observe(self, observer: Callable[[Spend], None]) -> None:
        """Call this for all that is counted from now on; it must not block or raise."""
        self._observers.append(observer)

    async def reopen(self, config: Config, undo: AsyncExitStack) -> Callable[[], None]:
        """Other budgets, and days of another time zone, for what is asked from then on. Raises ConfigError."""
        days, limits = open_days(config.user.timezone, self._environ), budgets(config.budget, config.agents)

        def switch() -> None:
            self.days = days
            if limits != self.budgets:
                self.budgets = limits
                self._set_levels()

        return switch

    def _set_levels(self) -> None:
        """What is spent by now of each budget need not be told any more."""
        for budget in self.budgets:
            for (agent, period), each in self._sums.items():
                if agent == budget.agent and (len(period) == 10) == (budget.period == "daily"):
                    each.told = _level(each.spent, budget.limit)

    def limited(self, spender: Spender) -> bool:
        return any(True for _ in self._budgets(spender.agent))

    async def reserve(self, spender: Spender, provider: str, model: str, amount: int) -> str:
        now = self._clock.now()
        day = self.days.of(now)
        for budget in self._budgets(spender.agent) if amount else ():
            self._check(budget, day, now, provider, model, amount)
        who = (spender.agent, spender.session, spender.run)
        call = Call(self._clock.new_id(), now, day, *who, provider, model, amount)
        self._open[call.id] = call
        self._hold(call, amount)
        if amount and self.limited(spender):
            kept = False
            try:
                await self.database.transact([rows.reserved(call)])
                kept = True
            finally:
                if not kept:
                    self._drop(call)
        return call.id

    async def settle(self, reservation: str, spend: Spend | None) -> None:
        call = self._open.get(reservation)
        if call is None:
            return
        if spend is None:
            self._drop(call)
        else:
            self._count(call, spend)
            for observer in self._observers:
                observer(spend)
        # The task that writes takes its first step, which is all it needs to stand before what its caller commits next.
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Write what is still to be written. Raises StoreError."""
        if self._unsaved:
            await self.database.transact(self._unsaved)

    def standing(self) -> list[Standing]:
        """How every budget stands now."""
        now = self._clock.now()
        return [self._standing(budget, self.days.of(now), now) for budget in self.budgets]

    def _standing(self, budget: Budget, day: str, now: float) -> Standing:
        each = self._sum(budget.agent, period_of(day, budget.period))
        usd = (each.spent / DOLLAR, each.reserved / DOLLAR, budget.limit / DOLLAR)
        return Standing(budget.name, budget.agent, budget.period, *usd, self.days.resets_at(now, budget.period))

    def _check(self, budget: Budget, day: str, now: float, provider: str, model: str, amount: int) -> None:
        each = self._sum(budget.agent, period_of(day, budget.period))
        if each.spent + each.reserved + amount <= budget.limit:
            return
        whose = f" of agent {budget.agent}" if budget.agent else ""
        raise OverBudget(
            f"the {budget.period} budget{whose} of {usd(budget.limit)} USD does not cover this call: "
            f"{usd(each.spent)} USD spent, {usd(each.reserved)} USD set aside for calls under way, and this one could "
            f"cost {usd(amount)} USD; it begins anew at {self.days.written(self.days.resets_at(now, budget.period))}",
            f"raise {budget.key} in carapax.toml, choose a cheaper model, or lower max_output_tokens",
            vendor=provider,
            model=model,
            asked=False,
        )

    def _count(self, call: Call, spend: Spend) -> None:
        self._release(call)
        reached: list[BudgetReached] = []
        for each in self._of(call.agent, call.day):
            each.spent += spend.cost
        for budget in self._budgets(call.agent):
            each = self._sum(budget.agent, period_of(call.day, budget.period))
            level = _level(each.spent, budget.limit)
            if level > each.told:
                each.told = level
                reached.append(BudgetReached(budget.name, level, each.spent / DOLLAR, budget.limit / DOLLAR))
                log.warning(
                    "the %s budget is %d %% spent: %s of %s USD",
                    budget.name,
                    level,
                    usd(each.spent),
                    usd(budget.limit),
                )
        took = replace(
            call,
            provider=spend.provider,
            model=spend.model,
            cost=spend.cost,
            usage=spend.usage,
            estimated=spend.estimated,
            priced=spend.priced,
        )
        self._write(rows.settled(took), call, reached)

    def _drop(self, call: Call) -> None:
        """It never reached the vendor."""
        self._release(call)
        if call.cost and any(True for _ in self._budgets(call.agent)):
            self._write(rows.dropped(call), call, [])

    def _release(self, call: Call) -> None:
        del self._open[call.id]
        self._hold(call, -call.cost)

    def _hold(self, call: Call, amount: int) -> None:
        for each in self._of(call.agent, call.day):
            each.reserved += amount

    def _write(self, statement: Statement, call: Call, reached: list[BudgetReached]) -> None:
        self._unsaved.append(statement)
        self._spawn("ledger", self._save(call, reached))

    async def _save(self, call: Call, reached: list[BudgetReached]) -> None:
        """Write what is to be written, and what was reached in the session that did; what cannot be written now goes
        along with what follows."""
        statements, self._unsaved = self._unsaved, []
        saved = False
        try:
            is_told = reached and call.session and await self._told(call, reached, statements)
            if statements and not is_told:
                await self.database.transact(statements)
            saved = True
        except StoreError as error:
            log.warning("what was spent is not on disk yet: %s", error)
        finally:
            if not saved:  # also when cancelled at the end; written twice, they say the same
                self._unsaved = [*statements, *self._unsaved]

    async def _told(self, call: Call, reached: list[BudgetReached], statements: list[Statement]) -> bool:
        """Whether the session could be told, and the statements were written together with that."""
        try:
            await self._journal.append(call.session, *reached, run=call.run, also=statements)
        except (Conflict, NotFound) as error:
            log.info("session %s is not told of its budget: %s", call.session, error)
            return False
        return True

    def _budgets(self, agent: str) -> Iterator[Budget]:
        return (budget for budget in self.budgets if budget.agent in ("", agent))

    def _of(self, agent: str, day: str) -> list[_Sum]:
        """The sums that a call of an agent counts in."""
        return [self._sum(name, period) for name in {"", agent} for period in (day, day[:7])]

    def _sum(self, agent: str, period: str) -> _Sum:
        found = self._sums.get((agent, period))
        if found is None:
            found = self._sums[agent, period] = _Sum()
        return found


def _level(spent: int, limit: int) -> int:
    """The highest of the levels that was reached, or 0."""
    return next((level for level in LEVELS if limit and spent * 100 >= limit * level), 0)


def usd(nanodollars: int) -> str:
    """An amount in US dollars, to the cent, or with two digits that say something where it is less."""
    amount = nanodollars / DOLLAR
    if amount == 0 or amount >= 0.01:
        return f"{amount:,.2f}"
    return f"{amount:.2g}" if amount >= 0.0001 else f"{amount:.9f}".rstrip("0")


async def open_accounts(
    config: Config, database: Database, journal: Journal, clock: Clock, environ: Mapping[str, str], spawn: Spawn
) -> Accounts:
    """The accounts of a configuration with what was spent before. Raises ConfigError, StoreError."""
    days = open_days(config.user.timezone, environ)
    accounts = Accounts(database, journal, clock, days, budgets(config.budget, config.agents), spawn, environ)
    await accounts.load()
    if accounts.budgets:
        log.info("budgets: %s", ", ".join(f"{each.name} {usd(each.limit)} USD" for each in accounts.budgets))
    return accounts
