"""What models cost, and how the budgets stand."""

from typing import Annotated

from msgspec import Meta, Struct

from carapax.agent.ledger import Accounts, Standing
from carapax.api.fields import Limit
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.errors import InvalidRequest
from carapax.store import spend
from carapax.store.spend import By, Group, Part, Tally

Day = Annotated[str, Meta(pattern=r"^(\d{4}-\d\d-\d\d)?$")]
LAST_DAYS = 30
SHOWN = 7


class Period(Struct, frozen=True, forbid_unknown_fields=True):
    """What to add up.

    since: the first day, as 2026-11-21; empty for 29 days before the last
    until: the last day; empty for today
    by: what to add up apart
    limit: how many groups at most
    """

    since: Day = ""
    until: Day = ""
    by: By = "day"
    limit: Limit = 100


class Costs(Struct, frozen=True):
    """What models cost, in days of the user's time zone.

    since: the first day
    until: the last day
    timezone: where the days begin
    by: what was added up apart
    total: all calls
    groups: the calls of each day, or of each agent, model, session or provider, the dearest first
    parts: what each day cost, of each of the first seven groups
    budgets: how each budget stands now
    """

    since: str
    until: str
    timezone: str
    by: By
    total: Tally
    groups: list[Group]
    parts: list[Part]
    budgets: list[Standing]


@operation("costs.get", scope="read", path="/api/costs")
async def get(services: Services, params: Period) -> Costs:
    """Add up what models cost, by day, agent, model, session or provider, and tell how the budgets stand."""
    return await add_up(services.accounts, services.clock.now(), params)


async def add_up(accounts: Accounts, now: float, period: Period) -> Costs:
    """The costs of a period. Raises InvalidRequest when it ends before it begins."""
    until = accounts.days.before(period.until or accounts.days.of(now), 0)
    since = accounts.days.before(period.since, 0) if period.since else accounts.days.before(until, LAST_DAYS - 1)
    if since > until:
        raise InvalidRequest(f"since {since} is after until {until}")
    groups = await spend.groups(accounts.database, since, until, period.by, period.limit)
    names = [] if period.by == "day" else [group.name for group in groups[:SHOWN]]
    parts = await spend.parts(accounts.database, since, until, period.by, names)
    total = await spend.total(accounts.database, since, until)
    return Costs(since, until, accounts.days.name, period.by, total, groups, parts, accounts.standing())
