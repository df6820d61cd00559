"""Replacing a piece of a text file."""

from typing import Any

import pytest

from carapax.errors import InvalidRequest
from carapax.testing.sandbox import MemorySandbox
from carapax.tools.edit_file import EXTENSION, Config
from tests.tools.calling import call

TEXT = b"def a():\n    return 1\n\ndef b():\n    return 1\n"


def edited(text: bytes, **arguments: Any) -> tuple[str, bytes]:
    sandbox = MemorySandbox({"f": text})
    return call(EXTENSION, Config(max_bytes=100), sandbox, path="f", **arguments), sandbox.files["f"]


def test_the_one_place_is_replaced() -> None:
    answer, text = edited(TEXT, old="def b():\n    return 1", new="def b():\n    return 2")
    assert answer == "replaced 1 place in f, at line 4"
    assert text == b"def a():\n    return 1\n\ndef b():\n    return 2\n"


def test_every_place_is_replaced_when_asked() -> None:
    assert edited(TEXT, old="return 1", new="", replace_all=True) == (
        "replaced 2 places in f, at line 2, 5",
        b"def a():\n    \n\ndef b():\n    \n",
    )


def test_line_ends_of_windows_are_kept() -> None:
    assert edited(b"a\r\nb\r\nc\r\n", old="a\nb", new="x\ny")[1] == b"x\r\ny\r\nc\r\n"


@pytest.mark.parametrize(
    ("old", "said"),
    [
        ("return 1", "f holds the old text 2 times, at lines 2, 5"),
        ("return 3", "f does not hold the old text (read the file again"),
        ("def b():\n  return 1", "f does not hold the old text (at line 4 it differs only in white space"),
        ("def b():\n  return 7", "f does not hold the old text (only its first line is there, at line 4"),
        ("", "the argument old must be a length of at least 1"),
        ("\n \n", "f does not hold the old text"),
    ],
)
def test_what_is_not_there_once_is_refused_with_help(old: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        edited(TEXT, old=old, new="x")
    assert str(caught.value).startswith(said)


def test_what_is_no_text_or_becomes_too_long_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no text"):
        edited(b"\xff\xfe", old="x", new="y")
    with pytest.raises(InvalidRequest, match="would have"):
        edited(b"x", old="x", new="y" * 101)
