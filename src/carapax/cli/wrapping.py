"""Lines that fit a terminal, broken between words."""

import re
import shutil
import sys

from rich.cells import cell_len, chop_cells, set_cell_size

from carapax.cli.terminal import clean

_SECOND_COLUMN = re.compile(r"\S\s{2,}(?=\S)")
_BELOW = "    "


def wrap(text: str, width: int) -> str:
    """The text in lines of at most so many cells. A line goes on below its beginning; one of two columns below its
    second, which begins on a line of its own where there is no room beside the first. Only a word that is longer than a
    line is broken."""
    return "\n".join(part for line in text.split("\n") for part in _parts(line, max(8, width)))


def clip(text: str, width: int) -> str:
    """The beginning of a line, in at most so many cells of the terminal."""
    shown = clean(text.expandtabs(4))
    return shown if cell_len(shown) <= width else f"{set_cell_size(shown, max(1, width - 1)).rstrip()}…"


def _parts(line: str, width: int) -> list[str]:
    if cell_len(line) <= width:
        return [line]
    second = _SECOND_COLUMN.search(line)
    head = line[: second.end()] if second else line[: len(line) - len(line.lstrip())]
    if second and cell_len(head) > width // 2:
        return [*_parts(head.rstrip(), width), *_parts(_BELOW + line[len(head) :], width)]
    head = head[: width // 2]
    indent = " " * cell_len(head)
    parts, current, used, is_new = [], head, cell_len(head), True
    for word in line[len(head) :].split(" "):
        size = cell_len(word)
        if not is_new and used + 1 + size <= width:
            current, used = f"{current} {word}", used + 1 + size
            continue
        if not is_new:
            parts.append(current.rstrip())
            current = indent
        *full, word = chop_cells(word, width - len(indent)) or [""]
        parts += [(current if at == 0 else indent) + piece for at, piece in enumerate(full)]
        current = (indent if full else current) + word
        used, is_new = cell_len(current), False
    return [*parts, current.rstrip()]


def fitted(text: str) -> str:
    """The text for standard output: a terminal is not left to break its words."""
    return wrap(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text
