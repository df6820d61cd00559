"""`carapax tls`: how the gateway's port is encrypted, and its certificate authority."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carapax import durable
from carapax.cli.group import home, takes_home
from carapax.cli.rpc import find_gateway
from carapax.cli.terminal import clean, time_of
from carapax.clock import SystemClock
from carapax.config import Config
from carapax.errors import Conflict, NotFound, Unavailable
from carapax.home import Home
from carapax.tls.status import Facts, TlsStatus

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_ELSEWHERE = """\
Firefox        Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import
iPhone, iPad   open {url}/ca.crt, install the profile in Settings, then General, About, Certificate Trust Settings
Android        open {url}/ca.crt, then Settings, Security, Install a certificate, CA certificate
Windows        certutil -addstore -user Root ca.crt
macOS          security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db ca.pem"""


@click.group(invoke_without_command=True)
@takes_home
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show how the gateway's port is encrypted, until when, and who vouches for it."""
    if ctx.invoked_subcommand is None:
        _tell(_status(home()))


@command.command("status")
@takes_home
def status() -> None:
    """Show how the gateway's port is encrypted, until when, and who vouches for it."""
    _tell(_status(home()))


@command.command("ca")
@takes_home
def authority() -> None:
    """Print the certificate of the gateway's own authority, for devices to trust. Makes it if there is none yet."""
    from carapax.tls.certificates import public_pem

    click.echo(public_pem(_authority(home())).decode(), nl=False)


@command.command("trust")
@click.option("--apply", is_flag=True, help="Do it, instead of showing what would be done.")
@takes_home
def trust(apply: bool) -> None:
    """Have this machine trust the gateway's authority, and show how other devices are told to. Without --apply
    nothing is changed."""
    from carapax.tls.certificates import public_pem
    from carapax.tls.shown import facts
    from carapax.tls.stores import stores

    place = home()
    certificate = _authority(place)
    _write(place.public_authority_file, public_pem(certificate))
    known = facts(certificate)
    name = f"carapax-{known.fingerprint.replace(':', '')[:8].lower()}"
    for store in stores(place.public_authority_file, name):
        click.echo(f"{store.name}{' (as root)' if store.root else ''}:")
        if apply and store.root and os.geteuid() != 0:
            click.echo("  only root may add it: run the commands below with sudo", err=True)
        for words in store.commands:
            click.echo(f"  {shlex.join(words)}")
            if apply and (not store.root or os.geteuid() == 0):
                _run(words)
    gateway = find_gateway(place)
    click.echo("\nOther devices:\n" + _ELSEWHERE.format(url=gateway.running.url if gateway else "https://HOST:PORT"))
    click.echo(f"\nCompare its SHA-256 there before you say yes:\n  {known.fingerprint}")


def _run(words: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{words[0]} cannot be run: {error}", "run it yourself") from error
    if done.returncode:
        raise Unavailable(f"{words[0]} failed: {clean(done.stderr.strip())}", "run it yourself to see more")


def _status(place: Home) -> TlsStatus:
    """Of the gateway that runs, or of one that would start now."""
    from carapax.tls.certificates import describe

    gateway = find_gateway(place)
    if gateway is not None:
        return gateway.call("tls.status", {}, TlsStatus)
    return describe(_config(place), place, SystemClock().now())


def _authority(place: Home) -> "Certificate":
    from carapax.configfile import first_start
    from carapax.homelock import lock_home
    from carapax.tls.authority import open_authority, read_authority
    from carapax.tls.certificates import mode_of
    from carapax.tls.names import asked, found

    config = _config(place)
    if mode_of(config) == "own":
        raise Conflict("tls.cert names a certificate of your own", "ask whoever vouches for it")
    known = read_authority(place.authority_file)
    if known is None and find_gateway(place) is None:
        first_start(place)
        with lock_home(place):
            place.tls.mkdir(mode=0o700, exist_ok=True)
            known = open_authority(place.authority_file, [*found(config), *asked(config)], SystemClock().now())
    if known is None:
        raise NotFound("the gateway runs without TLS and has no authority", "start it with --tls")
    return known.certificate


def _write(file: Path, data: bytes) -> None:
    if not file.exists() or file.read_bytes() != data:
        durable.refuse_root(file.parent)
        durable.replace(file, data, 0o644)


def _config(place: Home) -> Config:
    from carapax.configcheck import check

    return check(place)


def _tell(told: TlsStatus) -> None:
    meaning = {"off": "plain HTTP", "private": "encrypted, by its own authority", "own": "encrypted, by yours"}
    click.echo(f"port         {meaning[told.mode]}")
    if told.certificate:
        _tell_facts("certificate", told.certificate)
        click.echo(f"  for        {', '.join(map(clean, told.certificate.names))}")
    if told.renews_at:
        click.echo(f"  renews     {time_of(told.renews_at)}, by itself")
    if told.authority:
        _tell_facts("authority", told.authority)
    elif told.mode == "private":
        click.echo("authority    made at the first start")
    for name in told.left_out:
        click.echo(f"warning      {clean(name)} is not in it: the authority was made before that was asked for")
    if told.problem:
        click.echo(f"warning      {clean(told.problem)}")


def _tell_facts(what: str, facts: Facts) -> None:
    click.echo(f"{what:12} {clean(facts.name)}")
    click.echo(f"  valid      until {time_of(facts.until)}")
    click.echo(f"  SHA-256    {facts.fingerprint}")
