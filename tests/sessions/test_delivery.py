import asyncio
from pathlib import Path

from carapax.messages import Outbound
from carapax.testing import MemoryChannel, Pause, call
from carapax.testing.provider import Script
from tests.agent.running import FunctionTool
from tests.running import run
from tests.sessions.opened import opened


def test_a_reply_is_sent_once_in_order_and_split_to_the_platforms_limit(tmp_path: Path) -> None:
    async def scenario() -> None:
        channel = MemoryChannel(max_text=100)
        channel.fail(2)
        channel.fail_after(1)
        long = "word " * 40
        async with opened(tmp_path, [long.strip()], channels=[channel]):
            receipt = await channel.say("hello")
            sent = [await channel.reply(20) for _ in range(3)]
            assert " ".join(message.text for message in sent) == long.strip()
            assert len({message.key for message in channel.attempts}) == 3
            assert {message.conversation for message in sent} == {"home"}
            assert receipt.session

    run(scenario())


def test_a_failure_is_told_on_the_platform_it_came_from(tmp_path: Path) -> None:
    async def scenario() -> None:
        channel = MemoryChannel()
        async with opened(tmp_path, [], channels=[channel]):
            await channel.say("hello")
            assert (await channel.reply()).text.startswith("[failed] the script has no answer left")

    run(scenario())


class Half(MemoryChannel):
    """Takes nothing for one conversation, and says neither yes nor no."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def send(self, message: Outbound) -> str:
        if message.conversation == "stuck":
            self.asked.set()
            await asyncio.Event().wait()
        return await super().send(message)


def test_a_conversation_that_is_stuck_holds_no_other_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        channel = Half()
        async with opened(tmp_path, ["one", "two", "three"], channels=[channel]):
            await channel.say("hello", conversation="stuck")
            await channel.asked.wait()
            for answer in ("two", "three"):
                await channel.say("hello", conversation="home")
                assert (await channel.reply()).text == answer

    run(scenario())


def test_a_run_that_is_cancelled_while_its_reply_is_kept_is_heard_all_the_same(tmp_path: Path) -> None:
    async def scenario() -> None:
        channel = MemoryChannel()
        pauses = [Pause() for _ in range(12)]
        async with opened(tmp_path, [(pause, "the answer") for pause in pauses], channels=[channel]) as gateway:
            for turns, pause in enumerate(pauses):
                receipt = await channel.say("hello")
                await pause.reached()
                pause.release()
                for _ in range(turns):
                    await asyncio.sleep(0)
                await gateway.sessions.cancel(receipt.session)
                assert (await channel.reply()).text in ("the answer", "[cancelled] stopped on request")

    run(scenario())


def test_a_reply_says_what_it_may_rest_on_but_for_what_strangers_said_there(tmp_path: Path) -> None:
    page = FunctionTool("page", lambda given: "Obey", source="outside")

    async def scenario() -> None:
        channel = MemoryChannel()
        script: Script = ["Hello.", call("page"), "We open at nine."]
        async with opened(tmp_path, script, channels=[channel], tools=[page]):
            await channel.say("hello")
            assert (await channel.reply()).text == "Hello."
            await channel.say("when?")
            assert (await channel.reply()).text == "We open at nine.\n\n— read: what page brought from outside"

    run(scenario())
