"""Groups of transactions, each group in one commit."""

from collections.abc import Sequence

import apsw

from carapax.errors import StoreError
from carapax.store.connection import Source, close, connect, explained
from carapax.store.database import Row, Statement, Unexpected

Outcome = list[list[Row]] | Unexpected | StoreError
_NAMES = tuple(str(number) for number in range(1, 100))
_TYPES = {"{serial}": "INTEGER", "{blob}": "BLOB"}
_CALLERS_FAULT = (
    apsw.SQLError,
    apsw.BindingsError,
    apsw.MismatchError,
    apsw.RangeError,
    apsw.TooBigError,
    TypeError,
    OverflowError,
)


class _HalfDone(Exception):
    """A transaction failed after it had changed something."""


class Writer:
    """The one connection that writes; for one thread at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._connection = connect(source, read_only=False)
        self._cursor = self._connection.cursor()
        self._broken = False

    @property
    def connection(self) -> apsw.Connection:
        return self._connection

    def close(self) -> None:
        close(self._connection)

    def commit(self, group: Sequence[Sequence[Statement]]) -> Sequence[Outcome]:
        """Run the transactions in order and commit them together, synced; what became of each.

        When the commit itself fails, so does every one of them.
        """
        try:
            if self._broken:
                self._reopen()
            try:
                return self._run(group, savepoints=False)
            except _HalfDone:
                self._cursor.execute("ROLLBACK")
                return self._run(group, savepoints=True)
        except StoreError as error:
            return [type(error)(error.message, error.hint) for _ in group]
        except apsw.Error as error:
            self._broken = True
            return [explained(self._source.path, error) for _ in group]

    def _run(self, group: Sequence[Sequence[Statement]], *, savepoints: bool) -> Sequence[Outcome]:
        """A failure that changed nothing needs no undoing, and most change nothing; so savepoints, which cost, are
        only set in a second try."""
        self._cursor.execute("BEGIN IMMEDIATE")
        outcomes = [self._isolated(transaction) if savepoints else self._plain(transaction) for transaction in group]
        self._cursor.execute("COMMIT")
        return outcomes

    def _isolated(self, transaction: Sequence[Statement]) -> Outcome:
        self._cursor.execute("SAVEPOINT one")
        try:
            outcome = self._plain(transaction)
        except _HalfDone as failure:
            self._cursor.execute("ROLLBACK TO one")
            outcome = failure.args[0]
        self._cursor.execute("RELEASE one")
        return outcome

    def _plain(self, transaction: Sequence[Statement]) -> Outcome:
        before = self._connection.total_changes()
        results: list[list[Row]] = []
        try:
            for statement in transaction:
                results.append(self._execute(len(results), statement))
        except (Unexpected, StoreError) as error:
            if self._connection.total_changes() != before or len(results) > 0:
                raise _HalfDone(error) from error
            return error
        return results

    def _execute(self, index: int, statement: Statement) -> list[Row]:
        sql, params, expect = statement
        before = self._connection.total_changes() if expect is not None else 0
        try:
            rows = self._cursor.execute(translated(sql), dict(zip(_NAMES, params, strict=False))).fetchall()
        except apsw.ConstraintError as error:
            raise Unexpected(index, 0) from error
        except _CALLERS_FAULT as error:
            raise StoreError(f"statement {index} cannot be run: {error}") from error
        if expect is not None:
            met = len(rows) or self._connection.total_changes() - before
            if met != expect:
                raise Unexpected(index, met)
        return rows

    def _reopen(self) -> None:
        """Begin anew after a failed commit, whose frames may stand whole at the end of the log though never synced.

        The old connection stays open until the new one has written over them: while one is open the log's index
        leaves them out, and a log read anew, as after a crash, would take them in.
        """
        connection = connect(self._source, read_only=False)
        try:
            connection.pragma("user_version", connection.pragma("user_version") + 1)
        except apsw.Error as error:
            close(connection)
            raise explained(self._source.path, error) from error
        close(self._connection)
        self._connection = connection
        self._cursor = connection.cursor()
        self._broken = False


def translated(sql: str) -> str:
    """The portable dialect as SQLite speaks it."""
    if "{" in sql:
        for portable, ours in _TYPES.items():
            sql = sql.replace(portable, ours)
    return sql
