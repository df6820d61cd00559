"""The lines of a TOML text: which of them sets which key or opens which table, also those that are comments."""

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple

Path = tuple[str, ...]
Kind = Literal["table", "listed", "pair", "off table", "off"]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_PARTS = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_PARTS})[ \t]*\]\]?[ \t]*(?:#.*)?\r?$")
_PAIR = re.compile(rf"[ \t]*({_PARTS})[ \t]*=[ \t]*")
_OFF_HEADER = re.compile(rf"#\[\[?({_PARTS})\]\]?\r?$")
_OFF = re.compile(rf"#({_PARTS}) = .*$|# ({_PARTS}) is not set\r?$")
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*|[\[\]{}]|\n"
    r"""|[^"'#\[\]{}\n]+""",
    re.DOTALL,
)


class Statement(NamedTuple):
    """What the lines from `first` up to `last` (exclusive) say about `path`. An "off" one is a comment, as the file of
    a new home has them: a key at its default, or the header of a table that is not there. `value` is where in the text
    the value of a pair begins and ends."""

    kind: Kind
    path: Path
    first: int
    last: int
    value: tuple[int, int] = (0, 0)


def statements(text: str) -> list[Statement]:
    """All of them, in order, of a text that is TOML."""
    return list(_statements(text))


def _statements(text: str) -> Iterator[Statement]:
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    table: Path = ()
    commented: Path = ()
    number = 0
    while number < len(lines):
        line, first = lines[number], number
        number += 1
        if header := _HEADER.match(line):
            table = commented = parts(header[2])
            yield Statement("table" if header[1] == "[" else "listed", table, first, number)
        elif pair := _PAIR.match(line):
            begin = starts[first] + pair.end()
            end = value_end(text, begin)
            number += text.count("\n", begin, end)
            yield Statement("pair", (*table, *parts(pair[1])), first, number, (begin, end))
        elif off := _OFF_HEADER.match(line):
            commented = parts(off[1])
            yield Statement("off table", commented, first, number)
        elif (off := _OFF.match(line)) and (path := parts(off[1] or off[2])):
            yield Statement("off", (*commented, *path), first, number)


def value_end(text: str, begin: int) -> int:
    """Where the value that begins at a place of the text ends."""
    depth, end = 0, begin
    for token in _TOKEN.finditer(text, begin):
        word = token[0]
        if depth == 0 and (word == "\n" or word.startswith("#")):
            break
        depth += word in ("[", "{")
        depth -= word in ("]", "}")
        end = token.end() if word.strip() else end
    return begin + len(text[begin:end].rstrip())


@lru_cache(4096)
def parts(dotted: str) -> Path:
    """The parts of a key as it is written; none when it is no key."""
    try:
        found: dict[str, Any] = tomllib.loads(f"[{dotted}]")
    except tomllib.TOMLDecodeError:
        return ()
    names = []
    while found:
        [(name, found)] = found.items()
        names.append(name)
    return tuple(names)
