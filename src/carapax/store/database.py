"""What a store must do, and the one dialect of SQL it is spoken to in.

The dialect is what SQLite and PostgreSQL understand alike: `$1` parameters (the same number may stand twice),
`INSERT ... ON CONFLICT`, `RETURNING`, `TEXT`, `BIGINT`, `DOUBLE PRECISION`, `BLOB` written as `{blob}` in migrations
and `BIGINT GENERATED ALWAYS AS IDENTITY` written as `{serial}`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from carapax.errors import Conflict

Value = str | int | float | bytes | None
Row = tuple[Value, ...]


class Statement(NamedTuple):
    """One SQL statement. With `expect`, it must change or return just so many rows, or its whole transaction is
    rolled back and fails with `Unexpected`."""

    sql: str
    params: tuple[Value, ...] = ()
    expect: int | None = None


class Unexpected(Conflict):
    """A statement met another number of rows than expected; `index` is its place in the transaction."""

    def __init__(self, index: int, rows: int) -> None:
        super().__init__(f"statement {index} met {rows} rows")
        self.index = index
        self.rows = rows


class Database(Protocol):
    """A transactional store. Whatever `transact` has returned from survives a power cut."""

    async def transact(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run all statements or none, and return the rows of each once they are synced to disk.

        Transactions that wait at the same time share one commit; a failure of one does not touch the others.
        Cancelling the caller does not cancel the transaction. Raises Unexpected, StoreFull, StoreCorrupt.
        """
        ...

    async def fetch(self, sql: str, *params: Value) -> list[Row]:
        """Read rows beside the writer; sees every transaction that has returned."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then close. Later calls raise Unavailable."""
        ...
