"""The table of commands."""

import shlex

import click
import pytest

from carapax.cli.commands import COMMANDS, PURPOSES
from carapax.cli.group import carapax
from tests.cli.conftest import Run

EXAMPLES = [line for told in COMMANDS.values() for line in told.examples]


def test_help_has_the_commands_by_purpose(run: Run) -> None:
    shown = run("--help").output
    places = [shown.index(f"{purpose}:") for purpose in PURPOSES]
    assert places == sorted(places)
    assert all(f"\n  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_shows_examples(run: Run, name: str) -> None:
    assert f"Examples:\n    carapax {name}" in run(name, "--help").output


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_one_that_the_command_takes(line: str) -> None:
    words = shlex.split(line.partition(" <")[0].partition(" >")[0].partition(" |")[0].replace(".env", __file__))
    command: click.Command = carapax
    context = click.Context(carapax, info_name="carapax")
    rest = words
    while isinstance(command, click.Group) and rest and (child := command.get_command(context, rest[0])):
        command = child
        rest = rest[1:] if not isinstance(child, click.Group) or len(rest) > 1 else []
        if isinstance(child, click.Group):
            continue
        break
    with command.make_context(words[0], rest, parent=context):
        pass
