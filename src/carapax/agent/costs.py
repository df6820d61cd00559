"""What models cost over some days, and how the budgets stand."""

from msgspec import Struct

from carapax.agent.ledger import Accounts, Standing
from carapax.errors import InvalidRequest
from carapax.store import spend
from carapax.store.spend import By, Group, Part, Tally

SHOWN = 7
_LEAST_USD = 1e-9


class Costs(Struct, frozen=True):
    """What models cost, in days of the user's time zone.

    since: the first day
    until: the last day
    timezone: where the days begin
    by: what was added up apart
    total: all calls
    groups: the calls of each day, or of each agent, model, session or provider, the dearest first
    parts: what each day cost of each of the first seven groups, and of all others together under an empty name; none by
        day, where the groups say it
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


async def add_up(
    accounts: Accounts, now: float, by: By, *, since: str = "", until: str = "", days: int = 30, limit: int = 100
) -> Costs:
    """The costs from a day up to and with another, which is today where it is not said; without the first, of so many
    days. Raises InvalidRequest for what is no day, and when the first comes after the last."""
    calendar, database = accounts.days, accounts.database
    until = calendar.before(until or calendar.of(now), 0)
    since = calendar.before(since, 0) if since else calendar.before(until, days - 1)
    if since > until:
        raise InvalidRequest(f"since {since} comes after until {until}")
    total = await spend.total(database, since, until)
    groups = await spend.groups(database, since, until, by, limit)
    parts = [] if by == "day" else await _parts(accounts, since, until, by, [group.name for group in groups[:SHOWN]])
    return Costs(since, until, calendar.name, by, total, groups, parts, accounts.standing())


async def _parts(accounts: Accounts, since: str, until: str, by: By, names: list[str]) -> list[Part]:
    parts = await spend.parts(accounts.database, since, until, by, names)
    rest = {part.name: part.cost_usd for part in await spend.parts(accounts.database, since, until, "day")}
    for part in parts:
        rest[part.day] -= part.cost_usd
    return [*parts, *(Part(day, "", usd) for day, usd in rest.items() if usd > _LEAST_USD)]
