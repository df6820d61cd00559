"""Lines typed at a keyboard that knows nothing else, or piped in; and Ctrl-C."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

import click

from carapax.cli.terminal import dim


class Interrupts:
    """Ctrl-C interrupts only what is typed; at any other moment it is noted and asked for, because an exception out of
    nowhere could leave a lock taken. Entered in the main thread."""

    def __init__(self) -> None:
        self._typing = False
        self._noted = False

    def __enter__(self) -> "Interrupts":
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def take(self) -> bool:
        """Whether Ctrl-C came since this was last asked."""
        noted, self._noted = self._noted, False
        return noted

    @contextmanager
    def typing(self) -> Iterator[None]:
        """Ctrl-C raises KeyboardInterrupt here."""
        try:
            self._typing = True
            yield
        finally:
            self._typing = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._typing:
            raise KeyboardInterrupt
        self._noted = True


class Keyboard:
    """Lines of standard input; with a prompt, but without a history, where that is a terminal."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._terminal = sys.stdin.isatty() and sys.stdout.isatty()

    def note(self, text: str) -> None:
        if self._terminal:
            click.echo(dim(text, True))

    def tell(self, text: str) -> None:
        """What was asked for."""
        from carapax.cli.wrapping import fitted

        click.echo(fitted(text))

    def lines(self) -> Iterator[str]:
        """Each line that has something on it, until Ctrl-D, or Ctrl-C twice."""
        interrupted = False
        while True:
            try:
                with self._interrupts.typing():
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
