"""The commands, imported when called; what all of them take; and how errors become exit codes."""

import gc
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from carapax.cli.commands import COMMANDS, PURPOSES
from carapax.config import Home
from carapax.errors import CarapaxError, ConfigError
from carapax.version import __version__

F = TypeVar("F", bound=Callable[..., Any])

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
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"carapax.cli.{cmd_name.replace('-', '_')}").command
        if not gc.isenabled():  # which `main` has seen to, whose process this is
            gc.freeze()
            gc.enable()
        assert isinstance(command, click.Command)
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  carapax {line}" for line in COMMANDS[cmd_name].examples)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for purpose, commands in PURPOSES.items():
            with formatter.section(purpose):
                formatter.write_dl([(name, told.summary) for name, told in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands by what the table says of them, so that none is imported for it."""
        commands = [CompletionItem(name, help=told.summary) for name, told in COMMANDS.items()]
        found = [item for item in commands if item.value.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = ctx.resilient_parsing or _names_command(args)
        return super().parse_args(ctx, args if named else ["serve", *args])

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
