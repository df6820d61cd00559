"""Answers that are typed."""

import pytest

from carapax.cli.question import meant


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("y\n", "y"),
        (" YES ", "y"),
        ("a", "a"),
        ("no", "n"),
        ("/approve  session", "s"),
        ("stop", "stop"),
        ("abort", "abort"),
        ("yikes", "yikes"),
        ("", ""),
    ],
)
def test_only_a_key_or_a_word_for_it_is_an_answer(typed: str, key: str) -> None:
    assert meant(typed) == key
