"""The rows that programmes measure, and the table they are printed in."""

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

RESULTS = Path(__file__).with_name("results.md")


class Row(Struct, frozen=True):
    """One measurement, with the floor or rival measured beside it.

    `aim` is what is promised, in words; `met` whether `value` keeps it.
    """

    name: str
    value: float
    unit: str
    aim: str
    met: bool
    floor: float | None = None
    floor_name: str = ""


def at_most(
    name: str, value: float, unit: str, limit: float, *, floor: float | None = None, floor_name: str = ""
) -> Row:
    """A row that must not exceed `limit`; with a floor, `limit` times the floor."""
    aim = f"at most {limit:g} times" if floor is not None else f"at most {limit:g} {unit}"
    return Row(name, value, unit, aim, value <= limit * (1 if floor is None else floor), floor, floor_name)


def at_least(
    name: str, value: float, unit: str, limit: float, *, floor: float | None = None, floor_name: str = ""
) -> Row:
    """A row that must reach `limit`; with a floor, `limit` times the floor."""
    aim = f"at least {limit:g} times" if floor is not None else f"at least {limit:g} {unit}"
    return Row(name, value, unit, aim, value >= limit * (1 if floor is None else floor), floor, floor_name)


def render(rows: Iterable[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = ["| what | measured | beside it | aim | |", "| --- | ---: | --- | --- | --- |"]
    for row in rows:
        beside = "" if row.floor is None else f"{_number(row.floor)} {row.unit} ({row.floor_name})"
        measured = f"{_number(row.value)} {row.unit}".strip()
        lines.append(f"| {row.name} | {measured} | {beside} | {row.aim} | {'met' if row.met else '**missed**'} |")
    return "\n".join(lines)


def heading() -> str:
    """When, on what machine, of which commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    parts = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{_processor()}, {os.cpu_count()} cores",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        f"commit {commit.stdout.strip() or 'unknown'}",
    ]
    return ", ".join(parts)


def append(rows: list[Row], file: Path = RESULTS) -> None:
    """Add the table, under its heading, to the end of the results."""
    before = file.read_text() if file.exists() else "# Measurements\n\nNewest last; `make bench` adds to them.\n"
    file.write_text(f"{before}\n## {heading()}\n\n{render(rows)}\n")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
