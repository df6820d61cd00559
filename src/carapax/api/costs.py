"""What models cost, and how the budgets stand."""

from typing import Annotated

from msgspec import Meta, Struct

from carapax.agent.costs import Costs, add_up
from carapax.api.fields import Identifier, Limit
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.store import spend
from carapax.store.spend import By, Tally

Day = Annotated[str, Meta(pattern=r"^(\d{4}-\d\d-\d\d)?$")]


class Period(Struct, frozen=True, forbid_unknown_fields=True):
    """What to add up.

    by: what to add up apart
    since: the first day, as 2026-11-21; empty for so many `days` up to the last
    until: the last day; empty for today
    days: how many days, where the first is not said
    limit: how many groups at most
    """

    by: By = "day"
    since: Day = ""
    until: Day = ""
    days: Annotated[int, Meta(ge=1, le=3660)] = 30
    limit: Limit = 100


class Session(Struct, frozen=True, forbid_unknown_fields=True):
    """One session.

    session: its id
    """

    session: Identifier


class Runs(Struct, frozen=True):
    """What each run of a session cost.

    runs: by the id of the run; one that asked no model is not there
    """

    runs: dict[str, Tally]


@operation("costs.session", scope="read", path="/api/sessions/{session}/costs")
async def session(services: Services, params: Session) -> Tally:
    """Add up what models cost in one session; all is 0 where none was asked."""
    return await spend.total_of(services.accounts.database, params.session)


@operation("costs.runs", scope="read", path="/api/sessions/{session}/costs/runs")
async def runs(services: Services, params: Session) -> Runs:
    """Add up what models cost in each run of one session."""
    return Runs(await spend.runs_of(services.accounts.database, params.session))


@operation("costs.get", scope="read", path="/api/costs")
async def get(services: Services, params: Period) -> Costs:
    """Add up what models cost, by day, agent, model, session or provider, and tell how the budgets stand."""
    return await add_up(
        services.accounts,
        services.clock.now(),
        params.by,
        since=params.since,
        until=params.until,
        days=params.days,
        limit=params.limit,
    )
