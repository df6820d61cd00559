"""`carapax secrets`: what the vault keeps."""

import sys

import click
import msgspec

from carapax.cli.group import home, takes_home
from carapax.cli.secretstore import open_secrets
from carapax.cli.terminal import clean, time_of
from carapax.errors import InvalidRequest
from carapax.redaction import Secret


@click.group()
@takes_home
def command() -> None:
    """List, keep and remove what the vault keeps secret. Nothing shows a secret."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One secret a line, as JSON.")
@takes_home
def list_(as_json: bool) -> None:
    """List the secrets: name, version, and when each was changed."""
    found = open_secrets(home()).kept()
    width = max((len(kept.name) for kept in found), default=0)
    for kept in found:
        at = f"changed {time_of(kept.changed_at)}" if kept.changed_at else "changed before times were kept"
        shown = f"{clean(kept.name).ljust(width)}  version {kept.version}  {at}"
        click.echo(msgspec.json.encode(kept) if as_json else shown)
    if not found:
        click.echo("the vault is empty", err=True)


@command.command("set")
@click.argument("name")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="")
@takes_home
def set_(name: str, rest: tuple[str, ...]) -> None:
    """Keep a secret under NAME, in place of the one that is there.

    It is asked for without showing it, or read from standard input where that is no terminal; it is never an argument,
    which other programs could see. "provider:NAME" is the key of a provider.
    """
    if rest:
        raise InvalidRequest(
            "a secret is never an argument: other programs see those, and the shell keeps them",
            "leave it out, and it is asked for; this one should be replaced where it came from",
        )
    kept = open_secrets(home()).set(name, _value(name))
    click.echo(f"{clean(name)} is kept, version {kept.version}")


@command.command()
@click.argument("name")
@takes_home
def remove(name: str) -> None:
    """Forget the secret NAME."""
    open_secrets(home()).remove(name)
    click.echo(f"{clean(name)} is gone")


def _value(name: str) -> Secret:
    """What was typed, or piped without its last line end."""
    if sys.stdin.isatty():
        return Secret(click.prompt(f"Value of {clean(name)}", hide_input=True, err=True))
    try:
        value = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise InvalidRequest("what was piped in is no text in UTF-8", "encode it, as base64 for example") from None
    return Secret(value.removesuffix("\n").removesuffix("\r"))
