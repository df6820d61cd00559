"""`carapax vouch`: a person answers for what others may have written."""

import sys
from collections.abc import Iterable

import click

from carapax.cli.group import home, takes_home
from carapax.cli.record import open_record
from carapax.cli.terminal import clean, write
from carapax.errors import InvalidRequest
from carapax.sessions.instructions import LeftOut


@click.command()
@click.argument("agent", default="")
@click.argument("path", default="")
@click.option("--session", default="", help="Answer for all that this session has read so far instead.")
@click.option("--seen", multiple=True, metavar="SHA256", help="That of a file of instructions as you have read it.")
@takes_home
def command(agent: str, path: str, session: str, seen: tuple[str, ...]) -> None:
    """Answer for the files in the workspace of AGENT: for PATH, or for all of them.

    Look at them first: from then on an agent that reads them has read nothing but your own words. A file of
    instructions is shown and asked about, or named by its SHA-256; you answer for that text and no other.
    """
    record = open_record(home())
    if bool(session) == bool(agent):
        raise InvalidRequest("say for what: an agent, or --session", "see `carapax vouch --help`")
    if session:
        vouched = [str(origin) for origin in record.vouch(session)]
    else:
        meant = [file for file in record.left_out(agent) if path in ("", ".", file.name)]
        digests = {file.name: file.digest for file in _read(meant, agent, seen)}
        vouched = [one or "all of the workspace" for one in record.vouch_files(agent, path, digests)]
    for one in vouched:
        click.echo(f"you answer for {clean(one)}")
    if not vouched:
        click.echo("there was nothing to answer for", err=True)


def _read(files: Iterable[LeftOut], agent: str, seen: tuple[str, ...]) -> Iterable[LeftOut]:
    """The files, each of which somebody has read. Raises InvalidRequest for one that nobody says so of."""
    for file in files:
        if file.digest not in seen:
            write(f"{file.name}, SHA-256 {file.digest}:\n\n{clean(file.text)}\n\n")
            if not sys.stdin.isatty():
                remedy = f"read it, then `carapax vouch {agent} {file.name} --seen {file.digest}`"
                raise InvalidRequest(f"{file.name} tells the agent what to do", remedy)
            click.confirm(f"Shall this count as your orders to {agent}?", abort=True)
        yield file
