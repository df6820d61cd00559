"""Lines typed at the keyboard, with a history that is kept."""

import contextlib
import os
import readline
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from carapax.cli.terminal import dim

_HISTORY_LINES = 1000


class Keyboard:
    """Without a terminal it reads lines of standard input, without a prompt and without a history."""

    def __init__(self, history: Path) -> None:
        self._history = history
        self._terminal = sys.stdin.isatty() and sys.stdout.isatty()

    def note(self, text: str) -> None:
        if self._terminal:
            click.echo(dim(text, True))

    def lines(self) -> Iterator[str]:
        """Each line that has something on it, until Ctrl-D, or Ctrl-C twice."""
        self._load()
        interrupted = False
        while True:
            try:
                line = input("> " if self._terminal else "").strip()
            except EOFError:
                self.note("")
                return
            except KeyboardInterrupt:
                if interrupted:
                    return
                interrupted = True
                self.note("\n(Ctrl-C once more leaves)")
                continue
            interrupted = False
            if line:
                yield line
                self._save()

    def _load(self) -> None:
        if self._terminal:
            readline.set_history_length(_HISTORY_LINES)
            with contextlib.suppress(OSError):
                readline.read_history_file(self._history)

    def _save(self) -> None:
        if self._terminal:
            with contextlib.suppress(OSError):
                os.close(os.open(self._history, os.O_CREAT | os.O_WRONLY, 0o600))
                readline.write_history_file(self._history)
