"""Searching files."""

from pathlib import Path
from typing import Any

import pytest

from carapax.contracts import Execution
from carapax.errors import CarapaxError, Forbidden, InvalidRequest, NotFound, Unavailable
from carapax.sandboxes.local import Config as LocalConfig
from carapax.sandboxes.local import Local
from carapax.testing.sandbox import MemorySandbox
from carapax.tools.search_files import EXTENSION, Config
from tests.tools.calling import call


@pytest.fixture
def workspace(tmp_path: Path) -> Local:
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "a.py").write_text("import re\nx = a.b(c)\n")
    (tmp_path / "sub" / "b.txt").write_text("axb\n-e a.b\n" + "z" * 1000 + "a.b\n")
    (tmp_path / "sub" / ".git" / "c").write_text("a.b\n")
    (tmp_path / "sub" / "d.bin").write_bytes(b"\0a.b\n")
    return Local(LocalConfig(), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"pattern": "a.b("}, "a.py:2:x = a.b(c)"),
        ({"pattern": "a.b", "path": "sub"}, "sub/b.txt:2:-e a.b\nsub/b.txt:3:" + "z" * 288 + "..."),
        ({"pattern": "^a.b$", "regex": True}, "sub/b.txt:1:axb"),
        ({"pattern": "-e a", "path": "./sub/b.txt"}, "sub/b.txt:2:-e a.b"),
        ({"pattern": "nowhere"}, "[nothing found]"),
        ({"pattern": "(re|RE)$", "path": "a.py", "regex": "true"}, "a.py:1:import re"),
    ],
)
def test_lines_are_found(workspace: Local, arguments: dict[str, Any], answer: str) -> None:
    assert call(EXTENSION, Config(), workspace, **arguments) == answer


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"pattern": "x", "path": "/etc"}, Forbidden),
        ({"pattern": "x", "path": "../x"}, Forbidden),
        ({"pattern": "x", "path": "none"}, NotFound),
        ({"pattern": "(", "regex": True}, InvalidRequest),
        ({"pattern": "a\nb"}, InvalidRequest),
        ({"pattern": ""}, InvalidRequest),
    ],
)
def test_what_cannot_be_searched_is_told(
    workspace: Local, arguments: dict[str, Any], error: type[CarapaxError]
) -> None:
    with pytest.raises(error):
        call(EXTENSION, Config(), workspace, **arguments)


def test_many_lines_are_cut(workspace: Local, tmp_path: Path) -> None:
    (tmp_path / "many").write_text("x\n" * 50)
    answer = call(EXTENSION, Config(max_lines=2), workspace, pattern="x", path="many")
    assert answer == "many:1:x\nmany:2:x\n[only the first 2 lines are shown]"


def test_a_search_that_takes_too_long_is_told() -> None:
    sandbox = MemorySandbox(script=lambda command: Execution(-9, "", killed="time"))
    with pytest.raises(Unavailable, match="took longer than 20 s"):
        call(EXTENSION, Config(), sandbox, pattern="x")


def test_a_pattern_that_unfolds_to_gigabytes_is_refused(workspace: Local) -> None:
    with pytest.raises((InvalidRequest, Unavailable)):
        call(EXTENSION, Config(timeout_s=1), workspace, pattern="((((a{1,999}){1,999}){1,999}){1,999})", regex=True)


def test_a_sandbox_without_grep_is_told() -> None:
    sandbox = MemorySandbox({"f": b""}, script=lambda command: Execution(127, "grep: not found\n"))
    with pytest.raises(Unavailable):
        call(EXTENSION, Config(), sandbox, pattern="x")
