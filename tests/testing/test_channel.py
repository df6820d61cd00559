import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from carapax.contracts import Channel
from carapax.errors import InvalidRequest, RateLimited, Unavailable
from carapax.messages import Inbound, Outbound, Receipt, Sender
from carapax.testing import ChannelContract, MemoryChannel
from tests.running import run


def reply(key: str) -> Outbound:
    return Outbound("memory", "home", f"text of {key}", key)


class TestMemoryChannel(ChannelContract):
    def open(self) -> AbstractAsyncContextManager[Channel]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Channel]:
            self.pending = 0
            yield MemoryChannel()

        return opened()

    async def deliver(self, channel: Channel, text: str) -> None:
        assert isinstance(channel, MemoryChannel)
        self.pending += 1
        await channel.say(text)
        self.pending -= 1

    async def acknowledged(self, channel: Channel) -> bool:
        return self.pending == 0


@asynccontextmanager
async def running(channel: MemoryChannel, submit: Callable[[Inbound], Awaitable[Receipt]]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(channel.run(submit))
        yield
        task.cancel()


def test_what_is_said_reaches_the_gateway_with_its_sender_and_key() -> None:
    async def scenario() -> None:
        channel, inbox = MemoryChannel(), list[Inbound]()

        async def submit(inbound: Inbound) -> Receipt:
            inbox.append(inbound)
            return Receipt("s", "m", 1)

        async with running(channel, submit):
            assert await channel.say("hi", sender="bob", dedupe_key="k") == Receipt("s", "m", 1)
        assert inbox == [Inbound("memory", "home", Sender("bob"), "hi", dedupe_key="k")]

    run(scenario())


def test_whoever_says_something_hears_that_it_was_refused() -> None:
    async def scenario() -> None:
        channel = MemoryChannel()

        async def submit(inbound: Inbound) -> Receipt:
            raise RateLimited("too much", 3)

        async with running(channel, submit):
            with pytest.raises(RateLimited):
                await channel.say("hi")

    run(scenario())


def test_a_known_key_is_taken_once_and_named_the_same() -> None:
    async def scenario() -> None:
        channel = MemoryChannel()
        assert await channel.send(reply("a")) == await channel.send(reply("a")) == "memory-1"
        assert await channel.send(reply("b")) == "memory-2"
        assert channel.sent == [reply("a"), reply("b")]
        assert channel.attempts == [reply("a"), reply("a"), reply("b")]

    run(scenario())


def test_a_platform_without_keys_takes_a_message_twice() -> None:
    async def scenario() -> None:
        channel = MemoryChannel(idempotent=False)
        await channel.send(reply("a"))
        await channel.send(reply("a"))
        assert channel.sent == [reply("a")] * 2

    run(scenario())


def test_faults_come_in_order_and_pass() -> None:
    async def scenario() -> None:
        channel = MemoryChannel()
        channel.fail()
        channel.fail_after()
        channel.refuse()
        with pytest.raises(Unavailable, match="down"):
            await channel.send(reply("a"))
        with pytest.raises(Unavailable, match="did not answer"):
            await channel.send(reply("b"))
        with pytest.raises(InvalidRequest):
            await channel.send(reply("c"))
        await channel.send(reply("d"))
        assert [message.key for message in channel.sent] == ["b", "d"]

    run(scenario())


def test_replies_are_read_in_order_and_waiting_is_bounded() -> None:
    async def scenario() -> None:
        channel = MemoryChannel()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(channel.reply())
            group.create_task(channel.send(reply("a")))
        assert waiting.result() == reply("a")
        with pytest.raises(TimeoutError):
            await channel.reply(within_s=0.001)

    run(scenario())
