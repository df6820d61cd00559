"""The commands by name, imported when called; what all of them take; and how errors become exit codes."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from carapax.config import Home
from carapax.errors import CarapaxError, ConfigError
from carapax.version import __version__

F = TypeVar("F", bound=Callable[..., Any])

_COMMANDS = {
    "serve": "Start the gateway (what `carapax` alone does).",
    "chat": "Talk to an agent.",
    "sessions": "List, show, replay, fork, export and import sessions.",
    "costs": "Show what models cost, and how the budgets stand.",
    "approvals": "Answer what agents ask, and show and take back what was allowed for good.",
    "vouch": "Answer for files of a workspace, or for what a session has read.",
    "audit": "Show who did what to the gateway, and whether that is as it was written.",
    "policy": "Try the rules about what agents may do.",
    "token": "Create, list and revoke access tokens.",
    "bans": "List and lift the bans of those who showed too many wrong tokens.",
    "config": "Check and show the configuration.",
    "models": "List models, and add, check and remove their providers.",
    "secrets": "List, keep, remove and import what the vault keeps secret, and protect it.",
    "sandbox": "List, build, clean and remove what the docker sandbox has on its engine.",
    "stop-agents": "End all that agents do, until they are released.",
    "doctor": "Look for what is wrong, and say what to do.",
}
_FOLDERS = {
    "--home": "Folder of configuration and data.  [default: $CARAPAX_HOME, else ~/.carapax]",
    "--config-dir": "Folder of carapax.toml, where it is apart from the data.",
    "--data-dir": "Folder of the data, where it is apart from the configuration.",
}
_VALUES = click.Path(file_okay=False, path_type=Path)


class Failed(click.ClickException):
    """An error as a person sees it: on standard error, without a traceback."""

    def __init__(self, error: CarapaxError) -> None:
        super().__init__(f"{error.message}\n  {error.hint}" if error.hint else error.message)


class Unusable(Failed):
    """Wrong usage, or a configuration that cannot be used."""

    exit_code = 2


class Commands(click.Group):
    """A group whose commands are modules of this folder; without a command it is `serve`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"carapax.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if _names_command(args) else ["serve", *args])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CarapaxError as error:
            raise (Unusable if isinstance(error, ConfigError) else Failed)(error) from error


def _remember(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.meta[f"carapax.{param.name}"] = value


def takes_home(function: F) -> F:
    """Give a command --home, --config-dir and --data-dir; `home()` is what they mean, with those of the group."""
    for name, text in reversed(_FOLDERS.items()):
        function = click.option(name, type=_VALUES, help=text, expose_value=False, callback=_remember)(function)
    return function


def home() -> Home:
    """The home the running command is about."""
    meta = click.get_current_context().meta
    base, config_dir, data_dir = (meta.get(f"carapax.{name.strip('-').replace('-', '_')}") for name in _FOLDERS)
    return Home.resolve(base, config_dir, data_dir, os.environ)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="carapax %(version)s")
@takes_home
def carapax() -> None:
    """A self-hosted agent gateway. Without a command it starts the gateway."""


def _names_command(args: list[str]) -> bool:
    """Whether a command, `--help` or `--version` follows the options that every command takes."""
    rest = iter(args)
    for arg in rest:
        if arg in _FOLDERS:
            next(rest, None)
        elif arg.partition("=")[0] not in _FOLDERS:
            return not arg.startswith("-") or arg in {"-h", "--help", "--version"}
    return False
