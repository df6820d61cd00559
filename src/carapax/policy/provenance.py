"""What texts name, and what a text refers to: by this a value that a person gave is told from one that a page gave.

A text names a value when the value stands in it as a whole: `ann` is not named by `joann` or `ann@example.com`. Case,
the width of blanks and `https://` do not matter, but the case of what contains a `/` does. Nothing names what is too
short or too common to have been meant: fewer than three letters or digits, numbers of fewer than three digits that
stand without a currency or decimals, numbers that could be a year, words such as "everyone", true and false.

All of it takes time in proportion to the texts, whatever they hold.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

from carapax.invisible import strip

LONGEST = 20_000
"""Nothing names a longer value."""

_TRIES = 1_000
_SESSIONS = 32
_BETWEEN = " \ufffc "
_JOINERS = "./\\~-_+=%&*$:@#?,"
_COMMON = frozenset(
    {
        "about", "after", "all", "also", "and", "any", "anybody", "anyone", "anything", "are", "but", "can", "each",
        "else", "every", "everybody", "everyone", "everything", "false", "for", "from", "get", "has", "have", "her",
        "here", "him", "his", "how", "into", "its", "let", "may", "me", "more", "most", "new", "nil", "no", "nobody",
        "none", "not", "nothing", "now", "null", "off", "one", "only", "our", "out", "please", "same", "she", "some",
        "somebody", "someone", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those",
        "true", "undefined", "was", "were", "what", "when", "where", "which", "who", "will", "with", "yes", "you",
        "your",
    }
)  # fmt: skip
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_ISO_DATE = re.compile(r"(?<![\w-])(\d{4})-(\d\d)-(\d\d)(?![\d-])")
_MONTH_DAY = re.compile(rf"\b{_MONTH}\.? {_DAY}\b(?:,? (\d{{4}})\b)?")
_DAY_MONTH = re.compile(rf"\b{_DAY}\.? (?:of )?{_MONTH}\b(?:,? (\d{{4}})\b)?")
_YEAR = re.compile("19\\d\\d|20\\d\\d|2100")
_TIME = re.compile(r"(?<![\w:.])(\d{1,2})(?::(\d\d))? ?([ap]m)?(?![\w:])")
_WHEN = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ t](\d\d):(\d\d)(?::00(?:\.0+)?)?(?:z|[+-]\d\d:\d\d)?)?")
_NUMBER = re.compile(
    r"(?<![\w.,-])([$€£¥]?) ?(\d[\d,]*(?:\.\d+)?)(?! ?[-:/]\d)(?![\w@])( ?[$€£¥]| ?(?:usd|eur|gbp|chf|jpy)\b)?"
)

_FORM = re.compile(r"""(['"])((?=[^'"\ufffc]{0,100}\{[\w .-]{1,40}\})[^'"\ufffc]{1,200})\1""")
_GAP = 80
_ONE_WORD = re.compile(r"[^\W_](?:[\w-]{0,14}[^\W_])?")

_SPLIT = re.compile(r"[\s()<>\[\]{}\"'`“”‘’«»,;|!\\]+")
_HELD_APART = re.compile(r" ?[\[({] ?(\.|dot|at|@) ?[\])}] ?", re.IGNORECASE)
_PIECES = re.compile(r"[^\w./:?#~-]+")
_HOST = re.compile(r"(?:[\w-]{1,63}\.)+(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{1,60})\.?(?::\d{1,5})?")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?")
_PATH = re.compile(r"(?:~|\.\.|/[\w.-]+)/|/(?:etc|proc|root|home|usr|var|tmp|dev|sys)\b|[a-z]:[/\\]", re.IGNORECASE)
_DIGITS = re.compile(r"\d{6,}|\+?\d(?:(?:[ ()./-]{1,2}|,)?\d){7,}")
_DATES_AND_TIMES = re.compile(r"(?<!\d)(?:\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}|\d{1,2}:\d\d(?::\d\d)?)(?!\d)")
# Endings of files that are no top-level domains.
_FILES = frozenset(
    {
        "bak", "bat", "bmp", "cfg", "conf", "css", "csv", "db", "doc", "docx", "env", "exe", "gif", "go", "gz",
        "htm", "html", "ini", "ipynb", "java", "jpeg", "jpg", "js", "json", "jsonl", "jsx", "kt", "log", "mp3",
        "mp4", "ods", "odt", "old", "pdf", "php", "png", "ppt", "pptx", "rb", "rtf", "scss", "sql", "svg", "tar",
        "tmp", "toml", "ts", "tsv", "tsx", "txt", "wav", "webp", "xls", "xlsx", "xml", "yaml", "yml",
    }
)  # fmt: skip
_HANDLE = re.compile(r"@\w")
_HOST_ENDS = re.compile("[/?#]")
_PARTS = re.compile("[/.:]")
_POINTERS = frozenset("./@:~")
_KEY = 16
_SCHEME = re.compile("(?<![/?#=&%])https?://")
_PATHLIKE = re.compile(r"/|\w[?#]\w")
_QUOTES = (("`", "`"), ('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("«", "»"), ("„", "“"))
_DOTS = str.maketrans("。｡．", "...")


def names(texts: Sequence[str], value: object) -> bool:
    """Whether one of the texts names the value, a scalar as JSON has them."""
    texts = tuple(texts)
    match value:
        case bool() | None:
            return False
        case int():
            return Decimal(value) in _numbers(texts)
        case float():
            return Decimal(repr(value)) in _numbers(texts)
        case _:
            return _text_named(texts, str(value))


def names_host(texts: Sequence[str], url: str) -> bool:
    """Whether one of the texts names the host of a URL, by itself or in the address of one of its pages."""
    host = re.split(r"[/?#\\]", _needle(url.lower()), maxsplit=1)[0]
    if not _meant(host) or "@" in host or "." not in host:
        return False
    return _stands(_lower(tuple(texts)), host, ended="/?#")


def said_all(texts: Sequence[str], value: Any) -> bool:
    """Whether each word of a value stands in one of the texts, but for those too short or common to matter."""
    words = {word for leaf in leaves(value) for word in re.findall(r"[\w-]+", written(leaf))}
    return all(names(texts, word) or len(word) < 3 or word.lower() in _COMMON for word in words)


def writes_out(texts: Sequence[str], command: str) -> bool:
    """Whether one of the texts has the command between quotes or backticks, or on a line of its own: who writes "make a
    summary" has named no program."""
    return any(
        any(f"{before}{command}{after}" in text for before, after in _QUOTES)
        or any(line.strip().removeprefix("$ ") == command for line in text.splitlines())
        for text in texts
    )


def written(value: object) -> str:
    """A scalar as text, however large a number it is."""
    return str(Decimal(value)) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def leaves(value: Any) -> Iterator[object]:
    """The scalars in a value, those that say something: neither null nor empty."""
    match value:
        case Mapping():
            for inner in value.values():
                yield from leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from leaves(inner)
        case None | "":
            return
        case _:
            yield value


def references(value: Any) -> Iterator[str]:
    """What the texts in a value, and the names of its fields, point to: URLs, hosts, addresses of mail and network,
    handles, paths out of a folder, numbers as of telephones, cards and accounts, and long keys."""
    match value:
        case Mapping():
            for name, inner in value.items():
                yield from references(name)
                yield from references(inner)
        case list() | tuple():
            for inner in value:
                yield from references(inner)
        case bool() | None:
            return
        case _:
            yield from _references(written(value))


def only_names(text: str) -> bool:
    """Whether a text is nothing but names, a list of them in JSON or one a line, each one short word: too little to
    order anything in."""
    try:
        listed = msgspec.json.decode(text) if text.startswith("[") else text.splitlines()
    except msgspec.DecodeError:
        return False
    return all(isinstance(name, str) and _ONE_WORD.fullmatch(name.removeprefix("- ")) for name in listed)


def _references(text: str) -> Iterator[str]:
    plain = strip(unicodedata.normalize("NFKC", text)).translate(_DOTS)
    if _HELD_APART.search(plain):
        plain = _HELD_APART.sub(lambda found: "@" if found[1].lower() in ("at", "@") else ".", plain)
    if _DIGITS.search(plain):
        dateless = _DATES_AND_TIMES.sub(" · ", plain)
        for match in _DIGITS.finditer(dateless):
            yield _whole_word(dateless, match)
    for word in _SPLIT.split(plain):
        if len(word) < _KEY and _POINTERS.isdisjoint(word):
            continue
        for piece in _PIECES.split(word) if "://" not in word and "@" not in word else (word,):
            trimmed = piece.strip(".:?*_~") if piece[:1] not in "~." else piece.rstrip(".:?*_")
            if (len(trimmed) >= _KEY or not _POINTERS.isdisjoint(trimmed)) and _refers(trimmed):
                yield trimmed


def _whole_word(text: str, match: re.Match[str]) -> str:
    start, end = match.span()
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return text[start:end]


def _refers(word: str) -> bool:
    if "://" in word or word.startswith(("//", "www.")) or _PATH.match(word) or "/../" in word:
        return True
    if _HANDLE.search(word):
        return True
    host = _HOST_ENDS.split(word, maxsplit=1)[0]
    if _ADDRESS.fullmatch(host):
        return True
    if _HOST.fullmatch(host):
        return host.rpartition(".")[2].lower() not in _FILES
    return len(word) >= _KEY and any(map(_is_key, _PARTS.split(word)))


def _is_key(word: str) -> bool:
    """Whether it looks like what no person makes up: letters and digits mixed, and many of them."""
    bare = re.sub("[-_+=]", "", word)
    return len(bare) >= _KEY and bare.isalnum() and not bare.isalpha() and not bare.isdigit()


def _text_named(texts: tuple[str, ...], value: str) -> bool:
    needle = _needle(value)
    if len(needle) > LONGEST or _BETWEEN in needle:
        return False
    if (number := _plain_number(needle)) is not None:
        return number in _numbers(texts)
    lower = needle.lower()
    if not _meant(lower):
        return False
    if (when := _WHEN.fullmatch(lower)) is not None and _date_named(texts, when):
        return True
    # What changes under normalisation may reach another account than it looks like: only its own spelling names it.
    stable = unicodedata.is_normalized("NFKC", value) and strip(value) == value
    if not stable and not any(value in text for text in texts):
        return False
    if _stands(_plain(texts), needle) if _PATHLIKE.search(needle) else _stands(_lower(texts), lower):
        return True
    return stable and any(_fits(form, lower) for form in _forms(texts))


def _fits(form: tuple[str, ...], value: str) -> bool:
    """Whether the value is the form with its gaps filled in, by a few words that point nowhere."""
    if not value.startswith(form[0]) or any(references(value)):
        return False
    at = len(form[0])
    for number, part in enumerate(form[1:], 2):
        last = number == len(form)
        end = len(value) - len(part) if last and value.endswith(part) else value.find(part, at + 1) if not last else -1
        if not 0 < end - at <= _GAP:
            return False
        at = end + len(part)
    return at == len(value)


def _meant(value: str) -> bool:
    return value not in _COMMON and sum(map(str.isalnum, value[:100])) >= 3


def _plain_number(value: str) -> Decimal | None:
    """None also for what only looks like one: `007` names a thing, not an amount."""
    if not value[:1].isdigit() or (value[0] == "0" and not value.startswith("0.") and value != "0"):
        return None
    try:
        return Decimal(value.replace(",", ""))
    except InvalidOperation:
        return None


def _date_named(texts: tuple[str, ...], when: re.Match[str]) -> bool:
    year, month, day, hour, minute = when.groups()
    if f"{year}-{month}-{day}" not in _dates(texts) and f"{month}-{day}" not in _dates(texts):
        return False
    return hour is None or f"{hour}:{minute}" in _times(texts) or f"{hour}:{minute}" == "00:00"


def _stands(text: str, value: str, ended: str = "") -> bool:
    """Whether the value stands in the text as a whole, or goes on with one of `ended`."""
    start = text.find(value)
    for _ in range(_TRIES):
        if start < 0:
            return False
        end = start + len(value)
        if not _joined_before(text, start) and (not _joined_after(text, end) or text[end] in ended):
            return True
        start = text.find(value, _next_word(text, start))
    return False


def _next_word(text: str, start: int) -> int:
    """Where a whole value can begin at the earliest, after one that began at `start` was none."""
    at = start + 1
    while at < len(text) and text[at - 1].isalnum():
        at += 1
    return at


def _joined_before(text: str, start: int) -> bool:
    if start == 0:
        return False
    last = text[start - 1]
    if last.isalnum() or last in "./\\~-_+=%&*$":
        return True
    return (
        last in "@#:?,"
        and start > 1
        and text[start - 2].isalnum()
        and not (last in ":," and not text[start - 2].isdigit())
    )


def _joined_after(text: str, end: int) -> bool:
    at = end
    while at < len(text) and text[at] in _JOINERS:
        at += 1
    if at == len(text) or not text[at].isalnum():
        return False
    if at == end:
        return True
    return text[end] not in ",:" or text[at].isdigit() or at > end + 1


@lru_cache(maxsize=_SESSIONS)
def _plain(texts: tuple[str, ...]) -> str:
    """The texts as one that is quickly searched, with something between them that is in no value."""
    return _BETWEEN.join(_SCHEME.sub("", _normal(unicodedata.normalize("NFKC", strip(text)))) for text in texts)


@lru_cache(maxsize=_SESSIONS)
def _lower(texts: tuple[str, ...]) -> str:
    return _plain(texts).lower()


@lru_cache(maxsize=_SESSIONS)
def _forms(texts: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """What texts give in quotes with gaps to fill in, such as 'Dinner at {restaurant}': the parts around the gaps."""
    if "{" not in _plain(texts):
        return frozenset()
    forms = (tuple(re.split(r"\{[^{}]*\}", quoted)) for _, quoted in _FORM.findall(_lower(texts)))
    return frozenset(form for form in forms if len(form) > 1 and _meant("".join(form)))


@lru_cache(maxsize=_SESSIONS)
def _dates(texts: tuple[str, ...]) -> frozenset[str]:
    """The dates in texts, with their year where one is written beside them."""
    lower = _lower(texts)
    found = {f"{year}-{month}-{day}" for year, month, day in _ISO_DATE.findall(lower)}
    found |= {_date(year, month, day) for month, day, year in _MONTH_DAY.findall(lower)}
    return frozenset(found | {_date(year, month, day) for day, month, year in _DAY_MONTH.findall(lower)})


def _date(year: str, month: str, day: str) -> str:
    found = f"{_MONTHS.index(month[:3]) + 1:02}-{int(day):02}"
    return f"{year}-{found}" if year else found


@lru_cache(maxsize=_SESSIONS)
def _times(texts: tuple[str, ...]) -> frozenset[str]:
    found = _TIME.findall(_lower(texts))
    return frozenset(f"{_hour(hour, half):02}:{minute or '00'}" for hour, minute, half in found if minute or half)


def _hour(hour: str, half: str) -> int:
    return int(hour) % 12 + 12 * (half == "pm") if half else int(hour)


@lru_cache(maxsize=_SESSIONS)
def _numbers(texts: tuple[str, ...]) -> frozenset[Decimal]:
    """The numbers in texts that were meant: those with a currency, decimals, or three digits that are no year."""
    return frozenset(
        Decimal(digits.replace(",", ""))
        for before, digits, after in _NUMBER.findall(_lower(texts))
        if before or after or (sum(map(str.isdigit, digits)) >= 3 and not _YEAR.fullmatch(digits))
    )


def _normal(text: str) -> str:
    return " ".join(text.split())


def _needle(value: str) -> str:
    """A value without what need not be said of it: one scheme before it, and one slash after it. More of either could
    say something to whoever is asked for it."""
    normal = _normal(value)
    scheme = _SCHEME.match(normal)
    return (normal[scheme.end() :] if scheme else normal).removesuffix("/")
