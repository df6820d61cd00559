"""Writing text files."""

import pytest

from carapax.errors import Forbidden, InvalidRequest
from carapax.testing.sandbox import MemorySandbox
from carapax.tools.write_file import EXTENSION, Config
from tests.tools.calling import call


def test_a_file_is_written_and_added_to() -> None:
    sandbox = MemorySandbox()
    assert call(EXTENSION, Config(), sandbox, path="a/b", content="grün\n") == "wrote 6 bytes as a/b"
    assert call(EXTENSION, Config(), sandbox, path="a/b", content="x", append=True) == "added 1 bytes to a/b"
    assert sandbox.files == {"a/b": "grün\nx".encode()}


def test_what_cannot_be_written_is_told() -> None:
    with pytest.raises(InvalidRequest, match="write it in parts"):
        call(EXTENSION, Config(max_bytes=3), path="a", content="long")
    with pytest.raises(Forbidden):
        call(EXTENSION, Config(), path="../a", content="")


def test_what_replaces_a_file_cannot_be_brought_back() -> None:
    given = {"path": "a", "content": ""}
    assert "destroy" in EXTENSION.effects_of(given)
    assert EXTENSION.effects_of({**given, "append": True}) == {"write"}
