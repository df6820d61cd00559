from pathlib import Path

from msgspec.structs import replace

from carapax.messages import Usage
from carapax.store import spend
from carapax.store.spend import Call, Group, Part, Tally
from tests.running import run
from tests.store.opened import opened_database

USAGE = Usage(100, 20, cache_read=50, cache_write=10, reasoning=5, tool=3)


def call(number: int, day: str, agent: str = "main", session: str = "s1", model: str = "m", cost: int = 10**9) -> Call:
    return Call(f"c{number}", number, day, agent, session, "r1", "fake", model, cost, USAGE)


CALLS = [
    call(1, "2026-11-01"),
    call(2, "2026-11-02", model="n"),
    call(3, "2026-11-02", "other", "s2", cost=3 * 10**9),
    call(4, "2026-12-01"),
]


def tally(calls: int, usd: float) -> Tally:
    return Tally(calls, calls * 100, calls * 50, calls * 10, calls * 20, calls * 5, calls * 3, usd)


def test_calls_are_added_up_by_what_they_have_in_common(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened_database(tmp_path / "db") as database:
            await database.transact([spend.settled(each) for each in CALLS])
            await database.transact([spend.reserved(call(5, "2026-11-02"))])
            month = (database, "2026-11-01", "2026-11-30")
            assert await spend.total(*month) == tally(3, 5.0)
            assert await spend.groups(*month, "day", 9) == [
                Group("2026-11-01", "", tally(1, 1.0)),
                Group("2026-11-02", "", tally(2, 4.0)),
            ]
            assert await spend.groups(*month, "agent", 9) == [
                Group("other", "", tally(1, 3.0)),
                Group("main", "", tally(2, 2.0)),
            ]
            assert [group.name for group in await spend.groups(*month, "model", 9)] == ["fake/m", "fake/n"]
            assert [group.name for group in await spend.groups(*month, "session", 1)] == ["s2"]
            assert await spend.groups(*month, "provider", 9) == [Group("fake", "", tally(3, 5.0))]
            assert await spend.parts(*month, "agent", ["main", "other"]) == [
                Part("2026-11-01", "main", 1.0),
                Part("2026-11-02", "main", 1.0),
                Part("2026-11-02", "other", 3.0),
            ]
            assert await spend.total(database, "2027-01-01", "2027-12-31") == Tally()
            assert await spend.total_of(database, "s1") == tally(3, 3.0)

    run(main())


def test_what_a_call_took_stands_in_place_of_what_was_set_aside(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened_database(tmp_path / "db") as database:
            one, other, lost = (call(number, "2026-11-01", cost=number * 10**9) for number in (7, 8, 9))
            await database.transact([spend.reserved(each) for each in (one, other, lost)])
            took = replace(one, cost=10**9, estimated=True, priced=False)
            await database.transact([spend.settled(took), spend.settled(took), spend.dropped(other)])
            assert await spend.sums(database, "2026-11-01", "settled") == [("main", "2026-11-01", 10**9)]
            assert await spend.sums(database, "2026-11-01", "reserved") == [("main", "2026-11-01", 9 * 10**9)]
            await database.transact([spend.recovered()])
            both = Tally(2, 200, 100, 20, 40, 10, 6, 10.0, estimated=2, unpriced=1)
            assert await spend.total(database, "2026-11-01", "2026-11-01") == both

    run(main())


def test_more_than_the_database_can_add_up_is_added_up_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened_database(tmp_path / "db") as database:
            absurd = [
                replace(call(number, "2026-01-01", cost=2**70), usage=Usage(2**60, 2**60)) for number in range(1_100)
            ]
            await database.transact([spend.settled(each) for each in absurd])
            total = await spend.total(database, "2026-01-01", "2026-01-01")
            assert total == (await spend.groups(database, "2026-01-01", "2026-01-01", "agent", 10))[0].tally
            assert (total.calls, total.input, total.output) == (1_100, 1_100 * 2**53, 1_100 * 2**53)
            assert await spend.sums(database, "", "settled") == [("main", "2026-01-01", 1_100 * 2**53)]

    run(main())
