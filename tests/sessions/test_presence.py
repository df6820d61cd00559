"""Which channels listen."""

import asyncio

import pytest

from carapax.app import supervise
from carapax.contracts import Submit
from carapax.errors import NotFound, Unavailable
from carapax.messages import Inbound, Receipt
from carapax.sessions.presence import Presence, Standing
from carapax.testing import MemoryChannel
from tests.running import run


class Failing(MemoryChannel):
    """Stops listening: by itself, or because it is down."""

    def __init__(self, problem: str = "") -> None:
        super().__init__("failing")
        self.problem = problem

    async def run(self, submit: Submit) -> None:
        if self.problem:
            raise Unavailable(self.problem, "wait")


async def submit(inbound: Inbound) -> Receipt:
    raise AssertionError("nothing is said")


def test_it_is_known_which_channels_listen_and_why_others_do_not() -> None:
    async def scene() -> None:
        presence = Presence(lambda: 5.0, supervise)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(presence.listen(MemoryChannel("chat"), submit))
            await asyncio.sleep(0)
            with pytest.raises(Unavailable):
                await presence.listen(Failing("it is down"), submit)
            assert presence.all() == [
                Standing("chat", "listening", "", 5.0),
                Standing("failing", "broken", "it is down (wait)", 5.0),
            ]
            await presence.listen(Failing(), submit)
            assert [standing.state for standing in presence.all()] == ["listening", "ended"]
            presence.forget("failing")
            assert [standing.name for standing in presence.all()] == ["chat"]
            assert await presence.check("chat") == "chat"
            with pytest.raises(NotFound, match="no channel 'failing'"):
                await presence.check("failing")
            listening.cancel()

    run(scene())
