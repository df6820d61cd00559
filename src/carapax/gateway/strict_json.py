"""JSON as RFC 8259 has it, and nothing looser.

msgspec refuses NaN, lone surrogates, invalid UTF-8, control characters and trailing bytes. What it takes is refused
here: names that occur twice in an object, and nesting deeper than a limit, which is measured before parsing.
"""

import re

import msgspec

from carapax.gateway.errors import MalformedJson

# Possessive, and with an optional end, so that no input makes it go back over what it has read.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(_STRINGS.pattern + rb"|[\[\]{}]", re.DOTALL)
_decoder = msgspec.json.Decoder()


def parse(raw: bytes, depth: int) -> object:
    """Raises MalformedJson saying what is wrong and, where it is known, at which byte."""
    if raw.count(b"[") + raw.count(b"{") > depth and _is_deeper(raw, depth):
        raise MalformedJson(f"JSON is nested deeper than {depth} levels", "send flatter data")
    try:
        value: object = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedJson(f"the text is not JSON: {error}") from error
    members = _members(value)
    if raw.count(b":") != members and _STRINGS.sub(b"", raw).count(b":") != members:
        raise MalformedJson("a name occurs twice in an object", "send each name once")
    return value


def _is_deeper(raw: bytes, depth: int) -> bool:
    level = 0
    for found in _BRACKETS.finditer(raw):
        level += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
        if level > depth:
            return True
    return False


def _members(value: object) -> int:
    """How many members all objects have together; a repeated name counts once."""
    if isinstance(value, dict):
        return len(value) + sum(_members(item) for item in value.values() if isinstance(item, dict | list))
    if isinstance(value, list):
        return sum(_members(item) for item in value if isinstance(item, dict | list))
    return 0
