"""`carapax audit`: who did what to the gateway."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carapax.cli.group import home, takes_home
from carapax.cli.progress import progress
from carapax.cli.record import open_record
from carapax.cli.terminal import one_line, time_of, write
from carapax.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carapax.cli.record import Record
    from carapax.store.audit import Recorded

_PAGE = 1000
_LOOK_EVERY_S = 1.0


@click.command()
@click.option("--kind", default="", help="Only this kind, for example token, or tool.called.")
@click.option(
    "--limit", type=click.IntRange(1, _PAGE), default=50, show_default=True, help="How many of the last ones."
)
@click.option("--follow", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option(
    "--export", type=click.Path(dir_okay=False, path_type=Path), help="Write all as JSON lines; - to standard output."
)
@click.option("--verify", is_flag=True, help="Follow the chain of hashes. Exits with 1 when it is broken.")
@click.option("--head", default="", metavar="HASH", help="With --verify: a last hash that was noted earlier.")
@takes_home
def command(kind: str, limit: int, follow: bool, export: Path | None, verify: bool, head: str) -> None:
    """Show the audit log: log-ins, tokens, changes, and the calls of tools that do more than read."""
    record = open_record(home())
    if verify:
        with progress("following the chain of hashes"):
            verdict = record.verify_audit(head)
        if verdict.broken:
            click.echo(f"broken at entry {verdict.broken}: {one_line(verdict.problem, 300)}", err=True)
            sys.exit(1)
        click.echo(f"{verdict.entries} entries are as they were written; the last has the hash {verdict.head or '-'}")
    elif export is not None:
        _export(record, export)
    else:
        last = record.audit_newest(kind, limit)
        for one in reversed(last):
            write(_line(one) + "\n")
        if follow:
            _follow(record, kind, last[0].number if last else 0)


def _export(record: Record, file: Path) -> None:
    from carapax.store.audit import written

    try:
        with click.open_file(str(file), "wb") as stream, progress("exporting the audit log") as told:
            for one in _after(record, 0):
                stream.write(written(one).encode() + b"\n")
                told.seen(one.number, unit="entries")
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be written: {error.strerror}") from error


def _follow(record: Record, kind: str, number: int) -> None:
    try:
        while True:
            for one in _after(record, number):
                number = one.number
                if kind in ("", one.entry.kind, one.entry.kind.partition(".")[0]):
                    write(_line(one) + "\n")
            time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        return


def _after(record: Record, number: int) -> Iterator[Recorded]:
    while page := record.audit_after(number, _PAGE):
        yield from page
        number = page[-1].number


def _line(one: Recorded) -> str:
    entry = one.entry
    who = " ".join(part for part in (entry.name or entry.who, entry.address) if part)
    session = {"session": entry.session} if entry.session else {}
    detail = "  ".join(f"{name}={value}" for name, value in {**session, **entry.detail}.items())
    what = f"{one_line(entry.kind, 20):20}  {one_line(who or '-', 60)}  {one_line(detail, 400)}"
    return f"{one.number:>6}  {time_of(entry.at)}  {what}".rstrip()
