"""How the suite is spread over processes: what shares something costly stays together, what is slow comes first."""

import msgspec
import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import settings

from tests.proof.figures import TABLE, Figure, row

_OF_THE_ENGINE = (
    "tests/containers/",
    "tests/sandboxes/test_docker.py",
    "tests/cli/test_sandbox.py",
    "tests/proof/test_s05_",
    "tests/proof/test_s06_",
)
_PROGRAMMES = ("tests/proof/", "tests/programmes/")
_MOST_S = 300  # of a programme; elsewhere it is pyproject.toml's
_SLOW = (*_PROGRAMMES, *_OF_THE_ENGINE, "tests/web/", "tests/agent/test_fault_matrix.py")

# How long an example takes is the machine's affair.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One container engine is started for all that need it, and a file's fixtures once. Programmes take longer."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group("engine" if file.startswith(_OF_THE_ENGINE) else file))
        if file.startswith(_PROGRAMMES):
            item.add_marker(pytest.mark.timeout(_MOST_S))
    items.sort(key=lambda item: not item.nodeid.startswith(_SLOW))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What this process has proven goes to the one that prints it."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["proven"] = msgspec.to_builtins(TABLE)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    TABLE.extend(msgspec.convert(getattr(node, "workeroutput", {}).get("proven", []), list[Figure]))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """The table of what was proven."""
    if not TABLE:
        return
    terminalreporter.section("what was proven")
    rows = [("", "programme", "found", "aim"), *map(row, sorted(TABLE, key=lambda figure: figure.place))]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for cells in rows:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)))
