"""`carapax agents`: who there is, and who they are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from carapax.cli.group import home, takes_home
from carapax.cli.rpc import find_gateway
from carapax.cli.terminal import clean
from carapax.config import Home
from carapax.configfile import load
from carapax.errors import NotFound
from carapax.personas import MOST_CHARACTERS, Personas, plain

if TYPE_CHECKING:
    from carapax.config import Config


@click.group(invoke_without_command=True)
@takes_home
@click.pass_context
def command(context: click.Context) -> None:
    """List the agents, and say who they are."""
    if context.invoked_subcommand is not None:
        return
    place = home()
    personas = Personas(place.personas)
    for name, agent in load(place).agents.items():
        persona = personas.read(name)
        title = agent.title or (persona.title if persona else "")
        called = " ".join(filter(None, (agent.emoji, title)))
        click.echo("  ".join(filter(None, (name, clean(called), agent.model, clean(agent.description)))))


@command.command()
@click.argument("name", default="")
@click.option("--edit", is_flag=True, help="Change it in your editor ($VISUAL or $EDITOR).")
@click.option("--stdin", "from_stdin", is_flag=True, help="Take it from standard input.")
@click.option("--remove", is_flag=True, help="Take persona.md away, so that the configuration's persona counts.")
@takes_home
def persona(name: str, edit: bool, from_stdin: bool, remove: bool) -> None:
    """Print who the agent NAME is, in its owner's words, or change that. Its next run knows.

    [default: the first agent]
    """
    place = home()
    config = load(place)
    name = name or next(iter(config.agents))
    if name not in config.agents:
        raise NotFound(f"there is no agent {name!r}", f"there are: {', '.join(config.agents)}")
    before = _text(place, config, name)
    if remove:
        _set(place, name, None)
    elif from_stdin:
        _set(place, name, sys.stdin.read(MOST_CHARACTERS + 1))
    elif edit:
        after = click.edit(before, extension=".md")
        if after is None or after == before:
            click.echo("nothing was changed", err=True)
        else:
            _set(place, name, after)
    else:
        click.echo(clean(before) if before else f"nobody has said yet who {name} is", err=not before)


def _text(place: Home, config: Config, name: str) -> str:
    found = Personas(place.personas).read(name)
    return config.agents[name].persona if found is None else found.text


def _set(place: Home, name: str, text: str | None) -> None:
    """By the gateway that runs, which records it, else in the file itself."""
    if gateway := find_gateway(place):
        params = {"remove": True} if text is None else {"text": plain(text)}
        gateway.call("agent.set_persona", {"agent": name, **params}, dict[str, object])
    elif text is None:
        Personas(place.personas).remove(name)
    else:
        Personas(place.personas).write(name, text)
    click.echo(f"{Personas(place.personas).place(name)} {'is gone' if text is None else 'is written'}")
