"""A chat platform in memory, and the rules every channel keeps."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress

from msgspec import Struct

from carapax.contracts import Channel, ChannelLimits, Submit
from carapax.errors import CarapaxError, InvalidRequest, Unavailable
from carapax.messages import Inbound, Outbound, Receipt, Sender


class _Said(Struct):
    inbound: Inbound
    receipt: asyncio.Future[Receipt]


class MemoryChannel:
    """A `Channel` whose platform is the test: `say` something to the gateway, and wait for its `reply`.

    The platform keeps what was said until the gateway has answered, and gives it again to the next `run`. `sent`
    holds what it took, in order; with `idempotent` (the default) a message with a key it knows is taken only once.
    `attempts` holds every message it was asked to send. Faults come first in first out: `fail`, `fail_after`, `refuse`.
    """

    def __init__(self, name: str = "memory", *, max_text: int = 4000, idempotent: bool = True) -> None:
        self.sent: list[Outbound] = []
        self.attempts: list[Outbound] = []
        self.delay_s = 0.0
        self._name = name
        self._limits = ChannelLimits(max_text=max_text)
        self._idempotent = idempotent
        self._receipts: dict[str, str] = {}
        self._faults: deque[Callable[[Outbound], str]] = deque()
        self._waiting: deque[_Said] = deque()
        self._arrived = asyncio.Condition()
        self._read = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def limits(self) -> ChannelLimits:
        return self._limits

    async def say(
        self,
        text: str,
        *,
        sender: str = "ann",
        conversation: str = "home",
        dedupe_key: str | None = None,
        within_s: float = 30,
    ) -> Receipt:
        """Say something and wait until the gateway has accepted it. Raises what it was refused with, TimeoutError."""
        inbound = Inbound(self._name, conversation, Sender(sender), text, dedupe_key=dedupe_key)
        said = _Said(inbound, asyncio.get_running_loop().create_future())
        async with asyncio.timeout(within_s):
            async with self._arrived:
                self._waiting.append(said)
                self._arrived.notify_all()
            return await said.receipt

    async def reply(self, within_s: float = 30) -> Outbound:
        """The next message the platform took that was not read before. Raises TimeoutError."""
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.sent) > self._read)
        self._read += 1
        return self.sent[self._read - 1]

    def fail(self, times: int = 1) -> None:
        """Take none of the next messages; each raises Unavailable."""
        self._faults.extend([self._lose] * times)

    def fail_after(self, times: int = 1) -> None:
        """Take the next messages but raise Unavailable all the same, as when the answer of a platform is lost."""
        self._faults.extend([self._take_and_lose_the_answer] * times)

    def refuse(self, times: int = 1) -> None:
        """Refuse the next messages for ever; each raises InvalidRequest."""
        self._faults.extend([self._refuse] * times)

    async def run(self, submit: Submit) -> None:
        while True:
            async with self._arrived:
                await self._arrived.wait_for(lambda: bool(self._waiting))
            said = self._waiting[0]
            try:
                receipt = await submit(said.inbound)
            except CarapaxError as error:
                if not said.receipt.done():
                    said.receipt.set_exception(error)
            else:
                if not said.receipt.done():
                    said.receipt.set_result(receipt)
            self._waiting.popleft()

    async def send(self, message: Outbound) -> str:
        self.attempts.append(message)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        fault = self._faults.popleft() if self._faults else self._take
        async with self._arrived:
            self._arrived.notify_all()
            return fault(message)

    async def check(self) -> str:
        return self._name

    def _take(self, message: Outbound) -> str:
        if self._idempotent and message.key in self._receipts:
            return self._receipts[message.key]
        self.sent.append(message)
        return self._receipts.setdefault(message.key, f"{self._name}-{len(self.sent)}")

    def _lose(self, message: Outbound) -> str:
        raise Unavailable(f"{self._name} is down")

    def _take_and_lose_the_answer(self, message: Outbound) -> str:
        self._take(message)
        raise Unavailable(f"{self._name} did not answer")

    def _refuse(self, message: Outbound) -> str:
        raise InvalidRequest(f"{self._name} refuses {message.key}")


class ChannelContract:
    """The rules every channel keeps, as tests: inherit from it in a test class and say how to open yours.

    The platform behind it is a fake of your own, which `deliver` speaks to. The checks run on a fresh event loop each.
    """

    def open(self) -> AbstractAsyncContextManager[Channel]:
        """A channel with an empty platform behind it, closed at the end of the block."""
        raise NotImplementedError

    async def deliver(self, channel: Channel, text: str) -> None:
        """Somebody says this on the platform. Returns at once or when the channel has acknowledged it."""
        raise NotImplementedError

    async def acknowledged(self, channel: Channel) -> bool:
        """Whether the channel has acknowledged all that was delivered."""
        raise NotImplementedError

    def test_a_message_is_acknowledged_only_after_it_is_kept(self) -> None:
        async def check(channel: Channel) -> None:
            kept, keep = asyncio.Event(), asyncio.Event()

            async def submit(inbound: Inbound) -> Receipt:
                assert (inbound.channel, inbound.text) == (channel.name, "hello")
                kept.set()
                await keep.wait()
                return Receipt("session", "message", 1)

            async with asyncio.TaskGroup() as group:
                running = group.create_task(channel.run(submit))
                delivering = group.create_task(self.deliver(channel, "hello"))
                await kept.wait()
                assert not await self.acknowledged(channel)
                keep.set()
                await delivering
                while not await self.acknowledged(channel):  # noqa: ASYNC110 - the platform is not ours to notify us
                    await asyncio.sleep(0)
                running.cancel()

        self._with_channel(check)

    def test_a_message_cut_short_is_given_again(self) -> None:
        async def check(channel: Channel) -> None:
            seen = asyncio.Event()

            async def submit(inbound: Inbound) -> Receipt:
                seen.set()
                await asyncio.Event().wait()
                raise AssertionError("unreachable")

            async with asyncio.TaskGroup() as group:
                delivering = group.create_task(self.deliver(channel, "hello"))
                for _ in range(2):
                    running = group.create_task(channel.run(submit))
                    await seen.wait()
                    seen.clear()
                    running.cancel()
                    with suppress(asyncio.CancelledError):
                        await running
                delivering.cancel()

        self._with_channel(check)

    def test_what_is_sent_gets_the_name_the_platform_gave_it(self) -> None:
        async def check(channel: Channel) -> None:
            assert await channel.send(Outbound(channel.name, "home", "hello", key="key-1"))

        self._with_channel(check)

    def test_there_is_room_for_text(self) -> None:
        async def check(channel: Channel) -> None:
            assert channel.name
            assert channel.limits.max_text > 0

        self._with_channel(check)

    def _with_channel(self, check: Callable[[Channel], Coroutine[object, object, None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(30), self.open() as channel:
                await check(channel)

        asyncio.run(main())
