"""The conversation at a real terminal."""

import os
import pty
import select
import stat
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from carapax.cli.serving import Serving
from carapax.config import Home

WAIT_S = 20.0


class Terminal:
    """`carapax chat` on a pseudo-terminal."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "carapax", "chat"]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def until(self, text: str) -> str:
        """What is printed up to and with `text`."""
        shown, deadline = "", time.monotonic() + WAIT_S
        while text not in shown:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"waited for {text!r}, saw {shown!r}"
            shown += os.read(self._ours, 4096).decode()
        return shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(gateway: Serving) -> Iterator[Terminal]:
    opened = Terminal()
    try:
        yield opened
    finally:
        opened.close()


def test_lines_are_answered_and_remembered_for_the_next_time(terminal: Terminal, home: Home) -> None:
    terminal.until("> ")
    terminal.type("my dog is Rex\n")
    terminal.until("> ")
    terminal.type("what did I say\n")
    assert "Rex" in terminal.until("> ").split("what did I say", 1)[1]
    terminal.type("\x04")
    assert terminal.process.wait(WAIT_S) == 0
    history = home.data_dir / "history"
    assert "what did I say" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
