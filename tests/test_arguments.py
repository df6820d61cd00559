"""Arguments against any schema; `test_tool.py` has those of our own tools."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.arguments import check_arguments
from carapax.errors import InvalidRequest


def test_a_schema_of_another_hand_is_understood() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/definitions/size"},
            "b": {"oneOf": [{"type": "number"}, {"type": "string", "maxLength": 2}]},
            "c": {"type": ["integer", "null"]},
            "d": {"allOf": [{"type": "string"}, {"minLength": 2}]},
            "e": {"const": 1},
            "f": {"type": "array", "maxItems": 1},
            "g": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        },
        "definitions": {"size": {"type": "integer", "minimum": 1}},
    }
    fits = {"a": 1, "b": "xy", "c": None, "d": "ab", "e": 1, "f": [{}], "g": 0.5, "other": [1]}
    assert check_arguments(schema, json.dumps(fits)) == fits
    assert check_arguments(schema, '{"a": "1", "c": "2", "b": 5}') == {"a": 1, "c": 2, "b": 5}
    for wrong in ('{"a": 0}', '{"b": "xyz"}', '{"b": []}', '{"c": "x"}', '{"d": "x"}', '{"e": 2}', '{"f": [1, 2]}'):
        with pytest.raises(InvalidRequest):
            check_arguments(schema, wrong)
    for edge in ('{"g": 0}', '{"g": 1}'):
        with pytest.raises(InvalidRequest):
            check_arguments(schema, edge)


def test_a_schema_that_refers_to_itself_ends() -> None:
    assert check_arguments({"properties": {"a": {"$ref": "#/properties/a"}}}, '{"a": 1}') == {"a": 1}


@settings(deadline=None)
@given(st.integers(-(10**15), 10**15), st.booleans())
def test_a_scalar_survives_as_text(number: int, flag: bool) -> None:
    schema = {"properties": {"i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"}}}
    text = json.dumps({"i": str(number), "n": str(number), "b": str(flag)})
    assert check_arguments(schema, text) == {"i": number, "n": float(number), "b": flag}
