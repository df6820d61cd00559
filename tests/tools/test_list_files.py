"""Listing folders."""

from carapax.testing.sandbox import MemorySandbox
from carapax.tools.list_files import EXTENSION, Config
from tests.tools.calling import call

FILES = {"b": b"123", "a/c": b"", "a/d/e\nf": b"x"}


def test_a_folder_is_listed() -> None:
    sandbox = MemorySandbox(FILES)
    assert call(EXTENSION, Config(), sandbox) == "a/\nb  3"
    assert call(EXTENSION, Config(), sandbox, recursive=True) == "a/\na/c  0\na/d/\na/d/e\\nf  1\nb  3"
    assert call(EXTENSION, Config(), sandbox, path="a/d") == "a/d/e\\nf  1"


def test_a_long_listing_is_cut_and_says_so() -> None:
    answer = call(EXTENSION, Config(max_entries=2), MemorySandbox(FILES), recursive=True)
    assert answer == "a/\na/c  0\n[only the first 2 are shown]"


def test_an_empty_folder_says_so() -> None:
    assert call(EXTENSION, Config()) == "[the folder is empty]"
