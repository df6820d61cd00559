"""Changes a TOML text for a person: a key or table is set or goes, and every other line stays as it is.

There are several ways to write the same; of those that a change could be made in, the first counts whose result means
what is wanted, which is read to find out.
"""

import re
import tomllib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from carapax.configdoc import toml, toml_key
from carapax.errors import Conflict
from carapax.tomllines import Path, Statement, parts, statements, value_end

Off = Callable[[Path], tuple[str, str] | None]
"""The comment that tells what the key at a path means, and the one that stands for its default; None for neither."""


def edited(text: str, path: Path, value: object, off: Off = lambda path: None) -> str:
    """The text with `value` at `path`; None takes away what stands there. A table is changed key by key.

    Raises Conflict where that cannot be done without touching more.
    """
    before = tomllib.loads(text)
    there = _at(before, path)
    if _same(there, _plain(value)):
        return text
    if isinstance(value, dict) and there is None and (opened := _uncommented(text, path)):
        text, there = opened, {}
    if isinstance(there, dict) and isinstance(value, dict) and not _is_inline(text, path):
        for key in [*(key for key in there if key not in value), *value]:
            text = edited(text, (*path, key), value.get(key), off)
        return text
    if not value and isinstance(value, list | tuple) and _is_tables(there) and not _is_inline(text, path):
        value = None
    wanted = _with(before, path, value)
    for changed in _set(text, path, value, there, off) if value is not None else _unset(text, path, off):
        if _means(_read(changed), wanted):
            return changed
    where = ".".join(map(toml_key, path))
    raise Conflict(f"{where} cannot be changed in carapax.toml without touching more than it", "change it by hand")


def _uncommented(text: str, path: Path) -> str:
    """The text with the table under the header that is a comment; empty without one."""
    wanted, lines = _with(tomllib.loads(text), path, {}), text.split("\n")
    for header in statements(text):
        if header.kind == "off table" and header.path == path:
            changed = "\n".join([*lines[: header.first], lines[header.first][1:], *lines[header.last :]])
            if _means(_read(changed), wanted):
                return changed
    return ""


def _set(text: str, path: Path, value: object, there: object, off: Off) -> Iterator[str]:
    """The text with the value, in every way in which it might be written."""
    lines, found = text.split("\n"), statements(text)
    for pair in found:
        if pair.kind == "pair" and pair.path == path:
            yield from _in_place(text, pair, value)
        elif pair.kind == "pair" and pair.path == path[: len(pair.path)]:
            begin, end = pair.value
            inner = _with(tomllib.loads("x = " + text[begin:end])["x"], path[len(pair.path) :], value)
            yield text[:begin] + toml(inner) + text[end:]
    if isinstance(there, list):
        yield from _listed(lines, path, value)
    if not isinstance(value, dict) and not _is_tables(value):
        yield from _in_default(lines, found, path, value, off)
        yield from _in_table(lines, found, path, value)
    yield _appended(text, path, value)
    yield from _in_table(lines, found, path, value)


def _in_place(text: str, pair: Statement, value: object) -> Iterator[str]:
    begin, end = pair.value
    is_spread = isinstance(value, list | tuple) and "\n" in text[begin:end]
    if is_spread and (changed := _line_by_line(text[begin:end], value)):
        yield text[:begin] + changed + text[end:]
    yield text[:begin] + toml(value) + text[end:]


def _in_default(lines: list[str], found: list[Statement], path: Path, value: object, off: Off) -> Iterator[str]:
    """Where its default stands as a comment, in a table that may be one too."""
    _, default = off(path) or ("", "")
    for one in found:
        if one.kind == "off" and one.path == path and lines[one.first].strip() == default:
            on = [*lines]
            on[one.first] = _ended(f"{toml_key(path[-1])} = {toml(value)}", lines)
            yield "\n".join(on)
            for header in found:
                if header.kind == "off table" and header.path == path[:-1] and header.first < one.first:
                    yield "\n".join([*on[: header.first], on[header.first][1:], *on[header.last :]])


def _in_table(lines: list[str], found: list[Statement], path: Path, value: object) -> Iterator[str]:
    """After the last key of its table."""
    for place, section in _places(found, path[:-1]):
        key = ".".join(map(toml_key, path[len(section) :]))
        line = _ended(f"{key} = {toml(value)}", lines)
        yield "\n".join([*lines[:place], line, *(lines[place:] or [""])])


def _places(found: list[Statement], table: Path) -> Iterator[tuple[int, Path]]:
    """Before which line a key of the table may be written, and under which header that is."""
    section: Path = ()
    last: dict[Path, int] = {} if table else {(): 0}
    dotted: dict[Path, int] = {}
    for one in found:
        if one.kind in ("table", "listed"):
            section = one.path
            if one.kind == "table":
                last[section] = one.last
        elif one.kind == "pair":
            last[section] = one.last
            if one.path[: len(table)] == table and len(section) < len(table):
                dotted[section] = one.last
    if table in last:
        yield last[table], table
    yield from ((line, under) for under, line in dotted.items())


def _appended(text: str, path: Path, value: object) -> str:
    """The text with a table at its end that holds the value, or is it."""
    end = "\r\n" if "\r\n" in text else "\n"
    lines: list[str] = []
    if isinstance(value, Mapping):
        lines += [f"[{_header(path)}]", *_pairs(value)]
    elif _is_tables(value) and isinstance(value, Sequence):
        for item in value:
            lines += ["", f"[[{_header(path)}]]", *_pairs(item)] if lines else [f"[[{_header(path)}]]", *_pairs(item)]
    else:
        lines += [f"[{_header(path[:-1])}]", f"{toml_key(path[-1])} = {toml(value)}"]
    gap = "" if not text else end if text.endswith("\n") else end * 2
    return text + gap + end.join([*lines, ""])


def _unset(text: str, path: Path, off: Off) -> Iterator[str]:
    lines, found = text.split("\n"), statements(text)
    for pair in found:
        if pair.kind == "pair" and pair.path == path:
            meaning, default = off(path) or ("", "")
            if default and pair.first and lines[pair.first - 1].strip() == meaning:
                yield "\n".join([*lines[: pair.first], _ended(default, lines), *lines[pair.last :]])
            yield "\n".join([*lines[: pair.first], *lines[pair.last :]])
            yield "\n".join([*lines[: pair.first], _emptied(lines[pair.first]), *lines[pair.last :]])
        elif pair.kind == "pair" and pair.path == path[: len(pair.path)]:
            begin, end = pair.value
            inner = _with(tomllib.loads("x = " + text[begin:end])["x"], path[len(pair.path) :], None)
            yield text[:begin] + toml(inner) + text[end:]
    yield _without(lines, found, path)


def _emptied(line: str) -> str:
    """Instead of the last key of a table whose name stands before it, the table without keys."""
    written = parts(line[: line.find("=")].strip())
    return f"{_header(written[:-1])} = {{}}"


def _without(lines: list[str], found: list[Statement], path: Path) -> str:
    """The text without all tables and dotted keys at or below the path. Comments around them stay."""
    cut: set[int] = set()
    for first, last, table in reversed(_sections(found, len(lines))):
        if table[: len(path)] == path and table:
            cut.update(_block(lines, found, first, last, cut))
    for pair in found:
        if pair.kind == "pair" and pair.path[: len(path)] == path:
            cut.update(range(pair.first, pair.last))
    return "\n".join(line for number, line in enumerate(lines) if number not in cut)


def _sections(found: list[Statement], end: int) -> list[tuple[int, int, Path]]:
    """From which line to which each header reaches."""
    headers = [one for one in found if one.kind in ("table", "listed")]
    stops = [*(one.first for one in headers[1:]), end]
    return [(one.first, stop, one.path) for one, stop in zip(headers, stops, strict=False)]


def _block(lines: list[str], found: list[Statement], first: int, last: int, cut: Container[int] = frozenset()) -> range:
    """The lines of a section: its header, its keys, and the empty line before it if nothing follows that is not `cut`
    as well."""
    own = [one.last for one in found if one.kind in ("table", "listed", "pair") and first <= one.first < last]
    offs = [one for one in found if one.kind in ("off", "off table") and first <= one.first < last]
    own += [one.last for one in offs[: next((i for i, one in enumerate(offs) if one.kind == "off table"), len(offs))]]
    end = max(own)
    is_last = not any(line.strip() for number, line in enumerate(lines[end:], end) if number not in cut)
    return range(first - 1 if first and is_last and not lines[first - 1].strip() else first, end)


def _listed(lines: list[str], path: Path, value: object) -> Iterator[str]:
    """Tables under headers of their own, [[path]]: those that stay, stay as they are written."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, dict) for item in value):
        return
    found = statements("\n".join(lines))
    blocks: list[list[int]] = []
    for first, last, table in _sections(found, len(lines)):
        if table == path:
            blocks.append([*range(_said_above(lines, first), first), *_block(lines, found, first, last)])
        elif table[: len(path)] == path and blocks:
            blocks[-1] += range(blocks[-1][-1] + 1, max(_block(lines, found, first, last)) + 1)
    written = ["\n".join(lines[number] for number in block) for block in blocks]
    known = [(_at(_read(text.lstrip("\n")) or {}, path) or [None])[0] for text in written]
    texts: list[str] = []
    for item in value:
        if item in known:
            place = known.index(item)
            texts.append(written[place].strip("\r\n"))
            known[place] = None
        else:
            end = "\r" if any(line.endswith("\r") for line in lines) else ""
            texts.append("\n".join(line + end for line in [f"[[{_header(path)}]]", *_pairs(item)]))
    whole = {number for block in blocks for number in block}
    if blocks and all(
        number in whole or not lines[number].strip() for number in range(blocks[0][0], blocks[-1][-1] + 1)
    ):
        before, after = lines[: blocks[0][0]], lines[blocks[-1][-1] + 1 :]
        gap = "\r\n\r\n" if any(line.endswith("\r") for line in lines) else "\n\n"
        start = [""] if blocks[0] and not lines[blocks[0][0]].strip() else []
        yield "\n".join([*before, *start, gap.join(text.rstrip("\r") for text in texts), *after])


def _said_above(lines: list[str], first: int) -> int:
    """Where the comment begins that stands right above a header."""
    while first and re.match(r"# |#+\s*$", lines[first - 1]):
        first -= 1
    return first


def _line_by_line(written: str, value: object) -> str:
    """An array with one item a line, of which those that stay keep their lines and what is said there; empty for one
    that is written otherwise."""
    lines = written.split("\n")
    head, body, foot = lines[0], lines[1:-1], lines[-1]
    if head.strip() != "[" or foot.strip() != "]" or not isinstance(value, list | tuple):
        return ""
    wanted, kept = [*value], list[str]()
    indent = ""
    for line in body:
        said = line[: value_end(line, 0)].rstrip(", \t\r")
        if not said.strip():
            kept.append(line)
            continue
        try:
            [item] = tomllib.loads(f"x = [{said}]")["x"]
        except (tomllib.TOMLDecodeError, ValueError):
            return ""
        indent = line[: len(line) - len(line.lstrip())]
        while wanted and wanted[0] not in [_item(other) for other in body] and wanted[0] != item:
            kept.append(f"{indent}{toml(wanted.pop(0))},")
        if wanted and wanted[0] == item and type(wanted[0]) is type(item):
            kept.append(_with_comma(line))
            wanted.pop(0)
    kept += [f"{indent or '  '}{toml(item)}," for item in wanted]
    return "\n".join([head, *kept, foot])


def _item(line: str) -> object:
    said = line[: value_end(line, 0)].rstrip(", \t\r")
    try:
        [item] = tomllib.loads(f"x = [{said}]")["x"]
    except (tomllib.TOMLDecodeError, ValueError):
        return None
    return item


def _with_comma(line: str) -> str:
    end = value_end(line, 0)
    said = line[:end]
    return line if said.rstrip().endswith(",") else said + "," + line[end:]


def _pairs(table: Mapping[str, object]) -> list[str]:
    return [f"{toml_key(key)} = {toml(value)}" for key, value in table.items() if value is not None]


def _header(path: Path) -> str:
    return ".".join(map(toml_key, path))


def _ended(line: str, lines: Sequence[str]) -> str:
    """A line with the end that the others have."""
    return line + "\r" if any(other.endswith("\r") for other in lines) else line


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, dict) for item in value)


def _is_inline(text: str, path: Path) -> bool:
    """Whether it stands, or is a part of what stands, after a key."""
    return any(one.kind == "pair" and one.path == path[: len(one.path)] for one in statements(text))


def _at(table: Mapping[str, Any], path: Path) -> Any:
    found: Any = table
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _with(table: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    """A copy in which the value is the one at the path, or, for None, nothing is."""
    copy = deepcopy(table)
    inner: Any = copy
    for step in path[:-1]:
        inner = inner.setdefault(step, {})
        if not isinstance(inner, dict):
            raise Conflict(f"{_header(path)} cannot be set: {toml_key(step)} is no table", "change it by hand")
    if value is None:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = _plain(value)
    return copy


def _plain(value: object) -> object:
    """As TOML gives it back: lists for tuples, no keys for None."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _means(text: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    """Whether a text that was read is what is wanted; a table of names that has none is the same as none."""
    if text is None:
        return False
    return _same(*({key: value for key, value in table.items() if value != {}} for table in (text, wanted)))


def _same(one: object, other: object) -> bool:
    """Whether they are equal, also in type: 1 is not true, nor 1.0."""
    return _typed(one) == _typed(other)


def _typed(value: object) -> object:
    match value:
        case Mapping():
            return {key: _typed(item) for key, item in value.items()}
        case list() | tuple():
            return [_typed(item) for item in value]
    return (type(value), value)


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
