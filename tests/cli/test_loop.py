"""What a command waits for."""

import asyncio
import signal

import pytest

from carapax.cli.loop import awaited


def test_a_command_gets_the_result() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert awaited(work()) == 7


def test_ctrl_c_raises_keyboard_interrupt_and_what_was_begun_is_left_in_order() -> None:
    left: list[str] = []

    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            left.append("in order")

    with pytest.raises(KeyboardInterrupt):
        awaited(work())
    assert left == ["in order"]


def test_a_cancellation_that_nobody_counted_is_a_ctrl_c_too() -> None:
    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        awaited(work())
