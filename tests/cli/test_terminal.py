"""What may reach a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from carapax.cli.terminal import clean, one_line, whole


def test_escape_sequences_only_show() -> None:
    assert clean("\x1b[31mred\x1b]0;title\x07\r\x9b2J") == "\\x1b[31mred\\x1b]0;title\\x07\\x0d\\x9b2J"


def test_characters_that_turn_or_hide_text_only_show() -> None:
    assert clean("a\u202eb\u200bc\U000e0041") == "a\\u{202e}b\\u{200b}c\\u{e0041}"


def test_lines_and_tabs_stay() -> None:
    assert clean("one\r\n\ttwo\n") == "one\n\ttwo\n"


@given(st.text())
def test_nothing_that_commands_a_terminal_is_left(text: str) -> None:
    left = [character for character in clean(text) if unicodedata.category(character) == "Cc"]
    assert set(left) <= {"\n", "\t"}


@given(st.text(), st.integers(5, 50))
def test_one_line_is_one_line(text: str, width: int) -> None:
    line = one_line(text, width)
    assert "\n" not in line
    assert len(line) <= width


def test_what_is_typed_or_pasted_is_said_without_what_no_message_may_have() -> None:
    assert (
        whole("\x1b[1;31mred\x1b[0m\x07 \x1b]8;;http://a/\x1b\\link\x1b]8;;\x1b\\\x00\n\tdone\x1a")
        == "red link\n\tdone"
    )
    assert whole("caf\udce9 \U0001f468\u200d\U0001f469") == "caf\ufffd \U0001f468\u200d\U0001f469"
