"""What was spent: a row for each call of a model, and what the rows add up to."""

from collections.abc import Sequence
from typing import Literal, cast

from msgspec import Struct

from carapax.messages import Usage
from carapax.store.database import Database, Row, Statement

By = Literal["day", "agent", "model", "session", "provider"]
DOLLAR = 1_000_000_000
_LARGEST = 2**53
_KEYS: dict[By, str] = {
    "day": "c.day",
    "agent": "c.agent",
    "model": "c.provider || '/' || c.model",
    "session": "c.session",
    "provider": "c.provider",
}
_SUMS = (
    "count(*), sum(1.0 * c.input), sum(1.0 * c.cache_read), sum(1.0 * c.cache_write), sum(1.0 * c.output), "
    "sum(1.0 * c.reasoning), sum(1.0 * c.tool), sum(1.0 * c.cost), sum(c.estimated), sum(1 - c.priced)"
)
"""A sum of whole numbers can be too large for the database, and then there is none at all; up to 2**53 these are as
exact."""
_BETWEEN = "FROM spend c WHERE c.day >= $1 AND c.day <= $2 AND c.state = 'settled'"
_SETTLE = """
    INSERT INTO spend (id, at, day, agent, session, run, provider, model, input, output, cache_read, cache_write,
    reasoning, tool, cost, estimated, priced, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    ON CONFLICT (id) DO UPDATE SET provider = excluded.provider, model = excluded.model, input = excluded.input,
    output = excluded.output, cache_read = excluded.cache_read, cache_write = excluded.cache_write,
    reasoning = excluded.reasoning, tool = excluded.tool, cost = excluded.cost, estimated = excluded.estimated,
    priced = excluded.priced, state = excluded.state
"""


class Tally(Struct, frozen=True):
    """Calls of models added up. `input` counts all of the prompts, of which `cache_read`, `cache_write` and `tool` are
    parts; `output` all of the answers, of which `reasoning` is a part.

    calls: how many
    input: tokens of the prompts
    cache_read: tokens of the prompts that the vendor had in its cache
    cache_write: tokens of the prompts that the vendor put into its cache
    output: tokens of the answers
    reasoning: tokens of the answers that were reasoned
    tool: tokens of the prompts that came from tools at the vendor's
    cost_usd: US dollars
    estimated: calls that the vendor did not count, so that tokens and cost are estimates
    unpriced: calls of models whose price is not known
    """

    calls: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    tool: int = 0
    cost_usd: float = 0.0
    estimated: int = 0
    unpriced: int = 0


class Group(Struct, frozen=True):
    """The calls of one day, agent, model, session or provider.

    name: which one
    title: the title of a session; else empty
    tally: its calls
    """

    name: str
    title: str
    tally: Tally


class Part(Struct, frozen=True):
    """What one day cost of one group.

    day: as 2026-11-21
    name: the name of the group
    cost_usd: US dollars
    """

    day: str
    name: str
    cost_usd: float


class Call(Struct, frozen=True):
    """One call of a model: when and for whom, and what it took or, while it is under way, what is set aside for it.
    `cost` is in nanodollars."""

    id: str
    at: float
    day: str
    agent: str
    session: str
    run: str
    provider: str
    model: str
    cost: int
    usage: Usage = Usage()
    estimated: bool = False
    priced: bool = True


def reserved(call: Call) -> Statement:
    """Keep what is set aside for a call."""
    return _kept(call, "reserved")


def settled(call: Call) -> Statement:
    """Keep what a call took, in place of what was set aside for it."""
    return _kept(call, "settled")


def dropped(call: Call) -> Statement:
    """Set nothing aside for a call any more."""
    return Statement("DELETE FROM spend WHERE id = $1", (call.id,))


def recovered() -> Statement:
    """Count what was set aside for calls of which nobody knows what they took."""
    return Statement("UPDATE spend SET state = 'settled', estimated = 1 WHERE state = 'reserved'")


async def sums(database: Database, since: str, state: Literal["reserved", "settled"]) -> list[tuple[str, str, int]]:
    """Agent, day and nanodollars of all calls in a state, from a day on."""
    rows = await database.fetch(
        "SELECT agent, day, sum(1.0 * cost) FROM spend WHERE day >= $1 AND state = $2 GROUP BY agent, day", since, state
    )
    return [(str(agent), str(day), int(cast(int, cost))) for agent, day, cost in rows]


async def last_day(database: Database) -> str:
    """The last day with a call; empty when there is none."""
    [[day]] = await database.fetch("SELECT max(day) FROM spend")
    return str(day or "")


async def total(database: Database, since: str, until: str) -> Tally:
    """All calls from a day up to and with another."""
    [row] = await database.fetch(f"SELECT {_SUMS} {_BETWEEN}", since, until)
    return _tally(row)


async def total_of(database: Database, session: str) -> Tally:
    """All calls of a session, whenever they were."""
    [row] = await database.fetch(f"SELECT {_SUMS} FROM spend c WHERE c.session = $1 AND c.state = 'settled'", session)
    return _tally(row)


async def runs_of(database: Database, session: str) -> dict[str, Tally]:
    """All calls of a session, by the run they were made in."""
    rows = await database.fetch(
        f"SELECT c.run, {_SUMS} FROM spend c WHERE c.session = $1 AND c.state = 'settled' GROUP BY c.run", session
    )
    return {str(row[0]): _tally(row[1:]) for row in rows}


async def groups(database: Database, since: str, until: str, by: By, limit: int) -> list[Group]:
    """The calls by what they have in common: days in their order, all else by what it cost, the most first."""
    order = "1" if by == "day" else "9 DESC, 2 DESC, 1"
    rows = await database.fetch(
        f"SELECT {_KEYS[by]}, {_SUMS} {_BETWEEN} GROUP BY {_KEYS[by]} ORDER BY {order} LIMIT $3", since, until, limit
    )
    titles = await _titles(database, [str(row[0]) for row in rows]) if by == "session" else {}
    return [Group(str(row[0]), titles.get(str(row[0]), ""), _tally(row[1:])) for row in rows]


async def parts(database: Database, since: str, until: str, by: By, names: Sequence[str] | None = None) -> list[Part]:
    """What each day cost of each group, or of these groups, by day."""
    if names is not None and not names:
        return []
    places = ", ".join(f"${number}" for number in range(3, len(names or ()) + 3))
    chosen = f"AND {_KEYS[by]} IN ({places}) " if names else ""
    rows = await database.fetch(
        f"SELECT c.day, {_KEYS[by]}, sum(1.0 * c.cost) {_BETWEEN} {chosen}GROUP BY c.day, {_KEYS[by]} ORDER BY 1, 2",
        since,
        until,
        *(names or ()),
    )
    return [Part(str(day), str(name), cast(int, cost) / DOLLAR) for day, name, cost in rows]


async def _titles(database: Database, sessions: Sequence[str]) -> dict[str, str]:
    if not sessions:
        return {}
    places = ", ".join(f"${number}" for number in range(1, len(sessions) + 1))
    rows = await database.fetch(f"SELECT id, title FROM sessions WHERE id IN ({places})", *sessions)
    return {str(session): str(title) for session, title in rows}


def _tally(row: Row) -> Tally:
    calls, read, cached, written, output, reasoning, tool, cost, estimated, unpriced = (
        int(cast(int, value or 0)) for value in row
    )
    return Tally(calls, read, cached, written, output, reasoning, tool, cost / DOLLAR, estimated, unpriced)


def _kept(call: Call, state: str) -> Statement:
    usage = call.usage
    counts = (usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning, usage.tool, call.cost)
    whole = tuple(min(max(0, each), _LARGEST) for each in counts)
    who = (call.id, call.at, call.day, call.agent, call.session, call.run, call.provider, call.model)
    return Statement(_SETTLE, (*who, *whole, int(call.estimated), int(call.priced), state), 1)
