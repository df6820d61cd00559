"""How far something is that takes long: one line on standard error, where that is a terminal, and gone at the end."""

import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from carapax.cli.terminal import one_line, repaints

_PATIENCE_S = 0.4
_FRAME_S = 0.1
_BAR = 24


class Progress:
    """What is told while it goes on; safe to be called from any thread."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._done = 0.0
        self._whole = 0.0
        self._unit = ""

    def seen(self, done: float, whole: float = 0, unit: str = "") -> None:
        """So much of so much is done; 0 where it is not known how much there is."""
        self._done, self._whole, self._unit = done, whole, unit

    def doing(self, what: str) -> None:
        """Something else is done now."""
        self._what = what
        self.seen(0)

    def line(self, width: int) -> str:
        if self._whole:
            filled = round(min(1.0, self._done / self._whole) * _BAR)
            count = f" [{'#' * filled}{'.' * (_BAR - filled)}] {self._done / self._whole:.0%}"
        else:
            count = f" {self._done:,.0f}{f' {self._unit}' if self._unit else ''}" if self._done else ""
        return one_line(f"{self._what}{count}", width)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show what goes on for as long as the block lasts, once that is longer than a blink."""
    told = Progress(what)
    if not repaints(sys.stderr):
        yield told
        return
    over = threading.Event()
    painter = threading.Thread(target=_paint, args=(told, over), daemon=True)
    painter.start()
    try:
        yield told
    finally:
        over.set()
        painter.join()


def _paint(told: Progress, over: threading.Event) -> None:
    import shutil

    from carapax.cli.wrapping import clip

    if over.wait(_PATIENCE_S):
        return
    for sign in itertools.cycle("|/-\\"):
        width = shutil.get_terminal_size().columns - 4
        sys.stderr.write(f"\r{sign} {clip(told.line(width), width)}\x1b[K")
        sys.stderr.flush()
        if over.wait(_FRAME_S):
            break
    sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()
