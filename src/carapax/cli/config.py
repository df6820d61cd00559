"""`carapax config`: check, show, path."""

from pathlib import Path

import click
import msgspec

from carapax.cli.group import home, takes_home
from carapax.configdoc import toml, toml_key
from carapax.configfile import load, warnings
from carapax.redaction import encode, masked


@click.group()
@takes_home
def command() -> None:
    """Check and show the configuration."""


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
    """Print every setting that is in force, defaults too, without secrets."""
    settings = msgspec.to_builtins(load(home()), enc_hook=encode)
    table = {name: masked(name, value) for name, value in settings.items()}
    scalars = {name: value for name, value in table.items() if not isinstance(value, dict)}
    _print_table((), scalars)
    for name, value in table.items():
        if isinstance(value, dict):
            _print_table((name,), value)


@command.command()
@takes_home
def path() -> None:
    """Print where carapax.toml is, or will be."""
    click.echo(home().config_file)


def _print_table(path: tuple[str, ...], table: dict[str, object]) -> None:
    tables = {name: value for name, value in table.items() if isinstance(value, dict)}
    values = {name: value for name, value in table.items() if name not in tables and value is not None}
    if path and values:
        click.echo(f"\n[{'.'.join(toml_key(part) for part in path)}]")
    for name, value in values.items():
        click.echo(f"{toml_key(name)} = {toml(value)}")
    for name, inner in tables.items():
        _print_table((*path, name), inner)


def _named(file: Path) -> str:
    return str(file) if file.exists() else f"{file} (not there yet, so the defaults)"
