"""The conventions of the project, checked by a program."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import get_args

import pytest
from msgspec import Struct

from bench.shape import Function, functions, modules
from carapax import config as config_types
from carapax import extensions
from carapax.configdoc import keys
from carapax.events import Event

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "carapax"
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "manager", "base", "misc", "lib"}

# Modules whose behaviour is tested through the front door of what uses them, and where.
TESTED_ELSEWHERE = {
    "beneath.py": "test_workspace.py",
    "errors.py": "gateway/test_rpc.py",
    "events.py": "store/test_journal.py",
    "messages.py": "store/test_journal.py",
    "models/credential.py": "models/test_opening.py",
    "contracts.py": "sandboxes/test_bubblewrap.py",
    "pinned.py": "test_egress.py",
    "containers/identity.py": "containers/test_records.py",
    "sealed.py": "vaults/test_sealedfile.py",
    "store/connection.py": "store/test_sqlite.py",
    "store/database.py": "store/test_sqlite.py",
    "store/writer.py": "store/test_sqlite.py",
    "store/records.py": "store/test_journal.py",
    "store/transcripts.py": "store/test_journal.py",
    "testing/models.py": "programmes/test_redelivery.py",
    "vault.py": "cli/test_signing.py",
    "cli/providers.py": "cli/test_models.py",
    "cli/secretstore.py": "cli/test_secrets.py",
    "cli/asked.py": "cli/test_record.py",
    "cli/stored.py": "cli/test_record.py",
    "cli/serving.py": "cli/test_rpc.py",
    "cli/handover.py": "cli/test_update.py",
    "cli/versions.py": "cli/test_update.py",
    "cli/releases.py": "cli/test_update.py",
    "cli/unit.py": "cli/test_daemon.py",
    "doctor/run.py": "doctor/test_checks.py",
    "doctor/finding.py": "doctor/test_checks.py",
}
# The names under which the code has the tables of the configuration in its hands.
HELD_AS = {
    "Config": {"config"},
    "GatewayConfig": {"config", "gateway"},
    "TlsConfig": {"tls"},
    "TailscaleConfig": {"tailscale"},
    "LimitsConfig": {"limits", "_limits"},
    "AgentConfig": {"agent", "config"},
    "ProviderConfig": {"section", "told", ""},
    "BudgetConfig": {"whole"},
    "UserConfig": {"user"},
    "ModelConfig": {"said", "guessed"},
    "FactsConfig": {"facts"},
    "UpdateConfig": {"update"},
    "EgressConfig": {"config"},
    "ReachConfig": {"reach"},
    "CredentialConfig": {"section"},
    "LogConfig": {"log"},
    "TelemetryConfig": {"_telemetry"},
    "DoorConfig": {"rules"},
    "PolicyConfig": {"policy"},
    "RuleConfig": {"rule"},
}


def sources() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def trees(*without: Path) -> Iterator[tuple[Path, ast.Module]]:
    return ((path, ast.parse(path.read_text())) for path in sources() if path not in without)


def imported(path: Path) -> set[str]:
    """Every dotted name of ours that a file imports, modules and what is taken from them alike."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("carapax.")}


def dotted(path: Path) -> str:
    return "carapax." + name_of(path).removesuffix(".py").replace("/", ".")


def proofs(path: Path) -> list[Path]:
    """The test of a module, or that of its whole folder."""
    folder = ROOT / "tests" / path.relative_to(SOURCE).parent
    return [
        file for file in (folder / f"test_{path.name}", folder.with_name(f"test_{folder.name}.py")) if file.exists()
    ]


def test_each_layer_imports_only_what_stands_below_it() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_layers_are_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = next(contract for contract in project["tool"]["importlinter"]["contracts"] if contract["type"] == "layers")
    block = (ROOT / "docs" / "architecture.md").read_text().split("```text\n")[1].split("```")[0]
    assert [line.split("  ")[0] for line in block.splitlines()] == layers["layers"]


def test_extension_folders_are_imported_by_name_only() -> None:
    """Nobody but `extensions.py` brings in an extension. `absent` is none: it stands for one that cannot be had."""
    folders = "providers|channels|tools|sandboxes|vaults|logins|embedders|searchers"
    pattern = re.compile(rf"carapax\.({folders})(\.(?!absent\b)\w+|$)")
    found = {name_of(path): [name for name in imported(path) if pattern.match(name)] for path in sources()}
    assert {name: names for name, names in found.items() if names} == {}


def test_every_module_has_its_test() -> None:
    missing = [
        name_of(path) for path in sources() if path.name != "__init__.py" and functions(path) and not proofs(path)
    ]
    assert sorted(missing) == sorted(TESTED_ELSEWHERE)


@pytest.mark.parametrize(("module", "test"), TESTED_ELSEWHERE.items())
def test_a_module_that_is_tested_elsewhere_is_used_there(module: str, test: str) -> None:
    """By the test itself, or by what the test imports."""
    names = imported(ROOT / "tests" / test)
    known = {dotted(path): path for path in sources()}
    names |= {name for user in names & known.keys() for name in imported(known[user])}
    assert dotted(SOURCE / module) in names


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [
        name_of(path) for path in sources() if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES
    ] == []


def test_nothing_is_left_to_do() -> None:
    marker = re.compile("TO" + "DO|FIX" + "ME|X" + "XX")
    files = [path for folder in ("src", "tests", "bench", "docs") for path in sorted((ROOT / folder).rglob("*.*"))]
    written = [path for path in files if path.suffix in (".py", ".js", ".css", ".html", ".md", ".toml")]
    assert [str(path) for path in written if marker.search(path.read_text())] == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        name_of(path)
        for path in sources()
        if path.name != "__init__.py" and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def config_keys() -> Iterator[tuple[str, str]]:
    tables = [kind for kind in vars(config_types).values() if isinstance(kind, type) and issubclass(kind, Struct)]
    for table in tables:
        if table is not Struct:
            yield from ((table.__name__, key.name) for key in keys(table))


@cache
def read_keys() -> set[tuple[str, str]]:
    """Every `held.key` in the code; and ("", key) for the names by which `catalogue.py` lays a section over a row."""
    found: set[tuple[str, str]] = set()
    for path, tree in trees(SOURCE / "config.py", SOURCE / "configdoc.py", SOURCE / "configfile.py"):
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(value=ast.Name(id=held) | ast.Attribute(attr=held), attr=key):
                    found.add((held, key))
                case ast.Constant(value=str(key)) if path.name == "catalogue.py":
                    found.add(("", key))
    return found


@pytest.mark.parametrize(("table", "key"), list(config_keys()))
def test_every_key_of_the_configuration_is_read_somewhere(table: str, key: str) -> None:
    assert {(held, key) for held in HELD_AS[table]} & read_keys(), f"nothing reads {table}.{key}"


@pytest.mark.parametrize("kind", extensions.Kind.__args__)  # type: ignore[attr-defined] # Literal has them
def test_every_extension_has_a_configuration_that_is_documented(kind: extensions.Kind) -> None:
    for name in extensions.names(kind):
        module = extensions.find(kind, name)
        assert hasattr(module, "EXTENSION") or name == "absent", f"{module.__name__} has no EXTENSION"
        if table := getattr(module, "Config", None):
            assert [key.name for key in keys(table) if not key.meaning] == [], module.__name__
            tree = ast.parse(Path(str(module.__file__)).read_text())
            read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert [key.name for key in keys(table) if key.name not in read] == [], module.__name__


def test_every_event_happens_somewhere() -> None:
    """It is made, not only matched."""
    made = {
        node.func.id
        for _, tree in trees(SOURCE / "events.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    kinds = [kind.__name__ for kind in _members(Event)]
    assert kinds
    assert [kind for kind in kinds if kind not in made] == []


def test_every_operation_is_described_and_in_the_reference() -> None:
    operations = importlib.import_module("carapax.api").OPERATIONS
    assert operations
    assert [name for name, operation in operations.items() if not operation.summary or not operation.scope] == []
    reference = (ROOT / "docs" / "reference" / "api.md").read_text()
    assert [name for name in operations if f"## `{name}`\n" not in reference] == []


def test_functions_are_short() -> None:
    all_functions = [function for path in sources() for function in functions(path)]
    long = [function for function in all_functions if function.lines > 50]
    assert median(function.lines for function in all_functions) <= 10
    assert len(long) <= 0.01 * len(all_functions), _listed(long)


def test_files_are_about_one_thing() -> None:
    sizes = {name_of(path): lines for path, lines in modules(SOURCE) if path.name != "__init__.py"}
    assert median(sizes.values()) <= 120
    assert [name for name, lines in sizes.items() if lines > 600] == []
    assert len([name for name, lines in sizes.items() if lines > 400]) <= 0.03 * len(sizes)


def test_every_part_we_depend_on_is_accounted_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [re.split(r"[<>=;\[ ]", dependency)[0] for dependency in project["dependencies"]]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    assert [name for name in needed if f"| {name} |" not in page] == []


def _members(union: object) -> Iterator[type[Struct]]:
    for member in get_args(union):
        assert isinstance(member, type)
        yield member


def _listed(found: list[Function]) -> str:
    return "\n".join(f"{function.file.name}:{function.line} {function.name} {function.lines}" for function in found)
