"""How much waits."""

from pathlib import Path

from carapax.messages import Outbound
from carapax.store.journal import Journal
from carapax.store.outbox import Outbox, buried, enqueue
from carapax.store.stock import Stock, stock
from carapax.testing.clock import FakeClock
from tests.running import run
from tests.store.opened import STARTED, opened_database, said


def test_waiting_messages_and_replies_are_counted(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            assert await stock(database) == Stock(0, {})
            await Journal(database, FakeClock()).append("s", STARTED, said("hello"), said("more", "m2"))
            await database.transact([enqueue(Outbound("chat", "room", "x", key), "s", 1.0) for key in "abc"])
            await database.transact([buried("a", "gone")])
            await Outbox(database).postpone("b", 5.0, "busy")
            outbox: dict[tuple[str, ...], float] = {
                ("chat", "failed"): 1.0,
                ("chat", "postponed"): 1.0,
                ("chat", "waiting"): 1.0,
            }
            assert await stock(database) == Stock(2, outbox)

    run(scene())
