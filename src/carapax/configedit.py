"""Changes `carapax.toml` for a person: one table comes or goes, and every other byte stays as it is."""

import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from carapax import durable
from carapax.config import Home
from carapax.configdoc import toml, toml_key
from carapax.configfile import parse
from carapax.errors import ConfigError, Conflict, StoreError

_HEADER = re.compile(r"[ \t]*\[\[?([^\[\]\n]+)\]\]?[ \t]*(#.*)?\r?$")
_BOM = "\ufeff"


def add_table(home: Home, path: tuple[str, str], values: Mapping[str, object]) -> None:
    """Write a new table, such as `[providers.lab]`, at the end of the file.

    Raises ConfigError when the file cannot be used as it is now or would be then, Conflict when it has the table,
    StoreError when it cannot be written.
    """
    _edit(home, lambda text: with_table(text, path, values))


def remove_table(home: Home, path: tuple[str, str]) -> bool:
    """Take a table out of the file; whether there was one. Raises as `add_table`."""
    return _edit(home, lambda text: without_table(text, path))


def with_table(text: str, path: tuple[str, str], values: Mapping[str, object]) -> str:
    """The text with a table at its end. Raises Conflict when it has the table."""
    before = tomllib.loads(text)
    table, name = path
    if name in before.get(table, {}):
        raise Conflict(f"carapax.toml has [{_dotted(path)}]", "take it out first")
    end = "\r\n" if "\r\n" in text else "\n"
    lines = [f"[{_dotted(path)}]", *(f"{toml_key(key)} = {toml(value)}" for key, value in values.items()), ""]
    gap = "" if not text else end if text.endswith("\n") else end * 2
    changed = text + gap + end.join(lines)
    wanted = {**before, table: {**before.get(table, {}), name: dict(values)}}
    if _read(changed) != wanted:
        raise _by_hand(path)
    return changed


def without_table(text: str, path: tuple[str, str]) -> str:
    """The text without a table: its header, its keys, and the empty line before it if nothing follows. Comments around
    it stay. Raises Conflict for one that is written in another way than under a header of its own."""
    before = tomllib.loads(text)
    table, name = path
    if name not in before.get(table, {}):
        return text
    rest = {key: value for key, value in before[table].items() if key != name}
    wanted = {**before, table: rest}
    for changed in _cuts(text, path):
        left = _read(changed)
        if left is not None and {table: {}, **left} == wanted:
            return changed
    raise _by_hand(path)


def _cuts(text: str, path: tuple[str, str]) -> Iterator[str]:
    """The text without what may be the table, in every way in which it may be read."""
    lines = text.split("\n")
    headers = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    for start in headers:
        header = _HEADER.match(lines[start])
        if header is None or _parts(header[1]) != path:
            continue
        for stop in [*(number for number in headers if number > start), len(lines)]:
            end = stop
            while end > start + 1 and _says_nothing(lines[end - 1]):
                end -= 1
            first = start
            if first and not lines[first - 1].strip() and not any(line.strip() for line in lines[end:]):
                first -= 1
            yield "\n".join([*lines[:first], *lines[end:]])


def _says_nothing(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _parts(header: str) -> tuple[str, ...]:
    try:
        found: dict[str, Any] = tomllib.loads(f"[{header}]")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while found:
        [(part, found)] = found.items()
        parts.append(part)
    return tuple(parts)


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _dotted(path: tuple[str, str]) -> str:
    return ".".join(toml_key(part) for part in path)


def _by_hand(path: tuple[str, str]) -> Conflict:
    return Conflict(
        f"{_dotted(path)} cannot be changed in carapax.toml without touching more than it",
        f"write it as a table of its own, [{_dotted(path)}], or change the file by hand",
    )


def _edit(home: Home, change: Callable[[str], str]) -> bool:
    """Whether the change is one. The file that a link leads to is changed, not the link."""
    file = home.config_file
    try:
        place = file.resolve()
        data, mode = _bytes(place)
        text = data.decode("utf-8")
        mark = _BOM if text.startswith(_BOM) else ""
        parse(text.removeprefix(mark), str(file))
        changed = change(text.removeprefix(mark))
        parse(changed, str(file))
        if mark + changed == text:
            return False
        if not mode & stat.S_IWUSR:
            raise StoreError(f"{file} is read-only", "make it writable, or change it where it is made")
        durable.replace(place, (mark + changed).encode(), mode)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text at byte {error.start}") from error
    except OSError as error:
        raise StoreError(
            f"{file} cannot be written: {error.strerror}", "make the file and its folder writable"
        ) from error
    return True


def _bytes(file: Path) -> tuple[bytes, int]:
    """What a file holds, and its mode; nothing, and that of a private one, when it is not there."""
    try:
        return file.read_bytes(), stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return b"", 0o600
