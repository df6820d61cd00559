"""What people allowed for good, and which questions wait for an answer."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from carapax.errors import NotFound
from carapax.events import Grant
from carapax.store.database import Database, Row, Statement, Unexpected


class Granted(Struct, frozen=True):
    """What a person allowed.

    id: its id, which is that of the question it was the answer to
    agent: whose calls it covers
    grant: which calls
    by: who gave it
    at: when, in seconds since 1970
    """

    id: str
    agent: str
    grant: Grant
    by: str
    at: float


class Grants:
    """What was allowed for all sessions of an agent, until it is taken back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[str, Granted] = {}
        self._by_tool: dict[tuple[str, str], list[Granted]] = {}

    async def load(self) -> None:
        """Take up what was kept. Raises a StoreError."""
        for granted in await read_grants(self._database):
            self.take(granted)

    def take(self, granted: Granted) -> None:
        """It counts from now on; `keep` was committed."""
        self._kept[granted.id] = granted
        self._sort()

    def of(self, agent: str, tool: str) -> Iterable[Granted]:
        """What covers calls of this tool, perhaps."""
        return self._by_tool.get((agent, tool), ())

    def all(self) -> list[Granted]:
        """The oldest first."""
        return sorted(self._kept.values(), key=lambda one: one.at)

    async def remove(self, name: str, also: list[Statement]) -> Granted:
        """Take one back. Raises NotFound, or a StoreError; it covers nothing any more in either case."""
        granted = self._kept.pop(name, None)
        self._sort()
        await forget(self._database, name, also)
        if granted is None:
            raise NotFound(f"there is no grant {name!r}")
        return granted

    def _sort(self) -> None:
        self._by_tool.clear()
        for one in self._kept.values():
            self._by_tool.setdefault((one.agent, one.grant.tool), []).append(one)


def keep(granted: Granted) -> Statement:
    """What keeps a grant."""
    body = msgspec.json.encode(granted.grant).decode()
    sql = "INSERT INTO grants (id, agent, body, given_by, given_at) VALUES ($1, $2, $3, $4, $5)"
    return Statement(sql, (granted.id, granted.agent, body, granted.by, granted.at), 1)


async def forget(database: Database, name: str, also: list[Statement]) -> None:
    """Take a grant back. Raises NotFound."""
    try:
        await database.transact([Statement("DELETE FROM grants WHERE id = $1", (name,), 1), *also])
    except Unexpected as error:
        raise NotFound(f"there is no grant {name!r}", "`carapax approvals grants` shows those there are") from error


async def read_grants(database: Database) -> list[Granted]:
    """All that are kept, the oldest first."""
    rows = await database.fetch("SELECT id, agent, body, given_by, given_at FROM grants ORDER BY given_at, id")
    return [_granted(row) for row in rows]


def asked(question: str, session: str) -> Statement:
    """A question waits from now on."""
    return Statement("INSERT INTO questions (id, session) VALUES ($1, $2)", (question, session), 1)


def answered(question: str) -> Statement:
    """It has its answer; fails when it does not wait any more, so that there is one answer at most."""
    return Statement("DELETE FROM questions WHERE id = $1", (question,), 1)


def void(session: str) -> Statement:
    """What a session asked waits no more."""
    return Statement("DELETE FROM questions WHERE session = $1", (session,))


def _granted(row: Row) -> Granted:
    name, agent, body, by, at = row
    grant = msgspec.json.decode(str(body), type=Grant)
    return Granted(str(name), str(agent), grant, str(by), at if isinstance(at, float) else 0.0)
