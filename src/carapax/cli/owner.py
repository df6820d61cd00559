"""`carapax owner`: the setup code, the password, passkeys and the browsers that are in."""

import sys

import click

from carapax.api.owner import SetupCode
from carapax.cli.group import home, takes_home
from carapax.cli.record import open_record
from carapax.cli.rpc import find_gateway
from carapax.cli.serving import setup_address
from carapax.cli.terminal import one_line, time_of
from carapax.cli.unlocking import ask
from carapax.errors import InvalidRequest, Unavailable
from carapax.redaction import Secret

_FREE = "no credential is left: every program of this machine may use the gateway"


@click.group()
@takes_home
def command() -> None:
    """By what the gateway knows its owner.

    While there is no password, passkey or token, every program of this machine may use the gateway.
    """


@command.command()
@takes_home
def code() -> None:
    """Print a new setup code, with which a browser becomes the owner's: for 30 minutes, once."""
    gateway = find_gateway(home())
    if gateway is None:
        raise Unavailable("no gateway runs on this home", "`carapax serve` starts one, and prints a code if need be")
    made = gateway.call("owner.code", {}, SetupCode)
    click.echo(f"open {setup_address(gateway.running.url)} and type the code", err=True)
    click.echo(made.code)


@command.command()
@click.option("--remove", is_flag=True, help="Have no password.")
@takes_home
def password(remove: bool) -> None:
    """Set, change or remove the password, of 12 characters or more. It is typed, or read from standard input."""
    new = Secret("") if remove else _new_password()
    free = open_record(home()).set_password(new)
    click.echo("the password is removed" if remove else "the password is set; who was signed in with another is out")
    if free:
        click.echo(_FREE, err=True)


@command.command()
@click.option("--remove", metavar="ID", help="Forget the passkey of this id.")
@takes_home
def passkeys(remove: str | None) -> None:
    """List the passkeys, or remove one. They are made in the page."""
    record = open_record(home())
    if remove is not None:
        free = record.remove_passkey(remove)
        click.echo("the passkey is removed")
        if free:
            click.echo(_FREE, err=True)
        return
    known = record.passkeys()
    for passkey in known:
        used = f"last used {time_of(passkey.last_used_at)}" if passkey.last_used_at else "never used"
        click.echo(
            f"{passkey.id}  {one_line(passkey.name)}  {passkey.host}  made {time_of(passkey.created_at)}  {used}"
        )
    if not known:
        click.echo("no passkeys: the page makes them", err=True)


@command.command()
@click.option("--end", metavar="ID", help="Sign out the browser of this id.")
@click.option("--end-all", is_flag=True, help="Sign out everywhere.")
@takes_home
def signins(end: str | None, end_all: bool) -> None:
    """List the browsers that are in, or sign them out."""
    record = open_record(home())
    if end is not None or end_all:
        click.echo(f"signed out: {record.end_signins(end)}")
        return
    known = record.signins()
    for signin in known:
        seen = f"seen {time_of(signin.last_seen_at)}"
        click.echo(f"{signin.id}  {signin.how}  {one_line(signin.browser) or '-'}  {signin.address or '-'}  {seen}")
    if not known:
        click.echo("nobody is signed in", err=True)


def _new_password() -> Secret:
    """Never an empty one, which would remove the one there is."""
    from carapax.owner.password import check_length

    piped = not sys.stdin.isatty()
    new = Secret(sys.stdin.readline().rstrip("\r\n")) if piped else ask("New password")
    if not piped and ask("The same again") != new:
        raise InvalidRequest("these are two different passwords", "nothing was changed; try again")
    check_length(new)
    return new
