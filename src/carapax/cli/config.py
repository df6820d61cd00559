"""`carapax config`: check, show, get, set, unset, edit, path."""

from pathlib import Path
from typing import Any

import click
import msgspec

from carapax.cli.group import home, takes_home
from carapax.cli.rpc import find_gateway
from carapax.config import Config
from carapax.configdoc import written
from carapax.configfile import load, warnings
from carapax.redaction import encode, masked


@click.group()
@takes_home
def command() -> None:
    """Check, show and change the configuration; a running gateway has it in force at once."""


@command.command()
@takes_home
def check() -> None:
    """Say what is wrong with carapax.toml, and what is allowed but not safe. Exits with 2 when it cannot be used."""
    from carapax.configcheck import check as check_all

    config = check_all(home())
    for warning in warnings(config):
        click.echo(f"warning: {warning}")
    click.echo(f"{_named(home().config_file)}: can be used")


@command.command()
@takes_home
def show() -> None:
    """Print every setting that is in force, defaults too, without secrets; and what waits for a restart."""
    click.echo(written(_in_force()), nl=False)
    if gateway := find_gateway(home()):
        _tell_waiting(gateway.call("config.status", {}, _Standing), err=True)


@command.command()
@click.argument("key")
@takes_home
def get(key: str) -> None:
    """Print what is in force of KEY, such as agents.main.effort, without secrets.

    Names with dots or blanks are quoted as in TOML: models."openai/gpt-5".input_usd.
    """
    from carapax.configset import value_of

    click.echo(value_of(_in_force(), key), nl=False)


@command.command("set")
@click.argument("key")
@click.argument("value")
@takes_home
def set_(key: str, value: str) -> None:
    """Set KEY to VALUE in carapax.toml, which keeps its comments.

    VALUE is written as in TOML, such as 5, true or '["a", "b"]'; what is not is taken as text. A secret belongs into
    the vault: see `carapax secrets` and `carapax models add`.
    """
    from carapax.configset import meant, path_of

    where = path_of(key)
    _change(where, meant(where, value))


@command.command()
@click.argument("key")
@takes_home
def unset(key: str) -> None:
    """Take KEY, or the table of this name, out of carapax.toml, so that its default is in force."""
    from carapax.configset import path_of

    _change(path_of(key), None)


@command.command()
@takes_home
def edit() -> None:
    """Edit carapax.toml in your editor ($VISUAL or $EDITOR). It is checked before it replaces what is there."""
    from carapax.cli.editing import edited

    place = home()
    if not edited(place):
        click.echo("nothing was changed")
        return
    for warning in warnings(load(place)):
        click.echo(f"warning: {warning}", err=True)
    if gateway := find_gateway(place):
        _tell(gateway.call("config.reload", {}, _Standing))
    else:
        click.echo(f"{place.config_file}: changed")


@command.command()
@takes_home
def path() -> None:
    """Print where carapax.toml is, or will be."""
    click.echo(home().config_file)


class _Standing(msgspec.Struct):
    file: str
    restart: tuple[str, ...]


def _in_force() -> dict[str, Any]:
    if gateway := find_gateway(home()):
        found: dict[str, Any] = gateway.call("config.get", {}, dict[str, Any])["config"]
        return found
    return _masked(load(home()))


def _change(path: tuple[str, ...], value: object) -> None:
    """Through the running gateway, if there is one, else in the file alone."""
    place = home()
    if gateway := find_gateway(place):
        _tell(gateway.call("config.set", {"changes": [{"path": path, "value": value}]}, _Standing))
        return
    from carapax.cli.loop import awaited
    from carapax.configcheck import check as check_all
    from carapax.configfile import first_start
    from carapax.settings import Settings

    first_start(place)
    awaited(Settings(check_all(place), place).change({path: value}))
    click.echo(f"{place.config_file}: changed")


def _tell(standing: _Standing) -> None:
    waits = " but for what waits for a restart" if standing.restart else ""
    click.echo(f"{standing.file}: changed, and in force{waits}")
    _tell_waiting(standing)


def _tell_waiting(standing: _Standing, *, err: bool = False) -> None:
    if standing.restart:
        click.echo(f"only after a restart: {', '.join(standing.restart)}", err=err)


def _masked(config: Config) -> dict[str, Any]:
    settings = msgspec.to_builtins(config, enc_hook=encode)
    return {name: masked(name, value) for name, value in settings.items()}


def _named(file: Path) -> str:
    return str(file) if file.exists() else f"{file} (not there yet, so the defaults)"
