"""JSON as RFC 8259 has it, and nothing looser.

msgspec refuses NaN, lone surrogates, invalid UTF-8, control characters and trailing bytes. What it takes is refused
here: names that occur twice in an object, and nesting deeper than a limit, which is measured before parsing.
"""

import re

import msgspec

from carapax.gateway.errors import MalformedJson

# Possessive, and with an optional end, so that no input makes it go back over what it has read.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_decoder = msgspec.json.Decoder()


def parse(raw: bytes, depth: int) -> object:
    """Raises MalformedJson saying what is wrong and, where it is known, at which byte."""
    if raw.count(b"[") + raw.count(b"{") > depth and _depth(raw) > depth:
        raise MalformedJson(f"JSON is nested deeper than {depth} levels", "send flatter data")
    try:
        value: object = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedJson(f"the text is not JSON: {error}") from error
    members = _members(value)
    if raw.count(b":") != members and _STRINGS.sub(b"", raw).count(b":") != members:
        raise MalformedJson("a name occurs twice in an object", "send each name once")
    return value


def _depth(raw: bytes) -> int:
    deepest = level = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", raw)):
        if bracket in b"[{":
            level += 1
            deepest = max(deepest, level)
        else:
            level -= 1
    return deepest


def _members(value: object) -> int:
    """How many members all objects have together; a repeated name counts once."""
    if isinstance(value, dict):
        return len(value) + sum(_members(item) for item in value.values() if isinstance(item, dict | list))
    if isinstance(value, list):
        return sum(_members(item) for item in value if isinstance(item, dict | list))
    return 0
