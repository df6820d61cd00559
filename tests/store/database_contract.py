"""What every `Database` must do. An implementation runs these by subclassing and saying how it is opened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from carapax.errors import CarapaxError, InvalidRequest, StoreError, Unavailable
from carapax.store.database import Database, Row, Statement, Unexpected, Value
from tests.running import run

TABLE = Statement("CREATE TABLE notes (id {serial} PRIMARY KEY, name TEXT NOT NULL UNIQUE, body {blob})")
INSERT = "INSERT INTO notes (name) VALUES ($1)"
NAMES = "SELECT name FROM notes ORDER BY id"


def add(name: str, expect: int | None = 1) -> Statement:
    return Statement(INSERT, (name,), expect)


class DatabaseContract:
    def opened(self, tmp_path: Path) -> AbstractAsyncContextManager[Database]:
        """An empty database, closed at the end."""
        raise NotImplementedError

    @asynccontextmanager
    async def notes(self, tmp_path: Path) -> AsyncIterator[Database]:
        async with self.opened(tmp_path) as database:
            await database.transact([TABLE])
            yield database

    def test_each_statement_gives_its_own_rows(self, tmp_path: Path) -> None:
        async def scenario() -> list[list[Row]]:
            async with self.notes(tmp_path) as database:
                returning = Statement("INSERT INTO notes (name) VALUES ($1) RETURNING id, name", ("b",), 1)
                return await database.transact([add("a"), returning, Statement(NAMES)])

        assert run(scenario()) == [[], [(2, "b")], [("a",), ("b",)]]

    def test_parameters_go_where_their_numbers_say(self, tmp_path: Path) -> None:
        async def scenario() -> list[Row]:
            async with self.opened(tmp_path) as database:
                [rows] = await database.transact([Statement("SELECT $2 || $1 || $2", ("one", "two"))])
                return rows + await database.fetch("SELECT $2 || $1 || $2", "one", "two")

        assert run(scenario()) == [("twoonetwo",), ("twoonetwo",)]

    @pytest.mark.parametrize("value", ["ünï\U0001f980", "", 2**63 - 1, -(2**63), 0.1, b"\x00\xff", None])
    def test_a_value_comes_back_as_it_was(self, tmp_path: Path, value: Value) -> None:
        async def scenario() -> list[Row]:
            async with self.opened(tmp_path) as database:
                kind = {str: "TEXT", int: "BIGINT", float: "DOUBLE PRECISION"}.get(type(value), "{blob}")
                made = Statement(f"CREATE TABLE one (value {kind})")
                await database.transact([made, Statement("INSERT INTO one VALUES ($1)", (value,))])
                return await database.fetch("SELECT value FROM one")

        assert run(scenario()) == [(value,)]

    @pytest.mark.parametrize(
        "failing",
        [
            Statement("UPDATE notes SET name = 'x' WHERE name = 'nobody'", (), 1),
            Statement("UPDATE notes SET name = name || 'x'", (), 1),
            Statement("SELECT name FROM notes WHERE name = 'nobody'", (), 1),
            Statement(INSERT, ("a",)),
            Statement(INSERT, (None,)),
        ],
    )
    def test_a_transaction_is_done_whole_or_not_at_all(self, tmp_path: Path, failing: Statement) -> None:
        async def scenario() -> tuple[int, list[Row]]:
            async with self.notes(tmp_path) as database:
                await database.transact([add("a"), add("b")])
                with pytest.raises(Unexpected) as raised:
                    await database.transact([add("c"), failing, add("d")])
                return raised.value.index, await database.fetch(NAMES)

        assert run(scenario()) == (1, [("a",), ("b",)])

    def test_a_statement_that_meets_too_many_rows_changes_none(self, tmp_path: Path) -> None:
        async def scenario() -> tuple[int, list[Row]]:
            async with self.notes(tmp_path) as database:
                await database.transact([add("a"), add("b")])
                with pytest.raises(Unexpected) as raised:
                    await database.transact([Statement("DELETE FROM notes", (), 1)])
                return raised.value.rows, await database.fetch(NAMES)

        assert run(scenario()) == (2, [("a",), ("b",)])

    def test_a_failure_does_not_touch_the_transactions_beside_it(self, tmp_path: Path) -> None:
        async def scenario() -> tuple[list[object], list[Row]]:
            async with self.notes(tmp_path) as database:
                transactions = [
                    [add("a"), add("b")],
                    [add("c"), add("a")],
                    [Statement("DELETE FROM notes", (), 99)],
                    [add("d"), Statement("SELECT no such thing")],
                    [add("c")],
                    [Statement(INSERT, ("too", "many"))],
                    [add("e")],
                ]
                outcomes = await asyncio.gather(*map(database.transact, transactions), return_exceptions=True)
                return [type(outcome) for outcome in outcomes], await database.fetch(NAMES)

        kinds, names = run(scenario())
        assert kinds == [list, Unexpected, Unexpected, StoreError, list, StoreError, list]
        assert names == [("a",), ("b",), ("c",), ("e",)]

    @pytest.mark.parametrize(
        ("statement", "error"),
        [
            (Statement(INSERT, ("\ud800",)), InvalidRequest),
            (Statement(INSERT, (2**63,)), StoreError),
            (Statement(INSERT, ()), StoreError),
            (Statement("SELECT name FROM nowhere"), StoreError),
        ],
    )
    def test_a_statement_that_cannot_be_run_is_refused_alone(
        self, tmp_path: Path, statement: Statement, error: type[CarapaxError]
    ) -> None:
        async def scenario() -> list[Row]:
            async with self.notes(tmp_path) as database:
                with pytest.raises(error):
                    await database.transact([add("a"), statement])
                with pytest.raises(error):
                    await database.fetch(statement.sql.replace(INSERT, "SELECT $1"), *statement.params)
                await database.transact([add("b")])
                return await database.fetch(NAMES)

        assert run(scenario()) == [("b",)]

    def test_transactions_at_the_same_time_are_all_counted(self, tmp_path: Path) -> None:
        async def scenario() -> list[Row]:
            async with self.opened(tmp_path) as database:
                await database.transact([Statement("CREATE TABLE counter (n BIGINT)")])
                await database.transact([Statement("INSERT INTO counter VALUES (0)")])
                one_more = Statement("UPDATE counter SET n = n + 1", (), 1)

                async def count() -> None:
                    for _ in range(10):
                        await database.transact([one_more])

                async with asyncio.TaskGroup() as tasks:
                    for _ in range(50):
                        tasks.create_task(count())
                return await database.fetch("SELECT n FROM counter")

        assert run(scenario()) == [(500,)]

    def test_a_reader_sees_what_has_returned(self, tmp_path: Path) -> None:
        async def scenario() -> list[list[Row]]:
            async with self.notes(tmp_path) as database:
                seen = []
                for name in "abc":
                    await database.transact([add(name)])
                    seen.append(await database.fetch("SELECT count(*) FROM notes"))
                return seen

        assert run(scenario()) == [[(1,)], [(2,)], [(3,)]]

    def test_commits_are_told_in_their_order_and_before_they_return(self, tmp_path: Path) -> None:
        async def scenario() -> list[str]:
            async with self.notes(tmp_path) as database:
                told: list[str] = []

                async def write(name: str) -> None:
                    await database.transact([add(name)], lambda rows: told.append(f"{name} {len(rows)}"))
                    told.append(f"{name} returned")

                async with asyncio.TaskGroup() as tasks:
                    for name in "abc":
                        tasks.create_task(write(name))
                names = [str(name) for (name,) in await database.fetch(NAMES)]
                assert [line for line in told if "returned" not in line] == [f"{name} 1" for name in names]
                return [line for line in told if line.startswith("a")]

        assert run(scenario()) == ["a 1", "a returned"]

    def test_a_failure_is_not_told_as_a_commit(self, tmp_path: Path) -> None:
        async def scenario() -> list[object]:
            async with self.notes(tmp_path) as database:
                told: list[object] = []
                with pytest.raises(Unexpected):
                    await database.transact([add("a"), add("a")], told.append)
                return told

        assert run(scenario()) == []

    def test_a_cancelled_caller_does_not_cancel_the_transaction(self, tmp_path: Path) -> None:
        async def scenario() -> tuple[list[object], list[Row]]:
            async with self.notes(tmp_path) as database:
                told: list[object] = []
                async with asyncio.TaskGroup() as tasks:
                    writing = tasks.create_task(database.transact([add("a")], told.append))
                    await asyncio.sleep(0)
                    writing.cancel()
                await database.transact([add("b")])
                return told, await database.fetch(NAMES)

        assert run(scenario()) == ([[[]]], [("a",), ("b",)])

    def test_closing_finishes_what_was_accepted_and_then_refuses(self, tmp_path: Path) -> None:
        async def scenario() -> list[list[Row]]:
            async with self.notes(tmp_path) as database:
                async with asyncio.TaskGroup() as tasks:
                    writing = tasks.create_task(database.transact([add("a"), Statement(NAMES)]))
                    await asyncio.sleep(0)
                    await database.close()
                with pytest.raises(Unavailable):
                    await database.transact([add("b")])
                with pytest.raises(Unavailable):
                    await database.fetch(NAMES)
                return writing.result()

        assert run(scenario()) == [[], [("a",)]]
