"""`carapax tailscale`: the gateway in a tailnet."""

import click

from carapax.cli.group import home, takes_home
from carapax.cli.rpc import Gateway, find_gateway
from carapax.cli.terminal import clean
from carapax.errors import Unavailable
from carapax.tailscale.tailscale import Mode, TailscaleStatus

_MEANING = {"off": "nobody", "serve": "the machines of your tailnet", "funnel": "EVERYBODY on the internet"}


@click.group(invoke_without_command=True)
@takes_home
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show and change who reaches the running gateway through Tailscale."""
    if ctx.invoked_subcommand is None:
        _tell(_gateway().call("tailscale.status", {}, TailscaleStatus))


@command.command("status")
@takes_home
def status() -> None:
    """Show who reaches the gateway through Tailscale, and where."""
    _tell(_gateway().call("tailscale.status", {}, TailscaleStatus))


@command.command("serve")
@takes_home
def serve() -> None:
    """Have the machines of your tailnet reach the gateway, with a certificate that every browser knows."""
    _configure("serve")


@command.command("funnel")
@click.option("--yes", is_flag=True, help="Do not ask whether you mean it.")
@takes_home
def funnel(yes: bool) -> None:
    """Have everybody on the internet reach the gateway."""
    if not yes:
        click.confirm("Everybody on the internet will reach the sign-in of this gateway. Go on?", abort=True, err=True)
    _configure("funnel")


@command.command("off")
@takes_home
def off() -> None:
    """Have nobody reach the gateway through Tailscale any more."""
    _configure("off")


def _gateway() -> Gateway:
    gateway = find_gateway(home())
    if gateway is None:
        raise Unavailable("no gateway runs on this home", "start it with `carapax serve`")
    return gateway


def _configure(mode: Mode) -> None:
    _tell(_gateway().call("tailscale.configure", {"mode": mode}, TailscaleStatus))


def _tell(told: TailscaleStatus) -> None:
    click.echo(f"reached by   {_MEANING[told.mode]}")
    if told.url:
        click.echo(f"address      {clean(told.url)}")
    if told.installed:
        click.echo(f"Tailscale    {clean(told.state) or 'does not answer'}, version {clean(told.version) or 'unknown'}")
    if told.problem:
        click.echo(f"problem      {clean(told.problem)}\n             {clean(told.remedy)}")
