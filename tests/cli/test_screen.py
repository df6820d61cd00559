"""What is typed below a conversation."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import DummyCompleter
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from carapax.cli.screen import QUIET_S, Screen, pause
from carapax.testing import FakeClock
from tests.running import run


class Typing:
    """A screen without a terminal, and what came of what was typed."""

    def __init__(self, folder: Path) -> None:
        self.typed: list[str] = []
        self.answered: list[str] = []
        self.asks = ("", "")
        self.presses, self.leaves_at = 0, 2
        self.clock = FakeClock()
        self._heard = asyncio.Event()
        self.screen = Screen(
            folder / "history",
            DummyCompleter(),
            live=lambda lines: "",
            status=lambda: "",
            asks=lambda: self.asks,
            typed=self._hear(self.typed),
            answered=lambda question, text: self._hear(self.answered)(f"{question}: {text}"),
            interrupted=self._press,
            clock=self.clock,
        )

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_so():
                await self._heard.wait()
                self._heard.clear()

    async def hear(self, said: list[str], count: int = 1) -> None:
        await self.until(lambda: len(said) >= count)

    def _hear(self, said: list[str]) -> Callable[[str], None]:
        def hear(text: str) -> None:
            said.append(text)
            self._heard.set()

        return hear

    def _press(self) -> bool:
        self.presses += 1
        self._heard.set()
        return self.presses == self.leaves_at


def play(folder: Path, scene: Callable[[Typing, PipeInput], "asyncio.Future[None] | object"]) -> Typing:
    """Run a scene on a screen; it ends by leaving."""

    async def played() -> Typing:
        with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
            typing = Typing(folder)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(typing.screen.run())
                done = scene(typing, keys)
                assert asyncio.iscoroutine(done)
                await done
            return typing

    return run(played())


def test_enter_sends_and_ctrl_d_leaves(tmp_path: Path) -> None:
    async def scene(typing: Typing, keys: PipeInput) -> None:
        keys.send_text("one\rtwo\x1b\rlines\r   \r")
        await typing.hear(typing.typed, 2)
        keys.send_text("\x04")

    assert play(tmp_path, scene).typed == ["one", "two\nlines"]


def test_ctrl_c_empties_the_line_and_then_asks_whether_to_leave(tmp_path: Path) -> None:
    async def scene(typing: Typing, keys: PipeInput) -> None:
        keys.send_text("half\x03\x03\x03")

    assert play(tmp_path, scene).presses == 2


def test_what_was_being_typed_when_a_question_comes_up_is_no_answer(tmp_path: Path) -> None:
    async def scene(typing: Typing, keys: PipeInput) -> None:
        typing.leaves_at = 0
        keys.send_text("first\rhalf")
        await typing.hear(typing.typed)
        typing.asks = ("one", "[y/n]")
        typing.screen.redraw()
        keys.send_text("y\ry\r\x03")
        await typing.until(lambda: typing.presses == 1)
        typing.clock.advance(QUIET_S)
        keys.send_text("n\r")
        await typing.hear(typing.answered)
        typing.asks = ("", "")
        typing.screen.redraw()
        keys.send_text(" done\r")
        await typing.hear(typing.typed, 2)
        keys.send_text("\x04")

    typing = play(tmp_path, scene)
    assert (typing.answered, typing.typed) == (["one: n"], ["first", "half done"])


def test_what_was_being_typed_to_a_question_is_no_answer_to_the_next_one(tmp_path: Path) -> None:
    async def scene(typing: Typing, keys: PipeInput) -> None:
        typing.leaves_at = 0
        typing.asks = ("one", "[y/n]")
        typing.screen.redraw()
        typing.clock.advance(QUIET_S)
        keys.send_text("n\x03")
        await typing.until(lambda: typing.presses == 1)
        typing.asks = ("two", "[y/n]")
        keys.send_text("o\r")  # before anybody has seen the other one
        await typing.hear(typing.answered)
        keys.send_text("y\x03")
        await typing.until(lambda: typing.presses == 2)
        typing.screen.redraw()
        keys.send_text("\ry\r\x03")
        await typing.until(lambda: typing.presses == 3)
        typing.clock.advance(QUIET_S)
        keys.send_text("no\r")
        await typing.hear(typing.answered, 2)
        typing.asks = ("", "")
        typing.screen.redraw()
        keys.send_text("\x04")

    assert play(tmp_path, scene).answered == ["one: no", "two: no"]


def test_a_pause_ends_when_something_changes() -> None:
    async def scenario() -> None:
        changed = asyncio.Event()
        await pause(0.01, changed)
        changed.set()
        await pause(60, changed)

    run(scenario())
