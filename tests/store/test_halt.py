import asyncio
from pathlib import Path

from carapax.store.halt import Halt, Stop, read_stop
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database
from carapax.testing import FakeClock
from tests.running import run


def test_a_stop_outlives_the_process_until_it_is_released(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        stop = Stop(round(clock.now(), 3), "ann", "too many mails")
        database = await open_database(tmp_path / "db")
        await migrate(database)
        halt = Halt(database, clock)
        await halt.keep(halt.pull("ann", "too many mails"))
        await database.close()
        database = await open_database(tmp_path / "db")
        halt = Halt(database, clock)
        await halt.load()
        assert (halt.stop, await halt.release(), halt.stop) == (stop, stop, None)
        assert await read_stop(database) is None
        await database.close()

    run(main())


def test_a_stop_during_a_release_wins(tmp_path: Path) -> None:
    async def main() -> None:
        database = await open_database(tmp_path / "db")
        await migrate(database)
        halt = Halt(database, FakeClock())
        await halt.keep(halt.pull("ann", ""))
        async with asyncio.TaskGroup() as both:
            both.create_task(halt.release())
            await asyncio.sleep(0)
            again = halt.pull("bob", "no")
            await halt.keep(again)
        assert halt.stop == again == await read_stop(database)
        await database.close()

    run(main())


def test_a_stop_says_by_whom_and_why() -> None:
    assert Stop(0, "ann", "").told() == "all agents were stopped by ann"
    assert Stop(0, "ann", "it spends").told() == "all agents were stopped by ann: it spends"
