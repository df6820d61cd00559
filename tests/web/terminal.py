"""A picture of a conversation in the terminal, drawn from the screen of one."""

from collections.abc import Sequence
from html import escape

from pyte.screens import Char

from tests.fakes.terminal import Terminal
from tests.web.browser import Browser
from tests.web.furnished import QUESTION
from tests.web.picture import shot
from tests.web.served import Process

COLUMNS, LINES = 82, 24
_CELL, _LINE, _EDGE = 9, 19, 16
_PAPER, _INK = "#16181d", "#d7dae0"
_COLOURS = {
    "red": "#f2777a",
    "green": "#8fc76b",
    "brown": "#e5c07b",
    "blue": "#6ca8f0",
    "magenta": "#c58fe0",
    "cyan": "#56c2c9",
    "black": "#8a909c",
}


def conversation(browser: Browser, gateway: Process) -> bytes:
    """The furnished gateway asked what its page is asked, as PNG."""
    terminal = Terminal(columns=COLUMNS, lines=LINES, environ={"CARAPAX_HOME": str(gateway.home.config_dir)})
    try:
        terminal.until("you talk with")
        terminal.type(f"{QUESTION}\r")
        terminal.until("· turn")
        drawn = _svg(terminal.screen)
    finally:
        terminal.close()
    browser.open("about:blank")
    browser.resize(COLUMNS * _CELL + 2 * _EDGE, LINES * _LINE + 2 * _EDGE)
    browser.run("document.body.style.margin = 0; document.body.innerHTML = given[0]", drawn)
    return shot(browser)


def _svg(rows: Sequence[Sequence[Char]]) -> str:
    texts = "".join(_text(cell, x, y) for y, row in enumerate(rows) for x, cell in enumerate(row) if cell.data.strip())
    style = "font: 15px 'DejaVu Sans Mono', 'Noto Color Emoji', monospace; white-space: pre; display: block"
    return (
        f'<svg width="{COLUMNS * _CELL + 2 * _EDGE}" height="{LINES * _LINE + 2 * _EDGE}" style="{style}">'
        f'<rect width="100%" height="100%" fill="{_PAPER}"/>{texts}</svg>'
    )


def _text(cell: Char, x: int, y: int) -> str:
    weight = ' font-weight="bold"' if cell.bold else ""
    line = ' text-decoration="underline"' if cell.underscore else ""
    at = f'x="{_EDGE + x * _CELL}" y="{_EDGE + (y + 1) * _LINE - 5}"'
    colour = _COLOURS.get(cell.fg.removeprefix("bright"), _INK)
    return f'<text {at} fill="{colour}"{weight}{line}>{escape(cell.data)}</text>'
