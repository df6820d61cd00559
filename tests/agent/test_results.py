import base64
import random

from hypothesis import given
from hypothesis import strategies as st

from carapax.agent.results import KEPT_CHARACTERS, SHOWN_CHARACTERS, keep, show


def test_long_base64_and_hex_are_left_out_of_what_a_model_sees() -> None:
    noise = random.Random(1).randbytes(3000)
    text = f"before {base64.b64encode(noise).decode()} middle {noise.hex()} after"
    assert show(text) == (
        "before [4000 characters of encoded data left out] middle [6000 characters of encoded data left out] after"
    )


def test_ordinary_text_and_rulers_stay_as_they_are() -> None:
    text = "a line of words\n" * 100 + "=" * 300 + "\n" + "x" * 300 + "\n" + "0" * 300
    assert show(text) == text


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert show("word " * 20_000).endswith("bytes left out]")
    assert len(keep("word " * 300_000)) <= KEPT_CHARACTERS


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200), st.integers(1, 2000))
def test_nothing_shown_is_longer_than_the_limit_in_bytes(text: str, times: int) -> None:
    assert len(show(text * times).encode()) <= SHOWN_CHARACTERS


def test_encoded_data_is_found_wherever_it_begins() -> None:
    digits = random.Random(2).randbytes(100).hex()
    assert show(f"zz{digits} data:a/b;base64,{'0123456789' * 20}==") == (
        "[202 characters of encoded data left out] [218 characters of encoded data left out]"
    )
    assert show(f"--- :{digits[:130]}!") == "--- :[130 characters of encoded data left out]!"


def test_halves_of_characters_are_kept_as_question_marks() -> None:
    assert keep("a\ud800b\u00e9") == "a?b\u00e9"
