"""The conversation at a real terminal."""

from collections.abc import Iterator

import pytest

from carapax.cli.serving import Serving
from tests.cli.test_keyboard import needs_bubblewrap
from tests.fakes.terminal import Terminal


@pytest.fixture
def terminal(gateway: Serving) -> Iterator[Terminal]:
    opened = Terminal()
    try:
        opened.until("demo/demo")
        yield opened
    finally:
        opened.close()


def test_what_is_said_is_answered_and_the_scrollback_is_clean(terminal: Terminal) -> None:
    terminal.type("my dog is Rex\r")
    terminal.until("> my dog is Rex")
    terminal.type("what did I say\r")
    terminal.until("> what did I say")
    terminal.until("demo/demo")
    terminal.until("Rex", times=2)
    terminal.type("\x04")
    assert terminal.ends() == 0
    print(terminal.text)
    raise AssertionError


@needs_bubblewrap
def test_a_call_is_a_card(terminal: Terminal) -> None:
    terminal.type("run `for i in 1 2 3 4 5 6 7 8; do echo line $i; done`\r")
    terminal.until("/show 1")
    terminal.type("/show 1\r")
    terminal.until("line 8")
    terminal.type("\x04")
    assert terminal.ends() == 0
    print(terminal.text)
    raise AssertionError
