"""Takes secrets out of text: those it knows by value, in many a disguise, and what has the shape of a vendor's key.

It is the last line, not the first. A program that holds a secret can write it in ways that nobody foresees; what keeps
secrets from a model is that it is given their names only.
"""

import base64
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from carapax.invisible import hidden
from carapax.keyfamilies import Span, families_in
from carapax.redaction import MASK, Secret

_SHORTEST, _SHORTEST_WORD = 8, 16
_LONGEST_LINE = 4096
_MOST_HELD = 65_536
_MOST_UNPACKED = 1 << 20
_WIDEST = 12  # characters of a text to one of its reading, as far as what begins at its end is looked for

# White space and what nobody sees is left out, upper case is lower, and Base64 has one alphabet.
_SPACES = [code for code in range(0x3001) if chr(code).isspace()]
_FOLDED: Mapping[int, int | None] = {
    **dict.fromkeys([0, *_SPACES, *hidden()]),
    **{upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)},
    ord("-"): ord("+"),
    ord("_"): ord("/"),
}
_BARE: Mapping[int, int | None] = {**_FOLDED, **dict.fromkeys(map(ord, "-:,;.+\\"))}
_ESCAPE = re.compile(
    r"%([0-9a-f]{2})|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|&#x([0-9a-f]{1,5});|&#([0-9]{1,6});"
    r"|\\([\"'/\\nrtbf])|&(amp|lt|gt|quot|apos);|\x1b\[[0-?]{0,40}[ -/]{0,4}[@-~]",
    re.IGNORECASE,
)
_ESCAPE_BEGUN = re.compile(
    r"(?:%[0-9a-f]?|\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?)?|&#?\w{0,7}|\x1b(?:\[[0-?]{0,40})?)\Z", re.IGNORECASE
)
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "n": "\n", "r": "\r", "t": "\t", "b": "", "f": ""}
_ONE_WORD = re.compile(r"[A-Z]?[a-z]*|[A-Z]*|[0-9]*")
_BYTE_MARK = re.compile(r"0x|\\x", re.IGNORECASE)
# What gzip and the usual levels of zlib begin with, in Base64.
_PACKED = re.compile(
    r"((?:H4sI|eJ[w-z]|eN[o-r]|eA[E-H])[A-Za-z0-9+/_-]{16,}(?:\s{1,4}[A-Za-z0-9+/_-]{16,})*={0,2})"
    r"(?:\s{1,4}[A-Za-z0-9+/_-]{1,76}={0,2})?"
)
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY")


class _Reading(NamedTuple):
    """One way to read a text: what `mark` finds becomes what it means, so many times over, then letters are folded.
    `written` is how a secret may stand in it."""

    written: Callable[[str], Iterator[str]]
    mark: re.Pattern[str] | None
    layers: int
    table: Mapping[int, int | None]

    def of(self, text: str) -> str:
        for _ in range(self.layers):
            if self.mark and (plain := self.mark.sub(_meant, text)) != text:
                text = plain
            else:
                break
        return text.translate(self.table)

    def placed(self, text: str) -> tuple[str, list[Span]]:
        """The same, and where in the text each of its letters comes from."""
        places = [(at, at + 1) for at in range(len(text))]
        for _ in range(self.layers):
            if self.mark and (found := list(self.mark.finditer(text))):
                text, places = _replaced(text, places, found)
        letters = [(text[at].translate(self.table), place) for at, place in enumerate(places)]
        return "".join(letter for letter, _ in letters), [place for letter, place in letters if letter]


def _written(secret: str) -> Iterator[str]:
    """As it is, reversed, in Base64, in hexadecimal, and the last two also of UTF-16. Base64 is cut down to what does
    not depend on what stands before and after."""
    yield secret
    yield secret[::-1]
    if " " in secret:
        yield secret.replace(" ", "+")
    yield secret.encode(errors="surrogatepass").decode("latin-1")
    yield from _as_bytes(secret)
    for data in _encoded(secret):
        for before in range(3):
            letters = base64.b64encode(bytes(before) + data).decode()
            yield letters[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]


def _as_bytes(secret: str) -> Iterator[str]:
    return (data.hex() for data in _encoded(secret))


def _encoded(secret: str) -> Iterator[bytes]:
    yield secret.encode(errors="surrogatepass")
    yield secret.encode("utf-16-le", errors="surrogatepass").removesuffix(b"\0")
    if not secret.isascii():  # else its bytes are among those of the other
        yield secret.encode("utf-16-be", errors="surrogatepass")


_READINGS = (
    _Reading(_written, None, 0, _FOLDED),
    _Reading(_written, _ESCAPE, 3, _FOLDED),
    _Reading(_as_bytes, _BYTE_MARK, 1, _BARE),
)


class _Forms:
    """How secrets may stand in a reading of a text."""

    def __init__(self, reading: _Reading, secrets: Iterable[str]) -> None:
        forms = {form.translate(reading.table) for secret in secrets for form in reading.written(secret)}
        self.all = tuple(sorted(form for form in forms if len(form) >= _SHORTEST))
        self.longest = max(map(len, self.all), default=0)
        self._firsts = {form[0] for form in self.all}
        self._pairs = _by_head(self.all, 2)
        self._heads = _by_head(self.all, _SHORTEST)

    def within(self, read: str) -> list[str]:
        """Those that stand in a reading. Of a short one each place is looked up, of a long one each form."""
        if len(read) >= len(self.all):
            return [form for form in self.all if form in read]
        heads = {read[at : at + _SHORTEST] for at in range(len(read) - _SHORTEST + 1)} & self._heads.keys()
        return [form for head in heads for form in self._heads[head] if form in read]

    def overlap(self, read: str) -> int:
        """How many letters at the end of a reading are the first ones of a form, without being all of it."""
        for at in range(max(0, len(read) - self.longest + 1), len(read) - 1):
            rest = read[at:]
            if any(len(form) > len(rest) and form.startswith(rest) for form in self._pairs.get(rest[:2], ())):
                return len(rest)
        return int(read[-1:] in self._firsts)


def _by_head(forms: Iterable[str], size: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for form in forms:
        found.setdefault(form[:size], []).append(form)
    return found


def can_be_told(secret: Secret) -> bool:
    """Whether a secret can be told from honest text: it has 8 characters, and 16 when it is one word or number."""
    value = secret.reveal().strip()
    return len(value) >= (_SHORTEST_WORD if _ONE_WORD.fullmatch(value) else _SHORTEST)


class Redactor:
    """Call it with a text to have the text without secrets, each of which becomes `********`.

    A secret that cannot be told from honest text is not looked for. White space within a secret, and upper and lower
    case, do not count. The time for a call grows with the length of the text, and with the
    number of secrets little.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        values = {secret.reveal() for secret in secrets if can_be_told(secret)}
        self._forms = [_Forms(reading, values) for reading in _READINGS]

    def __call__(self, text: str) -> str:
        return _without(text, self._spans(text))

    def stream(self, show: Callable[[str], None]) -> "Stream":
        """For text that comes in pieces: `show` is given it without secrets, also those that lie across pieces."""
        return Stream(self, show)

    def begun(self, text: str) -> int:
        """Where, at the end of a text, something begins that may become a secret with what follows; else its length."""
        starts = [len(text)]
        for reading, forms in zip(_READINGS, self._forms, strict=True):
            read = reading.of(text[-_WIDEST * forms.longest :])[-forms.longest :] if forms.longest else ""
            if overlap := forms.overlap(read):
                from_here = max(0, len(text) - _WIDEST * overlap - _WIDEST)
                places = reading.placed(text[from_here:])[1]
                starts.append(from_here + (places[-overlap][0] if overlap <= len(places) else 0))
        if self._forms[0].all and (cut := _ESCAPE_BEGUN.search(text, max(0, len(text) - _WIDEST))):
            starts.append(cut.start())
        starts += [packed.start() for packed in _PACKED.finditer(text) if packed.end() >= len(text.rstrip())]
        if block := _KEY_BLOCK.search(text, text.rfind("-----END") + 1):
            starts.append(block.start())
        at = min(starts)
        if at < len(text):  # not within what is a secret already
            for start, end in sorted(self._spans(text), reverse=True):
                at = start if start < at < end else at
        return at

    def _spans(self, text: str) -> list[Span]:
        return [*self._known_in(text), *families_in(text)]

    def _known_in(self, text: str) -> Iterator[Span]:
        """Where secrets known by value are."""
        if not self._forms[0].all:
            return
        last = ""
        for reading, forms in zip(_READINGS, self._forms, strict=True):
            read = reading.of(text)
            if read != last and (shown := forms.within(read)):
                yield from _located(*reading.placed(text), shown)
            last = read
        left = _MOST_UNPACKED
        for packed in _PACKED.finditer(text):
            unpacked, is_whole = _unpacked(packed[1], left + 1)
            if not is_whole:  # the word after it may be its end
                unpacked, _ = _unpacked(packed[0], left + 1)
            left -= len(unpacked)
            read = unpacked.translate(_FOLDED)
            if left < 0 or self._forms[0].within(read):
                yield packed.span(1 if is_whole else 0)


class Stream:
    """Text in pieces. What may be the beginning of a secret is held back until it is known, and so is an unfinished
    line, of which whoever looks on sees the whole a moment later; `end` gives the rest."""

    def __init__(self, redactor: Redactor, show: Callable[[str], None]) -> None:
        self._redactor = redactor
        self._show = show
        self._held = ""
        self._enough = 0

    def feed(self, text: str) -> None:
        self._held += text
        if len(self._held) < self._enough:
            return
        cut = max(self._held.rfind("\n"), self._held.rfind("\r")) + 1
        if len(self._held) - cut > _LONGEST_LINE:
            cut = len(self._held)
        if cut and len(self._held) <= _MOST_HELD:
            cut = self._redactor.begun(self._held[:cut])
        self._give(cut)
        # What is held long is looked at again when there is a quarter more of it, so that all looks together take time
        # in proportion to the whole.
        self._enough = len(self._held) * 5 // 4 if len(self._held) > _LONGEST_LINE else 0

    def end(self) -> None:
        self._give(len(self._held))

    def _give(self, cut: int) -> None:
        text, self._held = self._held[:cut], self._held[cut:]
        if text:
            self._show(self._redactor(text))


def _meant(found: re.Match[str]) -> str:
    """What an escape stands for."""
    if found.lastindex is None:
        return ""
    value = found[found.lastindex]
    if found.lastindex <= 4:
        return chr(int(value, 16))
    if found.lastindex == 5:
        return chr(int(value)) if int(value) < 0x110000 else ""
    return _NAMED.get(value.lower(), value)


def _replaced(text: str, places: list[Span], found: Iterable[re.Match[str]]) -> tuple[str, list[Span]]:
    letters: list[str] = []
    kept: list[Span] = []
    last = 0
    for each in found:
        start, end = each.span()
        meant = _meant(each)
        letters += (text[last:start], meant)
        kept += places[last:start]
        kept += [(places[start][0], places[end - 1][1])] * len(meant)
        last = end
    return "".join([*letters, text[last:]]), kept + places[last:]


def _located(read: str, places: list[Span], forms: Iterable[str]) -> Iterator[Span]:
    for form in forms:
        at = read.find(form)
        while at >= 0:
            yield places[at][0], places[at + len(form) - 1][1]
            at = read.find(form, at + 1)


def _unpacked(text: str, most: int) -> tuple[str, bool]:
    """What was packed with gzip or zlib and written as Base64, as far as it can be read, up to so many bytes; and
    whether its end was met."""
    letters = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    data = base64.b64decode(letters[: len(letters) // 4 * 4 if len(letters) % 4 == 1 else None] + "==")
    unpacking = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        return unpacking.decompress(data, max(1, most)).decode("latin-1"), unpacking.eof
    except zlib.error:
        return "", False


def _without(text: str, spans: list[Span]) -> str:
    """The text, with a mask in place of each stretch; where two touch, with one for both."""
    if not spans:
        return text
    pieces: list[str] = []
    last = 0
    for start, end in sorted(spans):
        if start > last or not pieces:
            pieces += (text[last:start], MASK)
        last = max(last, end)
    return "".join([*pieces, text[last:]])
