"""Keys and values as people write them in a shell."""

import tomllib
from typing import Any, cast

from carapax.configdoc import keys, table_at, toml, written
from carapax.configfile import Route, dotted, suggestion
from carapax.configschema import key_at
from carapax.errors import InvalidRequest
from carapax.tomllines import parts


def path_of(key: str) -> Route:
    """The path of a key that is written as in TOML, such as agents.main.effort. Raises InvalidRequest."""
    path = parts(key)
    if not path:
        raise InvalidRequest(
            f"{key!r} is no key", 'write it as in TOML, such as agents.main.effort or models."openai/gpt-5".input_usd'
        )
    for length in range(1, len(path) + 1):
        table, name = table_at(path[: length - 1]), path[length - 1]
        known = [one.name for one in keys(table)] if table else []
        if known and name not in known:
            raise InvalidRequest(f"there is no key {dotted(path[:length])}{suggestion(name, known)}")
    return path


def meant(path: Route, value: str) -> object:
    """What is meant by a value: as TOML where it is that and fits the key, else as text."""
    try:
        read: object = tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return value
    known = key_at(path)
    is_text = known is not None and known.type in ("text", "choice", "secret")
    return value if is_text and not isinstance(read, str) else read


def value_of(config: dict[str, Any], key: str) -> str:
    """What a configuration says of a key, as lines of TOML. Raises InvalidRequest for a key that there is not."""
    path, found = path_of(key), cast(Any, config)
    for step in path:
        if not isinstance(found, dict) or step not in found:
            there = f"; there are: {', '.join(found)}" if isinstance(found, dict) and found else ""
            raise InvalidRequest(f"{dotted(path)} is not set{there}")
        found = found[step]
    if isinstance(found, dict):
        return written(found)
    if found is None:
        raise InvalidRequest(f"{dotted(path)} is not set")
    return f"{toml(found)}\n"
