"""The tables and keys of the configuration as data, for forms that are made from them."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct, inspect

from carapax import extensions
from carapax.config import RESTART, Config
from carapax.configdoc import (
    EXTENSION_TABLES,
    extension_config,
    keys,
    listed_table_type,
    named_table_type,
    summary,
    table_at,
    table_type,
)
from carapax.redaction import Secret, encode

ANY = "*"
"""Stands in a path for the name of a table, or the number of one in a list."""

Path = tuple[str, ...]
Type = Literal["text", "number", "integer", "truth", "choice", "list", "table", "secret"]


class KeyInfo(Struct, frozen=True, omit_defaults=True):
    """A key of a table.

    name: what it is called
    meaning: what it means
    type: "text", "number", "integer", "truth" (true or false), "choice", "list" (of texts), "table" (of values by
        names of their own), or "secret", which belongs into the vault and is not set
    default: its value while it is not set
    optional: whether it may be without a value, which means something of its own
    required: whether it must be set
    choices: the values of a choice, in the order of the documentation
    minimum: the least number
    maximum: the greatest number
    lists: whether the values of a "table" are lists of texts
    restart: whether another value is in force only after a restart
    """

    name: str
    meaning: str
    type: Type
    default: Any = None
    optional: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    lists: bool = False
    restart: bool = False


class TableInfo(Struct, frozen=True, omit_defaults=True):
    """A table of the configuration.

    path: the keys that lead to it, "*" for a name or number of one's own
    meaning: what it is for
    keys: its keys, without the tables in it
    """

    path: Path
    meaning: str
    keys: tuple[KeyInfo, ...] = ()


def tables(config: Config) -> Iterator[TableInfo]:
    """Every table that the configuration can have: ours, and those of extensions that are installed or in use."""
    yield from _tables(Config, ())
    for table, kind in EXTENSION_TABLES.items():
        for name in dict.fromkeys([*extensions.names(kind), *getattr(config, table)]):
            if found := extension_config(table, name):
                yield from _tables(found, (table, name))


def key_at(path: Path) -> KeyInfo | None:
    """The key at a path; None where there is none, or a table."""
    table = table_at(path[:-1])
    return next((key for key in next(_tables(table, path[:-1])).keys if key.name == path[-1]), None) if table else None


def _tables(kind: type[Struct], path: Path) -> Iterator[TableInfo]:
    own = [key for key in keys(kind) if not _inner(key.type) and not (kind is Config and key.name in EXTENSION_TABLES)]
    required = {field.name for field in msgspec.structs.fields(kind) if field.required}
    found = tuple(_key(key.name, key.meaning, key.type, key.default, path, key.name in required) for key in own)
    yield TableInfo(path, summary(kind) if path else "", found)
    for key in keys(kind):
        if inner := table_type(key.type):
            yield from _tables(inner, (*path, key.name))
        elif inner := named_table_type(key.type) or listed_table_type(key.type):
            yield from _tables(inner, (*path, key.name, ANY))


def _inner(annotation: Any) -> type[Struct] | None:
    return table_type(annotation) or named_table_type(annotation) or listed_table_type(annotation)


def _key(name: str, meaning: str, annotation: Any, default: object, path: Path, required: bool) -> KeyInfo:
    found = inspect.type_info(annotation)
    optional = isinstance(found, inspect.UnionType)
    if isinstance(found, inspect.UnionType):
        found = next(one for one in found.types if not isinstance(one, inspect.NoneType))
    least, most = _bounds(found)
    values = found.value_type if isinstance(found, inspect.DictType) else None
    return KeyInfo(
        name,
        meaning,
        _type(found),
        "" if isinstance(default, Secret) else msgspec.to_builtins(default, enc_hook=encode),
        optional,
        required,
        _choices(found, meaning),
        least,
        most,
        isinstance(values, inspect.VarTupleType),
        any((*path, name)[: len(kept)] == kept for kept in RESTART),
    )


def _type(found: inspect.Type) -> Type:
    match found:
        case inspect.IntType():
            return "integer"
        case inspect.FloatType():
            return "number"
        case inspect.BoolType():
            return "truth"
        case inspect.LiteralType():
            return "choice"
        case inspect.VarTupleType() | inspect.ListType():
            return "list"
        case inspect.DictType():
            return "table"
        case inspect.CustomType():
            return "secret"
    return "text"


def _choices(found: inspect.Type, meaning: str) -> tuple[str, ...]:
    """In the order in which the meaning tells of them."""
    if not isinstance(found, inspect.LiteralType):
        return ()
    values = [str(value) for value in found.values]
    return tuple(sorted(values, key=lambda value: (meaning.find(f'"{value}"') % (len(meaning) + 1), value)))


def _bounds(found: inspect.Type) -> tuple[float | None, float | None]:
    """The least and the greatest number; none for a bound that the number itself may not reach, but of integers."""
    if isinstance(found, inspect.IntType):
        return (found.gt + 1 if found.gt is not None else found.ge), found.le
    return (found.ge, found.le) if isinstance(found, inspect.FloatType) else (None, None)
