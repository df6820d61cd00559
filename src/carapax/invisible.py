"""Characters that nobody sees, by which text can carry what only a model would read; and words that imitate others.

What is taken out depends on nothing but that it was there, so that no message survives in how much of it there was.
Left alone are those that a script or an emoji needs: joiners within Arabic and Indic words and within emoji, word
breaks of Thai, Lao, Khmer and Burmese, direction marks beside Hebrew and Arabic, emoji presentation, three flags, and a
mark of the byte order at the very beginning.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from carapax.lookalikes import imitations, told

NOTE = "[invisible characters were taken out of this text]"
_MANY = 8
_MARK = " (look-alike letters)"

# Default_Ignorable_Code_Point of Unicode 16, direction controls, annotation marks, and blank letters.
_HIDDEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_PICTURE = "\u2190-\u2bff\U0001f000-\U0001faff"
_JOINING = "\u0620-\u065f\u066e-\u06d3\u06fa-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff"
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff"
_LEFTWARD = "\u0590-\u05ff\u0620-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_KEPT = "|".join(
    (
        "\\A\ufeff",
        # England, Scotland, Wales: a black flag, and "gbeng", "gbsct" or "gbwls" in tag characters.
        "\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
        "|\U000e0077\U000e006c\U000e0073)\U000e007f",
        f"(?<=[0-9#*\u00a9\u00ae\u203c\u2049\u2122\u2139{_PICTURE}\u3030\u303d\u3297\u3299])[\ufe0e\ufe0f]",
        f"(?<=[{_PICTURE}\ufe0f])\u200d(?=[{_PICTURE}])",
        f"(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}\\s])",
        f"(?<=[{_UNSPACED}])\u200b(?=[{_UNSPACED}])",
        f"(?<=[{_LEFTWARD}])[\u200e\u200f\u061c](?![{_HIDDEN}])",
        f"(?<![{_HIDDEN}])[\u200e\u200f\u061c](?=[{_LEFTWARD}])",
    )
)
_RUNS = re.compile(f"({_KEPT})|[{_HIDDEN}]+")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e0fff]")
_ANY = re.compile(f"[{_HIDDEN}]")


def hidden() -> Iterator[int]:
    """The code points of all that is hidden, also where a script or an emoji needs it."""
    for first, last in re.findall("(.)(?:-(.))?", _HIDDEN):
        yield from range(ord(first), ord(last or first) + 1)


def strip(text: str) -> str:
    """The text without what nobody sees."""
    return text if _has_none(text) else _RUNS.sub(r"\1", text)


def visible(text: str) -> str:
    """The text as a model may read it: without what nobody sees, and told of it unless it was so little that it can
    have meant nothing, as a soft hyphen in a word; and told of words that imitate others."""
    if text.isascii():
        return text
    plain, is_much = (text, False) if _has_none(text) else _taken(text)
    notes = [NOTE if is_much or not plain else "", told(plain)]
    return "\n".join(part for part in (plain, *notes) if part)


def named(name: str) -> str:
    """The name of a person, a file, a tool or a model without what nobody sees, and marked where it imitates another
    one: names are read one by one, and believed."""
    plain = strip(name)
    return f"{plain}{_MARK}" if not plain.endswith(_MARK) and imitations(plain) else plain


def cleaned(value: Any) -> Any:
    """JSON without what nobody sees, in its texts and its keys."""
    match value:
        case str():
            return strip(value)
        case Mapping():
            return {strip(key): cleaned(item) for key, item in value.items()}
        case list() | tuple():
            return [cleaned(item) for item in value]
    return value


def _taken(text: str) -> tuple[str, bool]:
    """The text without what nobody sees, and whether that was so much that it can have meant something."""
    taken: list[str] = []

    def take(match: re.Match[str]) -> str:
        if match[1] is None:
            taken.append(match[0])
        return match[1] or ""

    plain = _RUNS.sub(take, text)
    return plain, len(taken) >= _MANY or any(len(run) > 1 or _TURNING.search(run) for run in taken)


def _has_none(text: str) -> bool:
    return text.isascii() or _ANY.search(text) is None
