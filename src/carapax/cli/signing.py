"""Signing in to a vendor that has a login in place of a key."""

import asyncio
import os
import sys
from pathlib import Path

import click

from carapax.cli.loop import awaited
from carapax.cli.terminal import clean
from carapax.cli.unlocking import unlocked
from carapax.clock import Clock, SystemClock
from carapax.config import Home
from carapax.configfile import first_start
from carapax.errors import CarapaxError, InvalidRequest, NotFound
from carapax.extensions import export, find
from carapax.http import Http
from carapax.models.catalogue import vendors
from carapax.models.closest import did_you_mean
from carapax.models.login import Challenge, Login
from carapax.vault import Vault

_GLANCE_S = 1.0


def sign_in(home: Home, vendor: str, *, paste: bool = False) -> None:
    """Say where to go and what to type there, and wait until that was done. Raises a CarapaxError."""
    name = _login(vendor)
    first_start(home)
    awaited(_sign_in(unlocked(home), vendor, name, paste=paste))
    click.echo(f"signed in: its models are named {vendor}/MODEL")


def _login(vendor: str) -> str:
    known = [name for name, row in vendors().items() if row.login]
    if vendor not in known:
        hint = did_you_mean(vendor, known) or f"there are: {', '.join(known)}"
        raise NotFound(f"{vendor!r} is no vendor with a login", hint)
    return vendors()[vendor].login


async def _sign_in(vault: Vault, vendor: str, name: str, *, paste: bool) -> None:
    clock = SystemClock()
    async with Http() as http:
        login: Login = export("login", name, find("login", name))(vault, http, clock, os.environ, Path.home())
        if not hasattr(login, "begin"):
            await login.get()
            raise InvalidRequest(f"{vendor} is signed in by its own command line", "it is used as it is")
        challenge = await login.begin()
        click.echo(f"Open     {clean(challenge.url)}")
        if challenge.code:
            click.echo(f"Type in  {clean(challenge.code)}")
        pasted = click.prompt("The address that the browser was sent to") if paste else ""
        failed: CarapaxError | None = None
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_count_down(challenge, clock))
            try:
                await login.finish(challenge, pasted)
            except CarapaxError as error:
                failed = error
            waiting.cancel()
        if failed is not None:
            raise failed


async def _count_down(challenge: Challenge, clock: Clock) -> None:
    """A line that tells how much time is left, where somebody looks."""
    if not sys.stderr.isatty():
        click.echo("waiting until that is done", err=True)
        return
    try:
        while (left := challenge.expires_at - clock.now()) > 0:
            click.echo(f"\rwaiting until that is done, {left:.0f} s are left ", nl=False, err=True)
            await asyncio.sleep(_GLANCE_S)
    finally:
        click.echo(err=True)
