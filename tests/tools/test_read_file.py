"""Reading text files."""

from typing import Any

import pytest

from carapax.errors import CarapaxError, Forbidden, InvalidRequest, NotFound
from carapax.testing.sandbox import MemorySandbox
from carapax.tools.read_file import EXTENSION, Config
from tests.tools.calling import call

FILES = {
    "five": b"1\n2\n3\n4\n5\n",
    "empty": b"",
    "binary": b"GIF\0",
    "latin": "grün\n".encode("latin-1"),
    "bom": b"\xef\xbb\xbfx\n",
}


@pytest.mark.parametrize(
    ("path", "arguments", "answer"),
    [
        ("five", {}, "1\n2\n3\n4\n5\n"),
        ("five", {"limit": 5}, "1\n2\n3\n4\n5\n"),
        ("five", {"offset": 2, "limit": 2}, "2\n3\n[lines 2 to 3 of 5]"),
        ("five", {"offset": 4}, "4\n5\n[lines 4 to 5 of 5]"),
        ("five", {"offset": 5, "limit": 9}, "5\n[lines 5 to 5 of 5]"),
        ("empty", {}, "[the file is empty]"),
        ("latin", {}, "gr�n\n"),
        ("bom", {}, "x\n"),
    ],
)
def test_a_file_is_read_whole_or_in_part(path: str, arguments: dict[str, Any], answer: str) -> None:
    assert call(EXTENSION, Config(), MemorySandbox(FILES), path=path, **arguments) == answer


@pytest.mark.parametrize(
    ("path", "offset", "error"),
    [
        ("five", 6, InvalidRequest),
        ("five", 0, InvalidRequest),
        ("binary", 1, InvalidRequest),
        ("none", 1, NotFound),
        ("../five", 1, Forbidden),
        ("empty", 2, InvalidRequest),
    ],
)
def test_what_cannot_be_read_is_told(path: str, offset: int, error: type[CarapaxError]) -> None:
    with pytest.raises(error):
        call(EXTENSION, Config(), MemorySandbox(FILES), path=path, offset=offset)


def test_a_file_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="more than the 3"):
        call(EXTENSION, Config(max_bytes=3), MemorySandbox(FILES), path="five")
