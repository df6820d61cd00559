from hypothesis import given
from hypothesis import strategies as st

from carapax.text import open_end, split_text, written_out


def test_a_short_text_stays_whole() -> None:
    assert split_text("hello", 100) == ["hello"]
    assert split_text("  \n", 100) == []


def test_cuts_fall_between_paragraphs_when_they_can() -> None:
    one, two = "a" * 50, "b" * 50
    assert split_text(f"{one}\n\n{two}", 64) == [one, two]


def test_a_code_fence_is_closed_and_opened_again() -> None:
    lines = "\n".join(f"line {number}" for number in range(30))
    pieces = split_text(f"```python\n{lines}\n```", 100)
    assert all(piece.startswith("```python\n") and piece.endswith("```") for piece in pieces)
    inner = "\n".join(piece.removeprefix("```python\n").removesuffix("```").strip("\n") for piece in pieces)
    assert inner == lines


@given(st.text(alphabet="ab `~\n", max_size=600), st.integers(64, 200))
def test_no_piece_is_too_long_and_no_word_is_lost(text: str, limit: int) -> None:
    pieces = split_text(text, limit)
    assert all(0 < len(piece) <= limit for piece in pieces)
    letters = [letter for letter in text if letter in "ab"]
    assert (
        [letter for letter in "".join(pieces) if letter in "ab"][: len(letters)] == letters
        or "```" in text
        or "~~~" in text
    )


def test_a_line_of_fence_marks_makes_no_piece_too_long() -> None:
    assert all(len(piece) <= 100 for piece in split_text("`" * 60 + "\n" + "word " * 100, 100))


def test_a_joiner_shows_unless_it_joins_pictures_or_letters_that_join() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\u200d\U0001f525"
    assert written_out(family) == family
    for joined in ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937"):
        assert written_out(joined) == joined
    assert written_out("a\u200cb \u0645\u200c") == "a\\u{200c}b \u0645\\u{200c}"
    for text in ("a\u200db", "\U0001f468\u200d", "\u200d\U0001f468", "\U0001f468\u200d\u200d\U0001f469"):
        assert "\u200d" not in written_out(text)
        assert "\\u{200d}" in written_out(text)


JOINERS = "a\U0001f468\u0645\u200c\u200d\ufe0f"


@given(st.text(JOINERS, max_size=20), st.text(JOINERS, max_size=20))
def test_what_comes_before_an_open_end_is_written_out_the_same_whatever_follows(text: str, more: str) -> None:
    end = open_end(text)
    assert written_out(text[:end]) + written_out((text + more)[end:]) == written_out(text + more)
