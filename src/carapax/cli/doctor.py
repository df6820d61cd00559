"""`carapax doctor`."""

import asyncio
import os
import sys
from urllib.parse import urlsplit

import click
import msgspec

from carapax.cli.group import home, takes_home
from carapax.cli.rpc import find_gateway
from carapax.cli.terminal import clean
from carapax.doctor.finding import Finding
from carapax.doctor.run import examine

_MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One finding a line, as JSON.")
@takes_home
def command(as_json: bool) -> None:
    """Look for what is wrong, and say what to do. Changes nothing. Exits with 1 when something fails."""
    gateway = find_gateway(home())
    running = (urlsplit(gateway.running.url).port or 0) if gateway else 0
    findings = asyncio.run(_examine(running, as_json))
    sys.exit(1 if any(finding.state == "fail" for finding in findings) else 0)


async def _examine(running: int, as_json: bool) -> list[Finding]:
    findings = []
    async for finding in examine(home(), os.environ, running):
        findings.append(finding)
        click.echo(msgspec.json.encode(finding).decode() if as_json else _line(finding))
    return findings


def _line(finding: Finding) -> str:
    mark, colour = _MARKS[finding.state]
    shown = mark if os.environ.get("NO_COLOR") else click.style(mark, fg=colour)
    remedy = f"\n{' ' * 21}{clean(finding.remedy)}" if finding.remedy else ""
    return f"{shown}  {finding.check:13}  {clean(finding.message)}{remedy}"
