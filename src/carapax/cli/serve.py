"""`carapax serve`, and `carapax` alone."""

import asyncio
import signal
import sys
import webbrowser
from pathlib import Path

import click
import uvloop
from msgspec.structs import replace

from carapax.cli.group import home, takes_home
from carapax.cli.rpc import find_gateway
from carapax.cli.serving import Serving, serve, setup_address
from carapax.cli.terminal import clean, one_line, time_of
from carapax.cli.unlocking import passphrase_of
from carapax.config import Config, Home, TlsConfig
from carapax.configcheck import check
from carapax.configfile import Source, first_start, read, warnings
from carapax.errors import ConfigError, StoreLocked
from carapax.logs.logs import Logs
from carapax.redaction import Secret
from carapax.store.halt import REMEDY
from carapax.version import __version__


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of gateway.port; 0 takes any free one.")
@click.option("--host", help="Instead of gateway.host.")
@click.option("--tls/--no-tls", default=None, help="Encrypt the port, or not because something in front of it does.")
@click.option("--tls-cert", metavar="FILE", help="Instead of tls.cert: a certificate of your own, PEM.")
@click.option("--tls-key", metavar="FILE", help="Instead of tls.key: its key, PEM.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase of the vault from standard input.")
@takes_home
def command(
    port: int | None,
    host: str | None,
    tls: bool | None,
    tls_cert: str | None,
    tls_key: str | None,
    open_page: bool,
    passphrase_stdin: bool,
) -> None:
    """Start the gateway, until Ctrl-C or SIGTERM."""
    place = home()
    is_new = first_start(place)
    source = read(place)
    config = check(place, source)
    gateway = config.gateway
    gateway = replace(gateway, port=gateway.port if port is None else port, host=host or gateway.host)
    config = replace(config, gateway=gateway, tls=_tls(config.tls, tls, tls_cert, tls_key))
    passphrase = passphrase_of(place, from_stdin=passphrase_stdin)
    with Logs(sys.stderr) as logs, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        logs.set(config.log)
        runner.run(_serve(place, config, source, passphrase, logs, is_new, open_page))


def _tls(told: TlsConfig, on: bool | None, cert: str | None, key: str | None) -> TlsConfig:
    """Files are relative to where the command runs. Raises ConfigError for a key without a certificate."""
    if key and not cert:
        raise ConfigError("--tls-key is given without --tls-cert", "give both, or name both in carapax.toml")
    if cert and on is False:
        raise ConfigError("--tls-cert is given together with --no-tls", "leave one of them out")
    if cert:
        told = replace(told, cert=str(Path(cert).absolute()), key=str(Path(key).absolute()) if key else "")
    mode = told.mode if on is None else "on" if on else "off"
    return replace(told, mode="on" if cert else mode)


async def _serve(
    place: Home, config: Config, source: Source, passphrase: Secret | None, logs: Logs, is_new: bool, open_page: bool
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with serve(place, config, source, passphrase, logs) as serving:
            _greet(serving, config, place.config_file if is_new else None)
            if open_page:
                webbrowser.open(serving.running.url)
            await stop.wait()
            click.echo("stopping")
    except StoreLocked as error:
        gateway = find_gateway(place)
        raise StoreLocked(f"{error.message}: {gateway.running.url}", error.hint) if gateway else error from None


def _greet(serving: Serving, config: Config, written: Path | None) -> None:
    click.echo(f"carapax {__version__} is at {serving.running.url}")
    if written:
        click.echo(f"  wrote    {written}")
    if serving.tls.authority:
        click.echo(f"  tls      trust {serving.running.url}/ca.pem on your devices: `carapax tls trust` says how")
        click.echo(f"           its SHA-256 is {serving.tls.authority.fingerprint}")
    elif serving.tls.certificate:
        click.echo(f"  tls      your certificate is valid until {time_of(serving.tls.certificate.until)}")
    for name in serving.tls.left_out:
        click.echo(
            f"  warning  {clean(name)} is not in the certificate: the authority was made before it was asked for"
        )
    for agent in serving.agents:
        click.echo(f"  agent    {agent.name}: model {clean(agent.model)} ({one_line(agent.model_reason, 200)})")
        click.echo(
            f"  sandbox  {agent.sandbox}{' works' if agent.sandbox_ok else ' CANNOT BE USED, so no tool that needs it'}"
        )
        if not agent.sandbox_ok:
            click.echo(f"           {clean(agent.sandbox_detail)}")
    for limit in serving.budgets:
        click.echo(f"  budget   {clean(limit)}")
    for note in serving.guesses:
        click.echo(f"  price    {clean(note)}")
    if serving.stopped:
        click.echo(f"  STOPPED  {one_line(serving.stopped, 300)}; {REMEDY}")
    if serving.setup:
        click.echo(f"  owner    open {setup_address(serving.running.url)} and type the code {serving.setup.reveal()}")
        click.echo("           to choose a passkey or a password; it is good for 30 minutes and one use")
    for warning in warnings(config):
        click.echo(f"  warning  {warning}")
    click.echo("Open the address in a browser, or say something with `carapax chat`. Ctrl-C stops.")
