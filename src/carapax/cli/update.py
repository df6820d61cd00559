"""`carapax update`: another version, and back again."""

import json
import tempfile
from importlib import metadata
from pathlib import Path

import click

from carapax.cli.group import home, takes_home
from carapax.cli.loop import awaited
from carapax.cli.progress import progress
from carapax.cli.releases import Release, download, find, order, read_index
from carapax.cli.rpc import find_gateway
from carapax.cli.terminal import clean
from carapax.cli.versions import Versions
from carapax.config import Home
from carapax.configfile import load
from carapax.errors import ConfigError, Conflict, NotFound
from carapax.version import __version__


@click.command()
@click.option("--check", is_flag=True, help="Tell whether there is a newer version, and change nothing.")
@click.option("--to", "wanted", default="", metavar="VERSION", help="This version.  [default: the newest]")
@click.option("--back", is_flag=True, help="Return to the version that was in use before.")
@takes_home
def command(check: bool, wanted: str, back: bool) -> None:
    """Install another version beside this one, try it, and use it from the next start on.

    The version before stays until the next update: --back returns to it. Whatever goes wrong, the version in use stays.
    """
    place = home()
    versions = Versions(place, __version__)
    if back:
        with versions.locked():
            _return(versions)
        _advise(place)
        return
    url = _url(place)
    with progress("asking what is released"):
        releases = awaited(read_index(url))
    if check:
        _tell(releases, versions.current)
        return
    _refuse_checkout()
    release = find(releases, wanted)
    if release.version == versions.current or (not wanted and order(release.version) <= order(versions.current)):
        click.echo(f"carapax {versions.current} is in use, and nothing newer is released")
        return
    with versions.locked():
        _change(versions, url, release)
    click.echo(
        f"carapax {release.version} is in use from the next start on; `carapax update --back` returns to this one"
    )
    _advise(place)


def _url(place: Home) -> str:
    config = load(place)
    update = config.update
    if not update.url:
        raise ConfigError("no index of releases is set", "set update.url in carapax.toml; docs/start.md has its format")
    return update.url


def _tell(releases: list[Release], current: str) -> None:
    newest = find(releases, "")
    if order(newest.version) > order(current):
        click.echo(f"carapax {newest.version} is there, {current} is in use: `carapax update` takes it")
        if newest.notes:
            click.echo(clean(newest.notes))
    else:
        click.echo(f"carapax {current} is in use, and nothing newer is released")


def _change(versions: Versions, url: str, release: Release) -> None:
    with tempfile.TemporaryDirectory(prefix=".download-", dir=versions.folder) as folder:
        if not versions.has(release.version):
            with progress(f"downloading carapax {release.version}") as told:
                wheel = awaited(download(url, release, Path(folder), told.seen))
            with progress(f"installing carapax {release.version}"):
                versions.install(release.version, wheel)
        else:
            with progress(f"trying carapax {release.version}"):
                versions.try_out(release.version)
    versions.choose(release.version)
    versions.sweep()


def _return(versions: Versions) -> None:
    before = versions.before
    if not before or not versions.has(before):
        raise NotFound("there is no version to return to", "`carapax update --to VERSION` takes a certain one")
    with progress(f"trying carapax {before}"):
        versions.try_out(before)
    versions.choose(before)
    click.echo(f"carapax {before} is in use from the next start on")


def _refuse_checkout() -> None:
    """Raises Conflict where the code runs out of a checkout."""
    try:
        origin = json.loads(metadata.distribution("carapax").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        origin = {"dir_info": {"editable": True}}
    if origin.get("dir_info", {}).get("editable"):
        raise Conflict("this is a checkout of the sources, which updates itself by git", "git pull")


def _advise(place: Home) -> None:
    if find_gateway(place):
        click.echo("the gateway still runs as it was: `carapax daemon restart`, or stop it and start it again")
