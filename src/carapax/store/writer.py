"""Groups of transactions, each group in one commit."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from time import perf_counter

import apsw

from carapax.errors import InvalidRequest, StoreError
from carapax.store.connection import (
    LONGEST_LOG_PAGES,
    MISUSE,
    RESTING_LOG_PAGES,
    Source,
    close,
    connect,
    explained,
    misused,
)
from carapax.store.database import Row, Statement, Unexpected

Failure = Unexpected | InvalidRequest | StoreError
Outcome = list[list[Row]] | Failure
_TYPES = {"{serial}": "INTEGER", "{blob}": "BLOB"}


class _HalfDone(Exception):
    """A transaction failed after it had changed something."""


class Writer:
    """The one connection that writes; for one thread at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.sync_s = 0.0
        """How long a commit waits for the disk, by the last ones."""
        self._broken = False
        self._log_pages = 0
        self._log_file_pages = 0
        self._adopt(connect(source, read_only=False))

    def _adopt(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self._cursor = connection.cursor()
        connection.set_wal_hook(self._logged)

    def _logged(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        self._log_file_pages = max(pages, self._log_file_pages)
        return apsw.SQLITE_OK

    def close(self) -> None:
        close(self.connection)

    def commit(
        self, group: Sequence[Sequence[Statement]], meanwhile: Callable[[], None] = lambda: None
    ) -> Sequence[Outcome]:
        """Run the transactions in order and commit them together, synced; what became of each.

        When the commit itself fails, so does every one of them. `meanwhile`, called before the sync if it comes to
        that, is for work that another thread can do while this one waits for the disk.
        """
        try:
            if self._broken:
                self._reopen()
            try:
                outcomes = self._run(group, savepoints=False)
            except _HalfDone:
                self._cursor.execute("ROLLBACK")
                outcomes = self._run(group, savepoints=True)
            meanwhile()
            began = perf_counter()
            self._cursor.execute("COMMIT")
            self.sync_s += (perf_counter() - began - self.sync_s) / 8
            return outcomes
        except StoreError as error:
            return [type(error)(error.message, error.hint) for _ in group]
        except apsw.Error as error:
            self._broken = True
            with suppress(StoreError):
                self._reopen()
            return [explained(self._source.path, error) for _ in group]

    def _run(self, group: Sequence[Sequence[Statement]], *, savepoints: bool) -> Sequence[Outcome]:
        """A failure that changed nothing needs no undoing, and most change nothing; so savepoints, which cost, are
        only set in a second try."""
        self._cursor.execute("BEGIN IMMEDIATE")
        return [self._isolated(transaction) if savepoints else self._plain(transaction) for transaction in group]

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
        execute, changes = self._cursor.execute, self.connection.total_changes
        results: list[list[Row]] = []
        try:
            for sql, params, expect in transaction:
                before = changes()
                rows = execute(translated(sql), params).fetchall()
                if expect is not None and (met := len(rows) or changes() - before) != expect:
                    raise Unexpected(len(results), met)
                results.append(rows)
        except Unexpected as error:
            return _undone(error, changed=bool(results or error.rows))
        except apsw.ConstraintError:
            return _undone(Unexpected(len(results), 0), changed=bool(results))
        except MISUSE as error:
            return _undone(misused(f"statement {len(results)}", error), changed=bool(results))
        return results

    def _reopen(self) -> None:
        """Begin anew after a failed commit, whose frames may stand whole at the end of the log though never synced.

        The old connection stays open until the new one has written over them: while one is open the log's index
        leaves them out, and a log read anew, as after a crash, would take them in.
        """
        connection = connect(self._source, read_only=False)
        try:
            _touch(connection)
        except apsw.Error as error:
            close(connection)
            raise explained(self._source.path, error) from error
        close(self.connection)
        self._adopt(connection)
        self._broken = False

    @property
    def untidy(self) -> bool:
        """Whether the log, or the file it is in, is longer than it should be at rest."""
        return self._log_pages > RESTING_LOG_PAGES or self._log_file_pages > 2 * RESTING_LOG_PAGES

    @property
    def overlong(self) -> bool:
        """Whether the log is so long that `tidy` should not wait for a rest."""
        return self._log_pages > LONGEST_LOG_PAGES

    def tidy(self, *, resting: bool) -> None:
        """Move the log into the file; when `resting`, also shorten its file where that has grown.

        What cannot be done for readers or for the disk is left for the next time: the log holds it safely.
        """
        self._log_pages = 0
        try:
            self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if resting and self._log_file_pages > 2 * RESTING_LOG_PAGES:
                # The file is cut by the first commit that writes it from its beginning again.
                self.connection.pragma("journal_size_limit", RESTING_LOG_PAGES * 4096)
                _touch(self.connection)
                self.connection.pragma("journal_size_limit", LONGEST_LOG_PAGES * 4096)
                self._log_file_pages = RESTING_LOG_PAGES
        except apsw.Error:
            self._broken = True


def _undone(error: Failure, *, changed: bool) -> Failure:
    """The failure, of a transaction that has nothing to undo."""
    if changed:
        raise _HalfDone(error)
    return error


def _touch(connection: apsw.Connection) -> None:
    """A commit that changes nothing anybody reads."""
    connection.pragma("user_version", connection.pragma("user_version") + 1)


@cache
def translated(sql: str) -> str:
    """The portable dialect as SQLite speaks it: its `$1` are names, numbered as they appear, its `?1` are numbers."""
    for portable, ours in _TYPES.items():
        sql = sql.replace(portable, ours)
    return re.sub(r"\$(\d+)", r"?\1", sql)
