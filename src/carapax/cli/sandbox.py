"""`carapax sandbox`: what the docker sandbox has on its engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from carapax.cli.group import home, takes_home
from carapax.cli.loop import awaited
from carapax.cli.terminal import clean as cleaned
from carapax.cli.terminal import write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractAsyncContextManager

    from carapax.containers.opened import Opened
    from carapax.containers.records import Holding


@click.group()
@takes_home
def command() -> None:
    """Look after containers, volumes and images that the docker sandbox of this home has on its engine."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One thing a line, as JSON.")
@takes_home
def list_(as_json: bool) -> None:
    """List containers, volumes and images, with their agents, states and sizes."""

    async def told() -> list[Holding]:
        from carapax.containers.records import holdings

        async with _opened() as there:
            return await holdings(there.engine, there.home)

    held = awaited(told())
    for one in held:
        click.echo(msgspec.json.encode(one) if as_json else _line(one))
    if not held:
        click.echo("there is nothing: the first command of an agent makes it", err=True)


@command.command()
@takes_home
def build() -> None:
    """Build the image anew, from what its base and packages are now, and show how it goes."""

    async def built() -> str:
        from carapax.containers import image
        from carapax.containers.records import HOME

        async with _opened() as there:
            labels = {HOME: there.home}
            await image.build(there.engine, there.recipe, labels, lambda text: write(cleaned(text)), anew=True)
            return there.recipe.tag

    click.echo(f"{awaited(built())} is built; containers started from now on begin with it")


@command.command()
@takes_home
def clean() -> None:
    """Remove containers that do not run, and images that the configuration does not name any more. Volumes stay."""

    async def gone() -> list[Holding]:
        from carapax.containers.records import clean

        async with _opened() as there:
            return await clean(there.engine, there.home, there.needed)

    _removed(awaited(gone()))


@command.command()
@click.argument("agent")
@click.option("--yes", is_flag=True, help="Do not ask.")
@takes_home
def remove(agent: str, yes: bool) -> None:
    """Remove what AGENT has, with all the files of its workspace."""

    async def gone() -> list[Holding]:
        from carapax.containers.records import remove

        async with _opened() as there:
            return await remove(there.engine, there.home, agent)

    if not yes:
        click.confirm(f"Remove the volume of {cleaned(agent)} with all its files?", abort=True)
    _removed(awaited(gone()))


def _opened() -> AbstractAsyncContextManager[Opened]:
    from carapax.configfile import load
    from carapax.containers.opened import open_engine

    return open_engine(home(), load(home()))


def _removed(gone: Iterable[Holding]) -> None:
    names = [one.name for one in gone]
    for name in names:
        click.echo(f"{cleaned(name)} is removed")
    if not names:
        click.echo("there was nothing to remove", err=True)


def _line(one: Holding) -> str:
    size = "" if one.size_bytes < 0 else f"{one.size_bytes / 1_000_000:.1f} MB"
    return "  ".join(cleaned(part) for part in (one.kind, one.name, one.agent or "-", one.state or "-", size) if part)
