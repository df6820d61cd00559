"""Prints the table of what was proven."""

import re

import pytest
from _pytest.terminal import TerminalReporter

from tests.proof.figures import TABLE, Figure


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    if not TABLE:
        return
    terminalreporter.section("what was proven")
    rows = [("", "programme", "found", "aim"), *map(_row, sorted(TABLE, key=_place))]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


def _row(figure: Figure) -> tuple[str, str, str, str]:
    return ("ok" if figure.met else "MISSED", f"{figure.programme} {figure.what}", figure.value, figure.aim)


def _place(figure: Figure) -> tuple[int, str]:
    number = re.search("[0-9]+", figure.programme)
    return (int(number.group()) if number else 0, figure.what)


@pytest.fixture(autouse=True)
def _bounded(request: pytest.FixtureRequest) -> None:
    """A programme may take longer than a test."""
    request.node.add_marker(pytest.mark.timeout(300))
