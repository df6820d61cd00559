"""What of this machine the suite sees, and how it is spread over processes: what shares something costly stays
together, what is slow comes first."""

import os
import shutil
import signal
import tempfile

import msgspec
import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

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

# Keys of vendors, proxies, terminals, languages: what is set here besides these is not what is tested.
_KEPT = (
    "CI",
    "DOCKER_HOST",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "TMPDIR",
    "USER",
    "XDG_RUNTIME_DIR",
)
_KEPT_FAMILIES = ("CARAPAX_AGENTDOJO_", "CARAPAX_LITELLM_", "COVERAGE_", "PYTEST_XDIST_")

# The same examples each time, so that what fails was broken by what was changed. How long they take is the machine's
# affair. Others, and as many as one likes: --hypothesis-profile=others --hypothesis-seed=N
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("others", settings.get_profile("same"), derandomize=False, max_examples=2000)
settings.load_profile("same")


@pytest.hookimpl(trylast=True)  # how pytest itself prints is decided by then
def pytest_configure(config: pytest.Config) -> None:
    """The suite has an environment and a home folder of its own, and hears Ctrl-C, also in the background."""
    home = tempfile.mkdtemp(prefix="carapax-home-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    for name in [name for name in os.environ if name not in _KEPT and not name.startswith(_KEPT_FAMILIES)]:
        del os.environ[name]
    os.environ.update(HOME=home, LANG="C.UTF-8", TERM="xterm-256color")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Examples are made of constants of the code, too: of the code that is there now, not of what a test loads."""
    known = providers._get_local_constants()
    providers._get_local_constants = lambda: known


class Together(LoadScopeScheduling):  # type: ignore[misc]  # xdist's schedulers say nothing of their types
    """One container engine is started for all that need it, and a file's fixtures once."""

    def _split_scope(self, nodeid: str) -> str:
        return "engine" if nodeid.startswith(_OF_THE_ENGINE) else nodeid.partition("::")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    """Who spreads the suite over processes."""
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Programmes take longer than other tests, and what is slow comes first."""
    for item in items:
        if item.nodeid.startswith(_PROGRAMMES):
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
