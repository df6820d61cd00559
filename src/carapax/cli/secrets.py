"""`carapax secrets`: what the vault keeps."""

import sys
from pathlib import Path
from typing import Literal

import click
import msgspec

from carapax.cli.group import home, takes_home
from carapax.cli.loop import awaited
from carapax.cli.rpc import find_gateway
from carapax.cli.secretstore import open_secrets
from carapax.cli.terminal import clean, time_of
from carapax.cli.unlocking import ask, new_passphrase, unlocked
from carapax.configfile import first_start
from carapax.errors import InvalidRequest, NotFound
from carapax.redaction import Secret


@click.group()
@takes_home
def command() -> None:
    """List, keep and remove what the vault keeps secret, and protect it. Nothing shows a secret."""


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


@command.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--apply", is_flag=True, help="Do it; without this it is only told what would be done.")
@click.option("--replace", is_flag=True, help="Also in place of secrets that are there.")
@takes_home
def import_(file: Path, apply: bool, replace: bool) -> None:
    """Keep what FILE holds: a .env file, or the vault of OpenCrust.

    The variable of a vendor's key becomes the key of that provider, anything else keeps its name. Values are not shown.
    """
    from carapax.cli.importing import plan

    secrets = open_secrets(home())
    steps = plan(file, secrets, replace=replace)
    for step in steps:
        if apply and step.is_kept:
            secrets.set(step.name, step.secret)
        arrow = f" -> {step.name}" if step.name not in ("", step.variable) else ""
        click.echo(f"{step.variable}{arrow}: {step.fate}")
    count = sum(step.is_kept for step in steps)
    if apply and count:
        click.echo(f"{count} are kept. They still stand in {file}: delete it when nothing else reads it.")
    elif count:
        click.echo(f"Nothing was done yet; with --apply {count} are kept.")
    else:
        click.echo("there is nothing to keep", err=True)


@command.command()
@click.option("--passphrase", "way", flag_value="passphrase", help="Lock it with a passphrase, which is asked for.")
@click.option("--key-file", "way", flag_value="key file", help="Keep its key in a file that only you may read.")
@click.option("--keyring", "way", flag_value="keyring", help="Keep its key in the keyring of the system.")
@takes_home
def protect(way: Literal["passphrase", "key file", "keyring"] | None) -> None:
    """Change how the vault is protected, or its passphrase. Everything in it is sealed anew.

    The keyring wants the extra `carapax[keyring]`. The new passphrase is the first line of standard input where that is
    no terminal.
    """
    if way is None:
        raise click.UsageError("choose --passphrase, --key-file or --keyring")
    vault = unlocked(home())
    first_start(home())
    awaited(vault.protect(new_passphrase() if way == "passphrase" else way))
    what = "the keyring of the system" if way == "keyring" else f"a {way}"
    click.echo(f"the vault is protected by {what}, and everything in it is sealed anew")
    if way == "passphrase" and find_gateway(home()):
        click.echo(
            "The running gateway uses the secrets that it has, and changes none, until it finds this passphrase where "
            "services do, or is started again.",
            err=True,
        )


@command.command()
@takes_home
def rotate() -> None:
    """Seal everything in the vault anew, with a new key that is protected as the old one was."""
    vault = unlocked(home())
    if not awaited(vault.protection()):
        raise NotFound("the vault is empty", "there is no key to change")
    awaited(vault.rotate())
    click.echo("everything in the vault is sealed anew, with a new key")


def _value(name: str) -> Secret:
    """What was typed, or piped without its last line end."""
    if sys.stdin.isatty():
        return ask(f"Value of {clean(name)}")
    try:
        value = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise InvalidRequest("what was piped in is no text in UTF-8", "encode it, as base64 for example") from None
    return Secret(value.removesuffix("\n").removesuffix("\r"))
