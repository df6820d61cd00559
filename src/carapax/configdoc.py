"""What every key of a table means, read from its type; and the complete commented file of a new home."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from carapax import extensions
from carapax.config import Config
from carapax.errors import ConfigError
from carapax.redaction import Secret, encode

_PREAMBLE = """\
# The configuration of Carapax. Every key is here, with its meaning and its default.
# A line that begins with "#" and no space is a setting at its default: take the "#" away and change it.
# "carapax config check" says what is wrong with this file, "carapax config show" what is in force.
"""
EXTENSION_TABLES: dict[str, extensions.Kind] = {"channels": "channel", "tools": "tool", "sandboxes": "sandbox"}
_NAMED_TABLES = {
    "agents": "main",
    "providers": "NAME",
    "models": '"PROVIDER/MODEL"',
    "door": "CHANNEL",
    "credentials": "NAME",
}
_MEANING = re.compile(r"(\w+): (.+)")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table: what it is called, what it means, and its value when absent (None for none)."""

    name: str
    meaning: str
    default: object
    type: Any


def keys(kind: type[Struct]) -> list[Key]:
    """The keys of a table in order; a key whose docstring line is missing has an empty meaning."""
    meanings = _meanings(kind)
    return [
        Key(field.name, meanings.get(field.name, ""), _default(field), field.type)
        for field in msgspec.structs.fields(kind)
    ]


def summary(kind: type[Struct]) -> str:
    """The first paragraph of a type's docstring on one line."""
    return " ".join((kind.__doc__ or "").split("\n\n", 1)[0].split())


def table_type(annotation: Any) -> type[Struct] | None:
    """The Struct that a key's value must fit, when the key is a table."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, Struct) else None


def named_table_type(annotation: Any) -> type[Struct] | None:
    """The Struct of each entry, when the key is a table of named tables."""
    return table_type(get_args(annotation)[1]) if get_origin(annotation) is dict else None


def listed_table_type(annotation: Any) -> type[Struct] | None:
    """The Struct of each entry, when the key is a list of tables."""
    return table_type(get_args(annotation)[0]) if get_origin(annotation) is tuple else None


def table_at(path: tuple[str, ...]) -> type[Struct] | None:
    """The type of the table that stands, or would, at a path; None where none does. Imports the extension it is of."""
    kind: type[Struct] | None = Config
    steps = iter(path)
    for step in steps:
        if kind is None:
            return None
        if kind is Config and step in EXTENSION_TABLES:
            kind = extension_config(step, next(steps, ""))
            continue
        annotation = next((key.type for key in keys(kind) if key.name == step), None)
        named = named_table_type(annotation)
        kind = table_type(annotation) or (named if next(steps, "") else None)
    return kind


def extension_config(table: str, name: str) -> type[Struct] | None:
    """The `Config` of an extension whose section is in a table such as "tools"; None where there is neither."""
    try:
        return getattr(extensions.find(EXTENSION_TABLES[table], name), "Config", None) if name else None
    except ConfigError:
        return None


def as_default(path: tuple[str, ...]) -> tuple[str, str] | None:
    """The two lines by which the file of a new home tells what the key at a path means and what its default is."""
    table = table_at(path[:-1])
    found = next((key for key in keys(table) if key.name == path[-1]), None) if table else None
    if found is None or table_type(found.type) or listed_table_type(found.type):
        return None
    meaning, default = _key(found)
    return meaning, default


def explain(port: int = 0) -> str:
    """The complete commented `carapax.toml`. Only `port`, unless it is 0, stands there as a setting."""
    top = [key for key in keys(Config) if not _is_table(key)]
    lines = [_PREAMBLE]
    for key in top:
        lines += [*_key(key), ""]
    for key in keys(Config):
        lines += _table(key, port)
    return "\n".join(lines)


def toml(value: object) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, Secret):
        value = encode(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return (
            "{ "
            + ", ".join(f"{toml_key(name)} = {toml(item)}" for name, item in value.items() if item is not None)
            + " }"
        )
    return str(value)


def written(table: Mapping[str, object]) -> str:
    """A whole configuration as TOML, one key a line; keys whose value is None are left out."""
    scalars = {name: value for name, value in table.items() if not isinstance(value, dict)}
    lines = list(_lines_of((), scalars))
    for name, value in table.items():
        if isinstance(value, dict):
            lines += _lines_of((name,), value)
    return "\n".join(lines).lstrip("\n") + "\n"


def _lines_of(path: tuple[str, ...], table: Mapping[str, object]) -> Iterator[str]:
    tables = {name: value for name, value in table.items() if isinstance(value, dict)}
    values = {name: value for name, value in table.items() if name not in tables and value is not None}
    if path and (values or not tables):
        yield from ("", f"[{'.'.join(map(toml_key, path))}]")
    yield from (f"{toml_key(name)} = {toml(value)}" for name, value in values.items())
    for name, inner in tables.items():
        yield from _lines_of((*path, name), inner)


def toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)


def _table(key: Key, port: int) -> Iterator[str]:
    if table := table_type(key.type):
        yield from _section(table, key.name, {"port": port} if port and key.name == "gateway" else {})
    elif named := named_table_type(key.type):
        yield from _section(named, f"{key.name}.{_NAMED_TABLES[key.name]}", off="" if key.default else "#")
    elif key.name == "chains":
        yield from (f"# {key.meaning}", "#[chains]", '#NAME = ["PROVIDER/MODEL", "PROVIDER/MODEL"]', "")
    elif key.name in EXTENSION_TABLES:
        yield from (f"# {key.meaning}", f"#[{key.name}.NAME]", "")
        for name in extensions.names(EXTENSION_TABLES[key.name]):
            yield from _extension(key.name, name)


def _section(
    table: type[Struct], path: str, settings: Mapping[str, object] | None = None, off: str = ""
) -> Iterator[str]:
    """A table under its header, which `off` turns into a comment; then the tables inside of it."""
    yield f"# {summary(table)}"
    yield f"{off}[{path}]"
    for key in keys(table):
        if listed_table_type(key.type):
            yield f"# {key.name}: {key.meaning}; as many of the tables below as there are"
        elif not table_type(key.type):
            yield from _key(key, (settings or {}).get(key.name))
    yield ""
    for key in keys(table):
        if inner := table_type(key.type):
            yield from _section(inner, f"{path}.{key.name}", off=off)
        elif listed := listed_table_type(key.type):
            yield from _section(listed, f"[{path}.{key.name}]", off="#")


def _extension(table: str, name: str) -> Iterator[str]:
    kind = EXTENSION_TABLES[table]
    try:
        module = extensions.find(kind, name)
    except ConfigError as error:
        yield from (f"# {error}", f"#[{table}.{name}]", "")
        return
    config: type[Struct] | None = getattr(module, "Config", None)
    if config and msgspec.structs.fields(config):
        yield from _section(config, f"{table}.{name}", off="#")


def _key(key: Key, setting: object = None) -> Iterator[str]:
    yield f"# {key.meaning}"
    if setting is not None:
        yield f"{key.name} = {toml(setting)}"
    elif key.default is None:
        yield f"# {key.name} is not set"
    else:
        yield f"#{key.name} = {toml(key.default)}"


def _is_table(key: Key) -> bool:
    return table_type(key.type) is not None or get_origin(key.type) is dict


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None


def _meanings(kind: type[Struct]) -> dict[str, str]:
    """The `name: meaning` lines of a docstring; further lines go on with the meaning before them."""
    names = {field.name for field in msgspec.structs.fields(kind)}
    found: dict[str, str] = {}
    last = ""
    for line in (kind.__doc__ or "").split("\n\n", 1)[-1].splitlines():
        match = _MEANING.fullmatch(line.strip())
        if match and match[1] in names:
            last = match[1]
            found[last] = match[2]
        elif last and line.strip():
            found[last] += " " + line.strip()
    return found
