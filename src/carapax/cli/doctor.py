"""`carapax doctor`."""

import os
import sys

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from carapax.cli.group import home, takes_home
from carapax.cli.loop import awaited
from carapax.cli.rpc import Gateway, find_gateway
from carapax.cli.terminal import clean
from carapax.config import Home
from carapax.configfile import load
from carapax.doctor.finding import Finding
from carapax.doctor.run import Doctor
from carapax.errors import CarapaxError
from carapax.vault import open_vault

_MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}
_PATIENCE_S = 5.0
_INDENT = f"\n{' ' * 21}"


class _Answering(Struct):
    """As much of an agent's state as is asked for here: all of it takes a third of the time that the checks take."""

    model: str


@click.command()
@click.option("--fix", is_flag=True, help="Repair what can be repaired without losing anything.")
@click.option("--json", "as_json", is_flag=True, help="One finding a line, as JSON.")
@takes_home
def command(fix: bool, as_json: bool) -> None:
    """Look for what is wrong, and say what to do. Without --fix it changes nothing. Exits with 1 when something fails
    that was not repaired."""
    findings = awaited(_examine(fix, as_json))
    sys.exit(1 if any(finding.state == "fail" and not finding.fixed for finding in findings) else 0)


async def _examine(fix: bool, as_json: bool) -> list[Finding]:
    doctor = Doctor(home(), os.environ, open_vault(home(), os.environ), _used(home()))
    findings = []
    async for finding in doctor.examine():
        told = await _repaired(doctor, finding) if fix and finding.fix else finding
        findings.append(told)
        click.echo(msgspec.json.encode(told).decode() if as_json else _line(told))
    return findings


def _used(place: Home) -> str:
    """The model that the running gateway uses where nobody chose one; empty where it does not say."""
    try:
        gateway = find_gateway(place)
        names = [name for name, agent in load(place).agents.items() if agent.model == "auto"] if gateway else []
        if not names or not gateway:
            return ""
        return Gateway(gateway.running, _PATIENCE_S).call("agent.status", {"agent": names[0]}, _Answering).model
    except CarapaxError:  # the checks say what is wrong
        return ""


async def _repaired(doctor: Doctor, finding: Finding) -> Finding:
    """The finding, with what was done about it, or why that could not be."""
    try:
        return replace(finding, fixed=await doctor.fix(finding.fix))
    except CarapaxError as error:
        return replace(finding, remedy=f"it could not be repaired: {error}")


def _line(finding: Finding) -> str:
    mark, colour = _MARKS[finding.state]
    shown = mark if os.environ.get("NO_COLOR") else click.style(mark, fg=colour)
    below = f"repaired: {finding.fixed}" if finding.fixed else finding.remedy
    if finding.fix and not finding.fixed:
        below += "; `carapax doctor --fix` does it"
    return f"{shown}  {finding.check:13}  {clean(finding.message)}{below and _INDENT + clean(below)}"
