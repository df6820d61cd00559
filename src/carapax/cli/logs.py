"""`carapax logs`: what the gateway logged."""

import sys
import time
from collections import deque
from collections.abc import Iterable

import click

from carapax.cli.group import home, takes_home
from carapax.cli.terminal import write
from carapax.logs.files import Tail, Wanted, newest
from carapax.logs.line import LEVELS, Level, Line, as_json, as_text, safe

_LOOK_EVERY_S = 0.25


@click.command()
@click.option("-n", "--limit", type=click.IntRange(0, 100_000), default=50, show_default=True, help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is logged, until Ctrl-C.")
@click.option("--level", type=click.Choice(LEVELS), default="debug", help="Only lines of this level or worse.")
@click.option("--session", default="", help="Only lines about this session.")
@click.option("--text", default="", help="Only lines with this text.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON lines.")
@takes_home
def command(limit: int, follow: bool, level: Level, session: str, text: str, is_json: bool) -> None:
    """Show what the gateway logged last, oldest first; it need not be running."""
    folder, wanted = home().log_folder, Wanted(level, text, session)
    if not follow:
        lines = newest(folder, wanted, limit) if limit else []
        if not lines and sys.stdout.isatty():
            click.echo(f"nothing of the kind was logged in {folder}", err=True)
        _show(reversed(lines), is_json=is_json)
        return
    tail = Tail(folder)
    _show(deque(filter(wanted.fits, tail.more()), limit), is_json=is_json)
    try:
        while True:
            time.sleep(_LOOK_EVERY_S)
            _show(filter(wanted.fits, tail.more()), is_json=is_json)
    except KeyboardInterrupt:
        return


def _show(lines: Iterable[Line], *, is_json: bool) -> None:
    for line in (safe(each, str) for each in lines):  # whoever wrote the file
        write(as_json(line).decode() if is_json else as_text(line))
