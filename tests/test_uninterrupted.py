"""A change whose caller leaves."""

import asyncio

import pytest

from carapax.uninterrupted import uninterrupted
from tests.running import run


def test_a_change_whose_caller_leaves_is_done_before_that_counts() -> None:
    async def main() -> None:
        begun, go, done = asyncio.Event(), asyncio.Event(), list[str]()

        async def change() -> str:
            begun.set()
            await go.wait()
            done.append("all of it")
            return "result"

        calling = asyncio.get_running_loop().create_task(uninterrupted(change()))
        await begun.wait()
        calling.cancel()
        await asyncio.sleep(0)
        assert not calling.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert done == ["all of it"]
        assert await uninterrupted(change()) == "result"

    run(main())
