"""What a model wants to call a tool with, read from its JSON and made to fit the tool's schema. Pure."""

import difflib
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from carapax.errors import InvalidRequest

MAX_BYTES = 8 << 20
MAX_DEPTH = 32

Schema = Mapping[str, Any]


def check_arguments(schema: Schema, text: str) -> dict[str, Any]:
    """Read the JSON a model wrote as arguments, and make it fit a JSON Schema object.

    No text is an empty object. A scalar of another type that means the same is converted ("5" to 5, "true" to true,
    5 to "5", 3.0 to 3), what is absent gets its default. Raises InvalidRequest that tells the model which argument
    does not fit, what was expected and what came. Understood are the keywords of types, of properties, items, enum,
    const, lengths and limits, anyOf, oneOf, allOf and local $ref; others are not enforced.
    """
    checked = _Check(schema).value(schema, _parsed(text), "")
    if not isinstance(checked, dict):
        raise InvalidRequest(f"the arguments must be a JSON object, not {_kind(checked)}")
    return checked


def _parsed(text: str) -> Any:
    if len(text) > MAX_BYTES:
        raise InvalidRequest(f"the arguments are longer than {MAX_BYTES} characters")
    if not text.strip():
        return {}
    try:
        parsed = msgspec.json.decode(text)
    except RecursionError:
        raise InvalidRequest("the arguments are nested too deep") from None
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise InvalidRequest(f"the arguments are not valid JSON: {error}", "write one complete JSON object") from None
    if not isinstance(parsed, dict):
        raise InvalidRequest(f"the arguments must be a JSON object, not {_kind(parsed)}")
    level: list[Any] = [parsed]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _children(outer)]
    if level:
        raise InvalidRequest(f"the arguments are nested deeper than {MAX_DEPTH} levels")
    return parsed


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


class _Check:
    """Values against one schema; `at` is the path of a value, as `files[2].name`."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def value(self, schema: Schema, value: Any, at: str) -> Any:
        schema = self._resolved(schema)
        if "anyOf" in schema or "oneOf" in schema:
            value = self._one_of(schema.get("anyOf") or schema["oneOf"], value, at)
        for part in schema.get("allOf", ()):
            value = self.value(part, value, at)
        if "type" in schema:
            value = _typed(schema, value, at)
        if isinstance(value, dict) and "properties" in schema:
            value = self._object(schema, value, at)
        elif isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
            value = [self.value(items, item, f"{at}[{index}]") for index, item in enumerate(value)]
        _limits(schema, value, at)
        return value

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(MAX_DEPTH):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#/"):
                return schema
            found: Any = self._root
            for step in reference[2:].split("/"):
                found = found.get(step.replace("~1", "/").replace("~0", "~"), {})
            schema = found
        return {}

    def _one_of(self, choices: list[Schema], value: Any, at: str) -> Any:
        """What a choice takes as it is goes before what a choice can be made of."""
        failed: InvalidRequest | None = None
        fits = [choice for choice in choices if _is_typed(self._resolved(choice), value)]
        for choice in fits or choices:
            try:
                return self.value(choice, value, at)
            except InvalidRequest as error:
                failed = failed or error
        if failed is not None and len(fits) == 1:
            raise failed
        raise _wrong(at, " or ".join(_expected(self._resolved(choice)) for choice in choices), value)

    def _object(self, schema: Schema, value: dict[str, Any], at: str) -> dict[str, Any]:
        known: Mapping[str, Schema] = schema["properties"]
        for name in value:
            if name not in known and schema.get("additionalProperties") is False:
                raise _unknown(name, known, at)
        for name in schema.get("required", ()):
            if name not in value:
                expected = _expected(self._resolved(known.get(name, {})))
                raise InvalidRequest(f"the argument {_path(at, name)} is missing", f"expected: {expected}")
        checked = {name: self.value(known.get(name, {}), inner, _path(at, name)) for name, inner in value.items()}
        absent = {name: inner["default"] for name, inner in known.items() if name not in value and "default" in inner}
        return checked | absent


def _typed(schema: Schema, value: Any, at: str) -> Any:
    """The value as the first type of the schema that it is, or means."""
    if _is_typed(schema, value):
        return value
    for kind in _types(schema):
        converted = _converted(kind, value)
        if converted is not None:
            return converted
    raise _wrong(at, _expected(schema), value)


def _types(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _is_typed(schema: Schema, value: Any) -> bool:
    kinds = _types(schema)
    return not kinds or _kind(value) in kinds or (_kind(value) == "integer" and "number" in kinds)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _converted(kind: str, value: Any) -> Any:
    """The scalar of that type which means the same, or None."""
    match kind, value:
        case "integer", float() if value.is_integer():
            return int(value)
        case "integer", str() if re.fullmatch(r"\s*[+-]?\d{1,18}(\.0+)?\s*", value, re.ASCII):
            return int(float(value)) if "." in value else int(value)
        case "number", str() if re.fullmatch(r"\s*[+-]?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?\s*", value, re.ASCII):
            number = float(value)
            return number if math.isfinite(number) else None
        case "boolean", str() if value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        case "string", bool():
            return str(value).lower()
        case "string", int() | float():
            return str(value)
        case _:
            return None


def _limits(schema: Schema, value: Any, at: str) -> None:
    if "enum" in schema and value not in schema["enum"]:
        raise _wrong(at, _expected(schema), value)
    if "const" in schema and value != schema["const"]:
        raise _wrong(at, repr(schema["const"]), value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        _within(value, value, schema, ("minimum", "maximum"), "a number of", at)
        _within(value, value, schema, ("exclusiveMinimum", "exclusiveMaximum"), "a number between", at)
    elif isinstance(value, str):
        _within(value, len(value), schema, ("minLength", "maxLength"), "a length of", at)
    elif isinstance(value, list):
        _within(value, len(value), schema, ("minItems", "maxItems"), "a number of items of", at)


def _within(value: Any, size: float, schema: Schema, names: tuple[str, str], what: str, at: str) -> None:
    low, high = schema.get(names[0]), schema.get(names[1])
    open_ended = names[0].startswith("exclusive")
    if low is not None and (size < low or (open_ended and size == low)):
        raise _wrong(at, f"{what} {'more than' if open_ended else 'at least'} {low}", value)
    if high is not None and (size > high or (open_ended and size == high)):
        raise _wrong(at, f"{what} {'less than' if open_ended else 'at most'} {high}", value)


def _expected(schema: Schema) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(repr(choice) for choice in schema["enum"])
    return " or ".join(_types(schema)) or "another value"


def _path(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _shown(value: Any) -> str:
    written = msgspec.json.encode(value).decode()
    return f"{_kind(value)} {written if len(written) <= 60 else written[:60] + '...'}"


def _wrong(at: str, expected: str, value: Any) -> InvalidRequest:
    return InvalidRequest(f"the argument {at or 'object'} must be {expected}, not {_shown(value)}")


def _unknown(name: str, known: Mapping[str, Schema], at: str) -> InvalidRequest:
    close = difflib.get_close_matches(name[:100], known, n=1)
    hint = f"did you mean {_path(at, close[0])}?" if close else f"known: {', '.join(known) or 'none'}"
    return InvalidRequest(f"there is no argument {_path(at, name[:100])}", hint)
