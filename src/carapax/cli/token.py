"""`carapax token`: create, list, revoke."""

import click

from carapax.cli.group import home, takes_home
from carapax.cli.record import open_record
from carapax.cli.terminal import clean, time_of
from carapax.messages import Trust

_TRUST: tuple[Trust, ...] = ("owner", "known", "stranger")
_SCOPES = ("read", "write", "approve", "admin")


@click.group()
@takes_home
def command() -> None:
    """Create, list and revoke access tokens.

    While there is none, every program of this machine may use the gateway; from the first one on, each caller needs
    one.
    """


@command.command()
@click.argument("name", default="token")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(_SCOPES),
    multiple=True,
    default=("write",),
    show_default=True,
    help="What it may do; each of read, write, approve and admin includes the ones before it.",
)
@click.option(
    "--trust",
    type=click.Choice(_TRUST),
    default="owner",
    show_default=True,
    help="Whose words its messages are; a stranger may not give orders.",
)
@takes_home
def create(name: str, scopes: tuple[str, ...], trust: Trust) -> None:
    """Make a token for NAME and print its secret, this once."""
    token, secret = open_record(home()).create_token(name, scopes, trust)
    click.echo(
        f"token {token.id} for {clean(token.name)} ({', '.join(token.scopes)}); it is not shown again:", err=True
    )
    click.echo(secret)


@command.command("list")
@takes_home
def list_() -> None:
    """List the tokens, without their secrets."""
    tokens = open_record(home()).tokens()
    for token in tokens:
        used = f"last used {time_of(token.last_used_at)}" if token.last_used_at else "never used"
        made = f"made {time_of(token.created_at)}"
        click.echo(f"{token.id}  {clean(token.name)}  {','.join(token.scopes)}  {token.trust}  {made}  {used}")
    if not tokens:
        click.echo("no tokens: every program of this machine may use the gateway", err=True)


@command.command()
@click.argument("token")
@takes_home
def revoke(token: str) -> None:
    """End the token with the id TOKEN at once."""
    open_record(home()).revoke_token(token)
    click.echo(f"token {token} is revoked")
