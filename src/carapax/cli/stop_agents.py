"""`carapax stop-agents`: the kill switch."""

import sys

import click

from carapax.cli.group import home, takes_home
from carapax.cli.record import open_record
from carapax.cli.terminal import clean, time_of


@click.command()
@click.argument("reason", default="")
@click.option("--release", is_flag=True, help="Let the agents go on; they answer what waits.")
@takes_home
def command(reason: str, release: bool) -> None:
    """End all that agents do, and let them do nothing until they are released.

    Messages are taken meanwhile and wait. It outlives restarts, and works while no gateway runs. REASON is shown
    wherever the stop is.
    """
    record = open_record(home())
    if release:
        was = record.release_agents()
        click.echo(f"released: {clean(was.told())}, {time_of(was.at)}" if was else "the agents were not stopped")
        return
    stopped = record.stop_agents(reason)
    click.echo(f"stopped: {len(stopped.ended)} runs were ended; `carapax stop-agents --release` lets agents go on")
    for session in stopped.remaining:
        click.echo(f"  session {session} has not ended yet", err=True)
    if stopped.remaining:
        sys.exit(1)
