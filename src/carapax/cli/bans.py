"""`carapax bans`: who is refused for a while for having shown too many wrong tokens."""

import click

from carapax.api.ban import Banlist, Lifted
from carapax.cli.group import home, takes_home
from carapax.cli.rpc import find_gateway
from carapax.cli.terminal import one_line, time_of
from carapax.errors import Unavailable


@click.command()
@click.option("--lift", metavar="KEY", help="End the ban of this address or token.")
@takes_home
def command(lift: str | None) -> None:
    """List the addresses and tokens that are banned for too many wrong tokens. They end with the gateway."""
    gateway = find_gateway(home())
    if gateway is None:
        raise Unavailable("no gateway runs on this home", "bans end with the gateway; `carapax serve` starts one")
    if lift is not None:
        gateway.call("ban.lift", {"key": lift}, Lifted)
        click.echo(f"{one_line(lift)} is not banned any more")
        return
    bans = gateway.call("ban.list", {}, Banlist).bans
    for ban in bans:
        click.echo(f"{one_line(ban.key)}  until {time_of(ban.until)}")
    if not bans:
        click.echo("nobody is banned", err=True)
