import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.lookalikes import fold, imitations, told

HONEST = [
    "plain text with naïve words and a café",
    "Обычный русский текст: сосна, роса, оса.",
    "IT-шник, SMSка, VPNом, iPhone'ом",
    "η γλώσσα μου, Δt = λmax · 3 kΩ",
    "Tシャツ、LINEで送って",
    "роса",
    "α and β",
]


@pytest.mark.parametrize("text", HONEST)
def test_words_of_other_languages_are_no_imitations(text: str) -> None:
    assert imitations(text) == []
    assert told(text) == ""


def test_a_word_of_two_scripts_that_seems_to_be_of_one_is_found() -> None:
    text = "log in at p\u0430ypal.com, or \u0440\u0430ypal, or b\u0430nk, or \u0440ay, or p\u0430ypal again"
    assert imitations(text) == ["p\u0430ypal", "\u0440\u0430ypal", "b\u0430nk"]
    assert told("p\u0430ypal") == ("[look-alike letters: 'p\u0430ypal' imitates 'paypal' with Cyrillic Small Letter A]")


def test_a_word_that_is_all_look_alikes_is_found_in_a_text_that_has_no_other_letter_of_theirs() -> None:
    whole = "\u0430\u0440\u0440\u04cf\u0435"
    assert imitations(f"go to {whole}.com now") == [whole]
    assert imitations(f"слово {whole}") == []


@given(st.text(alphabet=st.sampled_from("aZ9_ \u0430\u0440\u03bf\u0451я\u4e2d")))
def test_what_is_named_stands_in_the_text_and_reads_as_latin(text: str) -> None:
    for word in imitations(text):
        assert word in text and fold(word).isascii() and not word.isascii()


@pytest.mark.parametrize("pumped", ["a\u0430" * 50_000, "a\u0430 " * 50_000, "\u0430" * 100_000, "a\u0430я" * 30_000])
def test_long_words_are_read_once(pumped: str) -> None:
    assert len(imitations(pumped)) <= 3
