import hashlib
from typing import Any

import pytest

from carapax.errors import InvalidRequest
from carapax.policy import binding
from carapax.policy.binding import Binding, named_files
from carapax.testing.sandbox import MemorySandbox
from tests.running import run

FILES = {"run.sh": b"one", "sub/run.sh": b"two", "my script.sh": b"three", "evil.mk": b"four", "notes.md": b"five"}
BOUND = Binding("main", "s", "r", "c", "ann", ("local",), "shell", {"command": "ls"}, {"a": "0"})


def named(**arguments: Any) -> list[str]:
    found = run(named_files(MemorySandbox(FILES), arguments))
    assert all(found[name] == hashlib.sha256(FILES[name]).hexdigest() for name in found)
    return sorted(found)


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("ls -la", []),
        ("sh run.sh", ["run.sh"]),
        ("./run.sh && cat notes.md", ["notes.md", "run.sh"]),
        ("cd sub && sh run.sh", ["run.sh", "sub/run.sh"]),
        ("sh 'my script.sh'", ["my script.sh"]),
        ("make -fevil.mk", ["evil.mk"]),
        ("tool --file=run.sh @notes.md", ["notes.md", "run.sh"]),
        ("sh <run.sh; sh $PWD/sub/run.sh", ["run.sh", "sub/run.sh"]),
        ("echo 'never closed run.sh", ["run.sh"]),
        ("sh ../../etc/passwd sub", []),
    ],
)
def test_the_files_that_a_command_names_are_found(command: str, names: list[str]) -> None:
    found = run(named_files(MemorySandbox(FILES), {"command": command}))
    assert sorted({name.removeprefix("./") for name in found}) == names


def test_the_file_at_a_path_is_found() -> None:
    assert (named(path="notes.md"), named(path="sub"), named(text="notes.md")) == (["notes.md"], [], [])


def test_what_cannot_be_looked_at_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "LONGEST_FILE", 3)
    with pytest.raises(InvalidRequest, match=r"my script.sh cannot be read whole"):
        named(path="my script.sh")
    with pytest.raises(InvalidRequest, match="more than 256 words"):
        named(command=" ".join(map(str, range(300))))


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "other"},
        {"session": "t"},
        {"run": "q"},
        {"call": "d"},
        {"asker": "bob"},
        {"sandbox": ("bubblewrap",)},
        {"tool": "post"},
        {"arguments": {"command": "ls "}},
        {"arguments": {"command": "ls", "timeout_s": 1}},
        {"files": {"a": "1"}},
        {"files": {}},
    ],
)
def test_another_digest_for_anything_that_is_different(change: dict[str, Any]) -> None:
    fields = {name: getattr(BOUND, name) for name in BOUND.__struct_fields__}
    assert Binding(**(fields | change)).digest() != BOUND.digest() == Binding(**fields).digest()
