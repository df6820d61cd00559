from pathlib import Path

import pytest

from carapax.messages import Outbound
from carapax.store.database import Unexpected
from carapax.store.outbox import Outbox, Queued, buried, enqueue, sent
from tests.running import run
from tests.store.opened import opened_database


def reply(key: str, conversation: str = "room", channel: str = "chat") -> Outbound:
    return Outbound(channel, conversation, f"text of {key}", key, reply_to="7")


def test_messages_are_due_in_the_order_they_were_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            outbox = Outbox(database)
            assert await outbox.due("chat", 1000, 10) == []
            assert await outbox.next_due_at("chat") is None
            await database.transact([enqueue(reply("a"), "s", 100), enqueue(reply("b"), "s", 100)])
            await database.transact([enqueue(reply("c", "other"), "t", 101)])
            await database.transact([enqueue(reply("d", channel="mail"), "t", 50)])
            assert await outbox.due("chat", 99, 10) == []
            assert await outbox.due("chat", 100, 10) == [Queued(reply("a"), "s", 0), Queued(reply("b"), "s", 0)]
            assert await outbox.due("chat", 200, 10) == [
                Queued(reply("a"), "s", 0),
                Queued(reply("b"), "s", 0),
                Queued(reply("c", "other"), "t", 0),
            ]
            assert await outbox.due("chat", 200, 1) == [Queued(reply("a"), "s", 0)]
            assert (await outbox.next_due_at("chat"), await outbox.next_due_at("mail")) == (100, 50)

    run(scenario())


def test_a_sent_message_is_gone_and_cannot_be_sent_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            outbox = Outbox(database)
            await database.transact([enqueue(reply("a"), "s", 100)])
            with pytest.raises(Unexpected):
                await database.transact([enqueue(reply("a"), "s", 100)])
            await database.transact([sent("a")])
            assert await outbox.due("chat", 200, 10) == []
            with pytest.raises(Unexpected):
                await database.transact([sent("a")])

    run(scenario())


def test_a_postponed_message_holds_back_its_conversation_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            outbox = Outbox(database)
            await database.transact([enqueue(reply(key), "s", 100) for key in "ab"])
            await database.transact([enqueue(reply("c", "other"), "t", 100)])
            await outbox.postpone("a", 160, "no answer")
            assert await outbox.due("chat", 110, 10) == [Queued(reply("c", "other"), "t", 0)]
            await database.transact([sent("c")])
            assert await outbox.next_due_at("chat") == 160
            assert await outbox.due("chat", 160, 10) == [Queued(reply("a"), "s", 1), Queued(reply("b"), "s", 0)]

    run(scenario())


def test_a_buried_message_is_kept_with_its_error_and_holds_nothing_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            outbox = Outbox(database)
            await database.transact([enqueue(reply(key), "s", 100) for key in "ab"])
            await outbox.postpone("a", 160, "no answer")
            await database.transact([buried("a", "the room is gone")])
            assert await outbox.due("chat", 200, 10) == [Queued(reply("b"), "s", 0)]
            assert await outbox.next_due_at("chat") == 100
            assert await database.fetch("SELECT key, attempts, error, buried FROM outbox WHERE key = 'a'") == [
                ("a", 2, "the room is gone", 1)
            ]

    run(scenario())
