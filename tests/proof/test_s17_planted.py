"""S17: nothing that is planted in a workspace, or in the environment of the gateway, is honoured.

Harmless calls are made before and after; what is planted must neither run nor change what they say.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from carapax.arguments import check_arguments
from carapax.clock import SystemClock
from carapax.contracts import Sandbox, Tool, ToolContext
from carapax.errors import CarapaxError
from carapax.extensions import find
from carapax.sandboxes import bubblewrap, local
from tests.corpora.plants import VARIABLES, files
from tests.proof.figures import Figure, bound, shown
from tests.running import run
from tests.tools.calling import NoEgress

pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)
LOOK = (
    "ls notes; cat notes/a.txt; grep -rn needle notes; sort notes/a.txt; find notes -name '*.txt'; cd notes; pwd; ls *;"
    " env | cut -d= -f1 | sort; echo $HOME $PATH; date +%Z; type ls; du -s . | cut -f2; true"
)
CALLS: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("shell", {"command": LOOK}),
    ("search_files", {"pattern": "needle", "path": "notes"}),
    ("list_files", {"path": "notes", "recursive": True}),
    ("read_file", {"path": "notes/a.txt"}),
)
Look = Callable[[Path], list[str]]


def with_bubblewrap(folder: Path) -> list[str]:
    async def scene() -> list[str]:
        async with bubblewrap.Bubblewrap(bubblewrap.Config(), folder) as sandbox:
            return await said(sandbox)

    return run(scene())


def with_local(folder: Path) -> list[str]:
    async def scene() -> list[str]:
        async with local.Local(local.Config(), folder) as sandbox:
            return await said(sandbox)

    return run(scene())


async def said(sandbox: Sandbox) -> list[str]:
    """What our own tools say of a workspace."""
    return [await _called(find("tool", name).EXTENSION, name, given, sandbox) for name, given in CALLS]


async def _called(tool: Tool, name: str, given: Mapping[str, object], sandbox: Sandbox) -> str:
    config = find("tool", name).Config() if hasattr(find("tool", name), "Config") else None
    context = ToolContext("main", "s", "r", "c", sandbox, NoEgress(), SystemClock(), lambda text: None, config)
    return await tool.run(context, check_arguments(tool.parameters, json.dumps(given)))


def carelessly(folder: Path) -> list[str]:
    """How a shell is often started: as for a person, with the environment that is there."""
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(
        ["bash", "-lic", LOOK], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return [done.stdout]


@contextmanager
def planted(folder: Path, names: Mapping[str, str]) -> Iterator[None]:
    """These files, and no others, in the workspace."""
    for name, text in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    try:
        yield
    finally:
        for top in {folder / Path(name).parts[0] for name in names}:
            shutil.rmtree(top) if top.is_dir() else top.unlink()


@contextmanager
def varied(folder: Path, names: Mapping[str, str]) -> Iterator[None]:
    """These variables in the environment of the gateway; they lead to a folder where everything is planted."""
    before = dict(os.environ)
    for name, value in names.items():
        os.environ[name] = value.replace("{folder}", str(folder)) + (f":{before[name]}" if name == "PATH" else "")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def honoured(look: Look, folder: Path) -> list[str]:
    """What is planted and makes a difference: all of it is tried at once, and one by one only if that does."""
    workspace, trap = folder / "workspace", folder / "trap"
    (workspace / "notes" / "deep").mkdir(parents=True)
    (workspace / "notes" / "a.txt").write_text("b needle\na\n")
    _canaries_left(workspace)
    clean = look(workspace)
    plants = dict(files())
    with planted(trap, {**plants, **dict.fromkeys(("bwrap", "unshare", "mount"), plants["ls"])}):
        return [
            name
            for together, place, names in ((planted, workspace, plants), (varied, trap, VARIABLES))
            for name in _making_a_difference(together, place, names, lambda: _differs(look, workspace, clean))
        ]


def _making_a_difference(
    together: Callable[[Path, Mapping[str, str]], AbstractContextManager[None]],
    place: Path,
    names: Mapping[str, str],
    differs: Callable[[], bool],
) -> list[str]:
    with together(place, names):
        if not differs():
            return []
    found: list[str] = []
    for name, value in names.items():
        with together(place, {name: value}):
            if differs():
                found.append(name)
    return found or ["several together"]


def _differs(look: Look, workspace: Path, clean: list[str]) -> bool:
    try:
        same = look(workspace) == clean
    except (CarapaxError, OSError, subprocess.SubprocessError):  # what a plant has led to
        same = False
    return not same or _canaries_left(workspace)


def _canaries_left(workspace: Path) -> bool:
    """Whether there are any; none are, after this."""
    left = [*workspace.rglob("canary"), *Path.cwd().glob("canary"), *workspace.parent.glob("*/canary")]
    for canary in left:
        canary.unlink(missing_ok=True)
    return bool(left)


@pytest.mark.parametrize("look", [with_bubblewrap, with_local])
def test_nothing_planted_is_honoured(tmp_path: Path, look: Look) -> None:
    count = len(dict(files())) + len(VARIABLES)
    found = honoured(look, tmp_path)
    where = look.__name__.removeprefix("with_")
    shown(
        Figure(
            "S17", f"{count} planted files and variables, honoured by {where}", bound(len(found), count), "0", not found
        )
    )
    assert count >= 80
    assert found == []


def test_a_shell_started_as_for_a_person_is_caught(tmp_path: Path) -> None:
    assert {".bash_profile", "BASH_FUNC_ls%%", "PATH"} <= {
        name.split(":")[0] for name in honoured(carelessly, tmp_path)
    }


def test_a_gateway_is_as_configured_wherever_it_is_started(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("carapax")
    clean, trap = tmp_path / "clean", tmp_path / "trap"
    clean.mkdir()
    for name, text in files():
        (trap / name).parent.mkdir(parents=True, exist_ok=True)
        (trap / name).write_text(text)
    (trap / ".env").write_text("CARAPAX_HOME=/nowhere\nOPENAI_API_KEY=sk-planted\n")

    def told(folder: Path) -> str:
        home = ["--home", str(tmp_path / "home")]
        done = subprocess.run(
            [program, *home, "config", "show"], cwd=folder, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    assert told(trap) == told(clean)
    assert [*trap.rglob("canary")] == []
