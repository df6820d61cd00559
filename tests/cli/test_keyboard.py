"""The conversation at a terminal that can only print."""

import contextlib
import fcntl
import os
import pty
import select
import shutil
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import msgspec
import pytest

from carapax.cli.rpc import Running
from carapax.cli.serving import Serving
from carapax.config import Home

WAIT_S = 60.0


def _own_terminal() -> None:
    """Make standard input the terminal whose Ctrl-C the process hears."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """`carapax chat` on a pseudo-terminal that can only print."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "carapax", "chat", *arguments]
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_own_terminal,
            env=os.environ | {"TERM": "dumb"},
        )
        os.close(theirs)
        self._unread = ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def until(self, text: str) -> str:
        """What is printed from where the last call ended, up to and with `text`."""
        deadline = time.monotonic() + WAIT_S
        while text not in self._unread:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"waited for {text!r}, saw {self._unread!r}"
            self._unread += os.read(self._ours, 4096).decode()
        before, found, self._unread = self._unread.partition(text)
        return before + found

    def wait(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)


@pytest.fixture
def terminal(gateway: Serving) -> Iterator[Terminal]:
    opened = Terminal()
    try:
        yield opened
    finally:
        opened.close()


def test_lines_are_answered(terminal: Terminal) -> None:
    terminal.until("> ")
    terminal.type("my dog is Rex\n")
    terminal.until("> ")
    terminal.type("what did I say\n")
    assert "Rex" in terminal.until("> ").split("what did I say", 1)[1]
    terminal.type("\x04")
    assert terminal.process.wait(WAIT_S) == 0


@needs_bubblewrap
def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(terminal: Terminal) -> None:
    terminal.until("> ")
    terminal.type("run `echo started; sleep 60`\n")
    terminal.until("· shell")
    terminal.type("\x03")
    terminal.until("(cancelled")
    terminal.until("> ")
    terminal.type("what did I say\n")
    assert "sleep 60" in terminal.until("> ").split("what did I say", 1)[1]


def test_ctrl_c_twice_leaves(terminal: Terminal) -> None:
    terminal.until("> ")
    deadline = time.monotonic() + WAIT_S
    while terminal.process.poll() is None and time.monotonic() < deadline:
        terminal.type("\x03")  # again: one that comes just before it begins to wait is missed
        terminal.wait(2)
    assert terminal.process.returncode == 0


@pytest.fixture
def mute_gateway(home: Home) -> Iterator[None]:
    """A gateway that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        home.run_file.parent.mkdir(parents=True)
        running = Running(f"http://127.0.0.1:{listening.getsockname()[1]}", os.getpid(), "token")
        home.run_file.write_bytes(msgspec.json.encode(running))
        yield


@pytest.mark.usefixtures("mute_gateway")
@pytest.mark.parametrize("typed", ["", "hello\n", "/sessions\n", "/stop\n"])
def test_ctrl_c_leaves_whatever_is_waited_for(typed: str) -> None:
    terminal = Terminal(*([] if typed else ["--session", "any"]))
    try:
        if typed:
            terminal.until("> ")
            terminal.type(typed)
            terminal.until("\n")
        deadline = time.monotonic() + WAIT_S
        while terminal.process.poll() is None and time.monotonic() < deadline:
            terminal.type("\x03")
            terminal.wait(0.5)
        assert terminal.process.returncode is not None
    finally:
        terminal.close()
