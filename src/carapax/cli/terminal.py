"""What is printed to a terminal: nothing that a model, a tool or a file says can command it."""

import os
import re
import sys
from datetime import datetime
from typing import Literal, TextIO

import click

from carapax.text import written_out

_CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, and where the cursor goes
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles and links
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
State = Literal["ok", "warn", "fail", ""]
_MARKS: dict[State, tuple[str, str]] = {
    "ok": ("ok  ", "green"),
    "warn": ("warn", "yellow"),
    "fail": ("FAIL", "red"),
    "": ("    ", ""),
}


def clean(text: str) -> str:
    """The text with every control and invisible character written out, so that it only shows."""
    return written_out(text.replace("\r\n", "\n"), "\n\t")


def one_line(text: str, width: int = 100) -> str:
    """The text on one line of at most `width` characters, cleaned."""
    flat = clean(" ".join(text.split()))
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def whole(text: str) -> str:
    """What was typed, piped or given as an argument, as a message may have it: bytes that were no UTF-8, which Python
    keeps as half characters, are replaced, and colours and other control characters are left out."""
    return _CONTROLS.sub("", text.encode(errors="surrogateescape").decode(errors="replace"))


def has_colours(stream: TextIO) -> bool:
    """Whether what is written there may be coloured."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def repaints(stream: TextIO) -> bool:
    """Whether what is written there can be written over: it is a terminal that can do more than print lines."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "")


def showable(text: str, encoding: str | None) -> str:
    """The text with what this encoding does not have written out."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def dim(text: str, stream_is_terminal: bool) -> str:
    """The text in a weaker colour where there are colours."""
    plain = not stream_is_terminal or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else click.style(text, dim=True)


def mark(state: State) -> str:
    """A word of four letters for how something is, in its colour on standard output; blanks for nothing to say."""
    word, colour = _MARKS[state]
    return click.style(word, fg=colour) if colour and has_colours(sys.stdout) else word


def time_of(at: float) -> str:
    """A moment in the time of this machine, to the second."""
    return f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"


def write(text: str) -> None:
    """Print without a line end, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()
