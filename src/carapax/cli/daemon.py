"""`carapax daemon`: the gateway as a service that the system starts and keeps running."""

import os
import subprocess
import sys

import click

from carapax.cli.group import home, takes_home
from carapax.cli.handover import LAUNCHER
from carapax.cli.supervisors import Launchd, Systemd, supervisor
from carapax.cli.terminal import clean
from carapax.cli.unit import name_of
from carapax.config import Home
from carapax.configfile import first_start

_EXITS = {"running": 0, "failed": 1, "stopped": 3, "not installed": 4}


@click.group()
@takes_home
def command() -> None:
    """Have the system start the gateway, and keep it running: systemd of the user, or launchd."""


@command.command()
@click.option("--print", "shown", is_flag=True, help="Print what would be written, and do nothing.")
@takes_home
def install(shown: bool) -> None:
    """Write the service of this home, start it, and have it started at every log-in. May be repeated."""
    service = _service()
    if shown:
        click.echo(service.text())
        return
    if first_start(home()):
        click.echo(f"wrote {home().config_file}")
    service.install()
    click.echo(f"wrote {service.file}, and the gateway is started: `carapax status` shows how it is")
    click.echo("It does not know the variables of this shell: keep keys in the vault, with `carapax models add`.")
    if isinstance(service, Systemd) and not service.lingers():
        click.echo("It ends when you log out. To let it run always: loginctl enable-linger")


@command.command()
@takes_home
def uninstall() -> None:
    """Stop the service and remove it. The home stays as it is."""
    service = _service()
    service.uninstall()
    click.echo(f"{service.file} is gone, and what is in {home().data_dir} stays")


@command.command()
@takes_home
def start() -> None:
    """Start the service."""
    _service().start()
    click.echo("started")


@command.command()
@takes_home
def stop() -> None:
    """Stop the service until it is started again, or you log in anew."""
    _service().stop()
    click.echo("stopped")


@command.command()
@takes_home
def restart() -> None:
    """Stop the service and start it again, as after an update."""
    _service().restart()
    click.echo("started again")


@command.command()
@takes_home
def status() -> None:
    """Tell whether the service runs. Exits with 0 when it does, 1 when it failed, 3 when it is
    stopped, 4 when there is none.
    """
    service = _service()
    state = service.state()
    click.echo(f"{state}: {service.file}")
    sys.exit(_EXITS[state])


@command.command()
@click.option("--lines", "-n", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@takes_home
def logs(lines: int, follow: bool) -> None:
    """Show what the service printed."""
    words = _service().logs(lines, follow)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, errors="replace") as shown:
        assert shown.stdout is not None
        try:
            for line in shown.stdout:
                click.echo(clean(line), nl=False)
        except KeyboardInterrupt:
            shown.terminate()
    sys.exit(1 if shown.returncode and not follow else 0)


def _service() -> Systemd | Launchd:
    place = home()
    return supervisor(name_of(place, Home.resolve(None, None, None, {})), place, _python())


def _python() -> str:
    """The interpreter of the installation that was started, which hands over to the version that is in use."""
    return os.environ.get(LAUNCHER) or sys.executable
