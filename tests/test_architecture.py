"""The conventions of the project, checked by a program."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import get_args

import pytest
from msgspec import Struct

from bench.shape import Function, functions, modules
from carapax import config as config_types
from carapax import extensions
from carapax.config import Config
from carapax.configdoc import keys
from carapax.events import Event

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "carapax"
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "manager", "base", "misc", "lib", "tools_"}

# Modules whose behaviour is tested through the front door of what uses them, and where.
TESTED_ELSEWHERE = {
    "clock.py": "testing/test_clock.py",
    "errors.py": "gateway/test_rpc.py",
    "events.py": "store/test_journal.py",
    "messages.py": "store/test_journal.py",
    "contracts.py": "sandboxes/test_bubblewrap.py",
    "extensions.py": "test_configfile.py",
    "store/connection.py": "store/test_sqlite.py",
    "store/database.py": "store/test_sqlite.py",
    "store/writer.py": "store/test_sqlite.py",
    "store/records.py": "store/test_journal.py",
    "store/transcripts.py": "store/test_journal.py",
    "testing/models.py": "sessions/test_sessions.py",
    "cli/asked.py": "cli/test_record.py",
    "cli/stored.py": "cli/test_record.py",
    "cli/serving.py": "cli/test_serve.py",
    "doctor/finding.py": "doctor/test_run.py",
    **{
        f"doctor/checks/{name}.py": "doctor/test_run.py"
        for name in ("clock", "configuration", "database", "folders", "model", "port", "sandbox")
    },
}


def sources() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def text_of(folder: Path, *without: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*.py")) if path not in without)


def test_each_layer_imports_only_what_stands_below_it() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_extension_folders_are_imported_by_name_only() -> None:
    """Nobody but `extensions.py` brings in an extension, and none knows another."""
    pattern = re.compile(r"^\s*(?:from|import) carapax\.(providers|channels|tools|sandboxes)\.(\w+)", re.MULTILINE)
    found = [
        (name_of(path), match[0].strip())
        for path in sources()
        for match in pattern.finditer(path.read_text())
        if match[2] != "absent"
    ]
    assert found == []


def test_every_module_has_its_test() -> None:
    tests = {str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py")}
    missing = []
    for path in sources():
        name = name_of(path)
        if path.name == "__init__.py" or TESTED_ELSEWHERE.get(name) in tests or not functions(path):
            continue
        mirror = path.relative_to(SOURCE).with_name(f"test_{path.name}")
        folder = mirror.parent.with_name(f"test_{mirror.parent.name}.py") if mirror.parent.name else mirror
        if not {str(mirror), str(folder)} & tests:
            missing.append(name)
    assert missing == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [
        name_of(path) for path in sources() if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES
    ] == []


def test_nothing_is_left_to_do() -> None:
    marker = re.compile("TO" + "DO|FIX" + "ME|X" + "XX")
    files = [path for folder in ("src", "tests", "bench") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert [str(path) for path in files if marker.search(path.read_text())] == []


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


@pytest.mark.parametrize(("table", "key"), list(config_keys()))
def test_every_key_of_the_configuration_is_read_somewhere(table: str, key: str) -> None:
    readers = text_of(SOURCE, SOURCE / "config.py", SOURCE / "configdoc.py")
    assert re.search(rf"\.{key}\b|\b{key}=", readers), f"nothing reads {table}.{key}"


@pytest.mark.parametrize("kind", extensions.Kind.__args__)  # type: ignore[attr-defined] # Literal has them
def test_every_extension_has_a_configuration_that_is_documented(kind: extensions.Kind) -> None:
    for name in extensions.names(kind):
        module = extensions.find(kind, name)
        assert hasattr(module, "EXTENSION") or name == "absent", f"{module.__name__} has no EXTENSION"
        if table := getattr(module, "Config", None):
            assert [key.name for key in keys(table) if not key.meaning] == [], module.__name__


def test_every_event_happens_somewhere() -> None:
    text = text_of(SOURCE, SOURCE / "events.py")
    kinds = [kind.__name__ for kind in _members(Event)]
    assert kinds
    assert [kind for kind in kinds if not re.search(rf"\b{kind}\(", text)] == []


def test_every_operation_is_described_and_in_the_reference() -> None:
    operations = importlib.import_module("carapax.api").OPERATIONS
    assert operations
    assert [name for name, operation in operations.items() if not operation.summary or not operation.scope] == []
    reference = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    assert [name for name in operations if name not in reference] == []


def test_functions_are_short() -> None:
    all_functions = [function for path in sources() for function in functions(path)]
    long = [function for function in all_functions if function.lines > 50]
    assert median(function.lines for function in all_functions) <= 10
    assert len(long) <= 0.03 * len(all_functions), _listed(long)


def test_files_are_about_one_thing() -> None:
    sizes = {name_of(path): lines for path, lines in modules(SOURCE) if path.name != "__init__.py"}
    assert median(sizes.values()) <= 200
    assert [name for name, lines in sizes.items() if lines > 600] == []
    assert len([name for name, lines in sizes.items() if lines > 400]) <= 0.1 * len(sizes)


def test_every_part_we_depend_on_is_accounted_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [re.split(r"[<>=;\[ ]", dependency)[0] for dependency in project["dependencies"]]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    assert [name for name in needed if name not in page] == []


def test_the_configuration_has_an_agent_by_default() -> None:
    assert list(Config().agents) == ["main"]


def _members(union: object) -> Iterator[type[Struct]]:
    for member in get_args(union):
        assert isinstance(member, type)
        yield member


def _listed(found: list[Function]) -> str:
    return "\n".join(f"{function.file.name}:{function.line} {function.name} {function.lines}" for function in found)
