"""Letters that look like those of another script, by which a word seems to be one that it is not."""

import re
import unicodedata
from pathlib import Path

_MOST, _LONGEST = 3, 64
_LINES = (Path(__file__).with_suffix(".txt")).read_text(encoding="utf-8").splitlines()
_LATIN = {letter: line[0] for line in _LINES if not line.startswith("#") for letter in line[2:]}
_FOLD = str.maketrans(_LATIN)
_THEIRS = "".join(_LATIN)
# A Latin letter beside a look-alike; what is within a word is found from there, so that all text is read once.
_BESIDE = re.compile(f"[A-Za-z][{_THEIRS}]|[{_THEIRS}][A-Za-z]")
_ALONE = re.compile(rf"(?<!\w)[{_THEIRS}]{{3,{_LONGEST}}}(?!\w)")
_OTHERS = re.compile(rf"[^\W\d_\x00-\x7f{_THEIRS}]")
_LATIN_WORD = re.compile("[A-Za-z]{2}")


def fold(text: str) -> str:
    """The text with each look-alike as the Latin letter that it looks like."""
    return text if text.isascii() else text.translate(_FOLD)


def imitations(text: str) -> list[str]:
    """Words that seem to be written in Latin letters and are not, each once, at most three.

    They mix Latin letters with look-alikes and nothing else; or are all look-alikes, in a text in Latin letters that
    has no other letter. Words of other languages, and those that mix scripts openly ("IT-шник"), are none.
    """
    if text.isascii():
        return []
    found = dict.fromkeys(word for word in _mixed(text) if fold(word).isascii())
    if not found and _LATIN_WORD.search(text) and not _OTHERS.search(text):
        found = dict.fromkeys(_ALONE.findall(text))
    return list(found)[:_MOST]


def told(text: str) -> str:
    """A line that names the imitations in a text, for models and people; empty when there is none."""
    words = [f"{word!r} imitates {fold(word)!r} with {_foreign(word)}" for word in imitations(text)]
    return f"[look-alike letters: {'; '.join(words)}]" if words else ""


def _mixed(text: str) -> list[str]:
    words, position = [], 0
    while found := _BESIDE.search(text, position):
        start, position = found.start(), found.end()
        while start > 0 and found.start() - start < _LONGEST and _in_word(text[start - 1]):
            start -= 1
        while position < len(text) and _in_word(text[position]):
            position += 1
        if position - start <= _LONGEST:
            words.append(text[start:position])
    return words


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _foreign(word: str) -> str:
    letter = next(each for each in word if each in _LATIN)
    return unicodedata.name(letter, f"U+{ord(letter):04X}").title()
