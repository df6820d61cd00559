import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.store.audit import LOCAL, Actor, Audit, Entry, chained, following, newest, verify
from carapax.store.database import Database, Statement, Unexpected
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database
from carapax.testing import FakeClock
from tests.running import run

KINDS = ("token.create", "token.revoke", "tool.called")


@asynccontextmanager
async def opened(file: Path) -> AsyncGenerator[Database, None]:
    database = await open_database(file)
    try:
        await migrate(database)
        yield database
    finally:
        await database.close()


def test_an_entry_tells_what_was_done_by_whom_and_from_where(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "db") as database:
            clock = FakeClock()
            audit = Audit(database, clock)
            await audit.note("auth.login", Actor("t1", "phone", "192.0.2.7"))
            await audit.note("session.end", LOCAL, session="s", detail={"at": 3})
            first, second = await following(database, 0)
            at = round(clock.now(), 3)
            assert first.entry == Entry(at, "auth.login", "t1", "phone", "192.0.2.7")
            assert second.entry == Entry(at, "session.end", "local", session="s", detail={"at": 3})
            assert [one.number for one in (first, second)] == [1, 2]
            assert await newest(database) == [second, first]
            assert await newest(database, kind="auth") == [first]
            assert await newest(database, before=2) == [first]
            assert await newest(database, kind="aut") == []

    run(main())


def test_an_entry_is_kept_with_its_change_or_not_at_all(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "db") as database:
            audit = Audit(database, FakeClock())
            fails = Statement("DELETE FROM tokens WHERE id = 'none'", (), expect=1)
            try:
                await database.transact([*audit.of("token.revoke", LOCAL), fails])
            except Unexpected:
                await audit.note("auth.login", LOCAL)
            assert [one.entry.kind for one in await newest(database)] == ["auth.login"]
            assert (await verify(database)).broken == 0

    run(main())


def test_entries_that_are_written_at_the_same_time_are_one_chain(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "db") as database:
            audit = Audit(database, FakeClock())
            async with asyncio.TaskGroup() as group:
                for number in range(200):
                    group.create_task(audit.note("tool.called", LOCAL, detail={"number": number}))
            verdict = await verify(database)
            assert (verdict.entries, verdict.broken) == (200, 0)
            assert await verify(database, 10) == type(verdict)(10, verdict.head)

    run(main())


def test_the_hash_is_that_of_the_one_before_and_the_entry() -> None:
    before = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    assert chained(before, "{}") == "0f71d7f91ea475594ce6ba12728fb0c696511aef3ff67449c2ac544b5a607158"


def tampering() -> st.SearchStrategy[tuple[str, ...]]:
    """What somebody with access to the file may do to rows, which are numbered from 1 to 6."""
    number = st.integers(1, 6)
    texts = st.sampled_from(["", "{}", "x", '{"at":1.0,"kind":"token.create"}'])
    return st.one_of(
        number.map(lambda n: (f"DELETE FROM audit WHERE number = {n}",)),
        number.map(lambda n: (f"DELETE FROM audit WHERE number >= {n}",)),
        number.map(lambda n: (f"DELETE FROM audit WHERE number <= {n}",)),
        st.tuples(number, st.sampled_from(["body", "hash", "kind"]), texts).map(
            lambda each: (f"UPDATE audit SET {each[1]} = '{each[2]}' WHERE number = {each[0]}",)
        ),
        st.tuples(number, number)
        .filter(lambda each: each[0] != each[1])
        .map(
            lambda each: (
                f"UPDATE audit SET number = 99 WHERE number = {each[0]}",
                f"UPDATE audit SET number = {each[0]} WHERE number = {each[1]}",
                f"UPDATE audit SET number = {each[1]} WHERE number = 99",
            )
        ),
        st.integers(-3, 9)
        .filter(lambda n: not 1 <= n <= 6)
        .map(lambda n: (f"INSERT INTO audit SELECT {n}, kind, body, hash FROM audit WHERE number = 1",)),
        st.just(("UPDATE audit_head SET number = 5",)),
        st.just(("UPDATE audit_head SET hash = ''",)),
        st.just(("DELETE FROM audit_head",)),
        st.just(("DELETE FROM audit", "UPDATE audit_head SET number = 0")),
    )


@settings(max_examples=60, deadline=None)
@given(tampering())
def test_whatever_is_done_to_a_row_is_found(steps: tuple[str, ...]) -> None:
    async def main(folder: Path) -> None:
        async with opened(folder / "db") as database:
            audit = Audit(database, FakeClock())
            for number in range(6):
                await audit.note(KINDS[number % 3], LOCAL, detail={"number": number})
            before = await following(database, 0)
            assert (await verify(database)).broken == 0
            await database.transact([Statement(step) for step in steps])
            whole = [one for one in await following(database, -100) if one in before] == before
            changed = await database.fetch("SELECT count(*) FROM audit") != [(6,)] or not whole
            head = await database.fetch("SELECT number, hash FROM audit_head")
            if changed or head != [(6, before[-1].hash)] or [one.entry.kind for one in before] != await kinds(database):
                assert (await verify(database)).broken > 0

    with TemporaryDirectory() as folder:
        run(main(Path(folder)))


async def kinds(database: Database) -> list[str]:
    return [str(row[0]) for row in await database.fetch("SELECT kind FROM audit ORDER BY number")]
