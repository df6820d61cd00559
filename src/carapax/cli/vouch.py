"""`carapax vouch`: a person answers for what others may have written."""

import click

from carapax.cli.group import home, takes_home
from carapax.cli.record import open_record
from carapax.cli.terminal import clean
from carapax.errors import InvalidRequest


@click.command()
@click.argument("agent", default="")
@click.argument("path", default="")
@click.option("--session", default="", help="Answer for all that this session has read so far instead.")
@takes_home
def command(agent: str, path: str, session: str) -> None:
    """Answer for the files in the workspace of AGENT: for PATH, or for all of them.

    Look at them first: from then on an agent that reads them has read nothing but your own words.
    """
    record = open_record(home())
    if bool(session) == bool(agent):
        raise InvalidRequest("say for what: an agent, or --session", "see `carapax vouch --help`")
    if session:
        vouched = [str(origin) for origin in record.vouch(session)]
    else:
        vouched = [one or "all of the workspace" for one in record.wash(agent, path)]
    for one in vouched:
        click.echo(f"you answer for {clean(one)}")
    if not vouched:
        click.echo("there was nothing to answer for", err=True)
