"""What a store must do, and the one dialect of SQL it is spoken to in.

The dialect is what SQLite and PostgreSQL understand alike: `$1` parameters (the same number may stand twice),
`INSERT ... ON CONFLICT`, `RETURNING`, `TEXT`, `BIGINT`, `DOUBLE PRECISION`, `BLOB` written as `{blob}` in migrations
and `BIGINT GENERATED ALWAYS AS IDENTITY` written as `{serial}`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from carapax.errors import Conflict

Value = str | int | float | bytes | None
Row = tuple[Value, ...]
Committed = Callable[[list[list[Row]]], None]


class Statement(NamedTuple):
    """One SQL statement. With `expect`, it must change or return just so many rows, or its whole transaction is
    rolled back and fails with `Unexpected`."""

    sql: str
    params: tuple[Value, ...] = ()
    expect: int | None = None


class Unexpected(Conflict):
    """A statement met another number of rows than expected; `index` is its place in the transaction.

    A statement that broke a constraint (unique, not null, foreign key) met 0 rows.
    """

    def __init__(self, index: int, rows: int) -> None:
        super().__init__(f"statement {index} met {rows} rows")
        self.index = index
        self.rows = rows


class Database(Protocol):
    """A transactional store. Whatever `transact` has returned from survives a power cut."""

    async def transact(self, statements: Sequence[Statement], committed: Committed | None = None) -> list[list[Row]]:
        """Run all statements or none, and return the rows of each once they are synced to disk.

        Transactions that wait at the same time share one commit; a failure of one does not touch the others.
        Cancelling the caller does not cancel the transaction. `committed` is called with the rows right after the
        commit, in the order of the commits, also when the caller is gone by then; it must not raise.

        Raises Unexpected; StoreFull, StoreLocked, StoreCorrupt or another StoreError, after which a crash may still
        show the transaction as done: whoever got an error knows only that nothing was promised.
        """
        ...

    async def fetch(self, sql: str, *params: Value) -> list[Row]:
        """Read rows beside the writer; sees every transaction that has returned."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then close. Later calls raise Unavailable."""
        ...
