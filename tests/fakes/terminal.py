"""A terminal with a screen and a scrollback, in which `carapax chat` runs."""

import contextlib
import fcntl
import os
import pty
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping

import pyte
from pyte.screens import Char

WAIT_S = 60.0


def _own_terminal() -> None:
    """Make standard input the terminal whose Ctrl-C the process hears."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class _Screen(pyte.HistoryScreen):
    """It answers where its cursor is."""

    def __init__(self, columns: int, lines: int, descriptor: int) -> None:
        self._descriptor = descriptor
        super().__init__(columns, lines, history=10_000)

    def write_process_input(self, data: str) -> None:
        os.write(self._descriptor, data.encode())


class Terminal:
    """`carapax chat` on a terminal of so many columns and lines; with `shell` under one that takes the terminal back
    when it is put aside, says so, and lets it go on at the next Enter."""

    def __init__(
        self,
        *arguments: str,
        columns: int = 80,
        lines: int = 24,
        environ: Mapping[str, str] | None = None,
        shell: bool = False,
    ) -> None:
        self._ours, theirs = pty.openpty()
        self._size(columns, lines)
        self.raw = b""
        self._screen = _Screen(columns, lines, self._ours)
        self._stream = pyte.ByteStream(self._screen)
        command = [sys.executable, "-m", "carapax", "chat", *arguments]
        if shell:
            command = ["bash", "--norc", "-ic", f"{shlex.join(command)}; echo it waits; read; fg"]
        told = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_own_terminal,
            env={**told, "TERM": "xterm-256color", **(environ or {})},
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def paste(self, text: str) -> None:
        """As terminals say it when they are asked to tell what is pasted (bracketed paste)."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)
        self._size(columns, lines)

    @property
    def lines(self) -> list[str]:
        """What is in the scrollback and on the screen, without the empty lines at the end."""
        above = ["".join(row[x].data for x in sorted(row)).rstrip() for row in self._screen.history.top]
        return "\n".join([*above, *(line.rstrip() for line in self._screen.display)]).rstrip("\n").split("\n")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def screen(self) -> list[list[Char]]:
        """What is on the screen, cell by cell."""
        rows, columns = range(self._screen.lines), range(self._screen.columns)
        return [[self._screen.buffer[y][x] for x in columns] for y in rows]

    def until(self, text: str, times: int = 1) -> None:
        """Wait until a text stands somewhere so many times."""
        deadline = time.monotonic() + WAIT_S
        while self.text.count(text) < times:
            assert self._read(deadline - time.monotonic()), f"waited for {text!r}, saw\n{self.text}"

    def until_gone(self, text: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while text in self.text:
            assert self._read(deadline - time.monotonic()), f"waited for {text!r} to go, saw\n{self.text}"

    def wait(self, seconds: float) -> None:
        """Look on for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def ends(self) -> int:
        """Wait for the end; the exit code."""
        deadline = time.monotonic() + WAIT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.wait(1)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self, within_s: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, within_s))
        if not ready:
            return False
        with contextlib.suppress(OSError):
            if data := os.read(self._ours, 65536):
                self.raw += data
                self._stream.feed(data)
                return True
        return False

    def _size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
