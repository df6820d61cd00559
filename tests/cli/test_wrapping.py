"""Lines are broken between words."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from carapax.cli.slash import COMMANDS
from carapax.cli.wrapping import wrap


def test_a_line_is_broken_between_words_and_goes_on_below_its_beginning() -> None:
    assert wrap("some words and some more", 10) == "some words\nand some\nmore"
    assert wrap("  some words and more", 12) == "  some words\n  and more"
    assert wrap("short\n\nlines", 10) == "short\n\nlines"


def test_a_line_of_two_columns_goes_on_below_its_second() -> None:
    assert wrap("/stop  stop what is done", 16) == "/stop  stop what\n       is done"
    assert wrap("/approve yes  answer it now", 16) == "/approve yes\n    answer it\n    now"


def test_only_a_word_that_is_longer_than_a_line_is_broken() -> None:
    assert wrap("a " + "x" * 20 + " b", 10) == "a\n" + "x" * 10 + "\n" + "x" * 10 + "\nb"
    assert wrap("漢字漢字漢字", 8) == "漢字漢字\n漢字"


@given(st.text("ab 漢\t", max_size=80), st.integers(8, 40))
def test_nothing_but_blanks_is_lost_and_no_line_is_too_long(text: str, width: int) -> None:
    lines = wrap(text, width).split("\n")
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert max(map(cell_len, lines)) <= width


def test_the_list_of_commands_breaks_no_word() -> None:
    for width in (40, 80):
        for told in COMMANDS.values():
            line = f"{told.usage:35}{told.meaning}"
            assert wrap(line, width).split() == line.split()
