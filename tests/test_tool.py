"""Tools made of functions, and what models call them with."""

import json
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from carapax.arguments import check_arguments
from carapax.clock import SystemClock
from carapax.config import EgressConfig
from carapax.contracts import Tool, ToolContext
from carapax.egress import PublicEgress
from carapax.errors import InvalidRequest
from carapax.testing.sandbox import MemorySandbox
from carapax.tool import tool
from tests.running import run

CONTEXT = ToolContext(
    agent="main",
    session="s",
    run="r",
    call_id="c",
    sandbox=MemorySandbox(),
    egress=PublicEgress(EgressConfig()),
    clock=SystemClock(),
    progress=lambda text: None,
    config=None,
)


class Point(Struct):
    x: int
    y: int = 0


@tool(effects=("read", "network"), rerun="pure", authority=("city",))
async def weather(  # noqa: D417 (models give no context)
    context: ToolContext,
    city: str,
    days: Annotated[int, Meta(ge=1, le=7)] = 3,
    unit: Literal["celsius", "kelvin"] = "celsius",
    tags: list[str] | None = None,
    at: Point | None = None,
) -> str:
    """Tell the weather
    of a city.

    Nothing else.

    Args:
        city: name of the city,
            in any language
        days: how many
        unit: of temperature
        tags: what else
        at: where exactly
    """
    return f"{context.agent} {city} {days} {unit} {tags} {at}"


def test_a_function_is_a_tool() -> None:
    made: Tool = weather
    assert (made.name, made.description) == ("weather", "Tell the weather of a city. Nothing else.")
    assert (made.effects, made.rerun, made.authority) == (frozenset({"read", "network"}), "pure", ("city",))
    assert made.parameters["required"] == ["city"]
    assert made.parameters["additionalProperties"] is False
    assert made.parameters["properties"]["city"] == {
        "type": "string",
        "description": "name of the city, in any language",
    }
    assert made.parameters["properties"]["days"] == {
        "type": "integer",
        "description": "how many",
        "minimum": 1,
        "maximum": 7,
        "default": 3,
    }
    assert json.loads(msgspec.json.encode(made.parameters)) == made.parameters


def called(text: str) -> str:
    return run(weather.run(CONTEXT, check_arguments(weather.parameters, text)))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"city": "Ulm"}', "main Ulm 3 celsius None None"),
        ('{"city": 5, "days": "2"}', "main 5 2 celsius None None"),
        ('{"city": true, "days": 2.0, "unit": "kelvin"}', "main true 2 kelvin None None"),
        ('{"city": "Ulm", "tags": ["a", 1], "at": {"x": "4"}}', "main Ulm 3 celsius ['a', '1'] Point(x=4, y=0)"),
        ('{"city": "Ulm", "tags": null}', "main Ulm 3 celsius None None"),
    ],
)
def test_a_tool_is_called_with_arguments_made_to_fit(text: str, answer: str) -> None:
    assert called(text) == answer


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the argument city is missing (expected: string)"),
        ('{"city": "Ulm", "day": 2}', "there is no argument day (did you mean days?)"),
        ('{"city": "Ulm", "zzz": 2}', "there is no argument zzz (known: city, days, unit, tags, at)"),
        ('{"city": ["Ulm"]}', 'the argument city must be string, not array ["Ulm"]'),
        ('{"city": null}', "the argument city must be string, not null null"),
        ('{"city": "Ulm", "days": "two"}', 'the argument days must be integer, not string "two"'),
        ('{"city": "Ulm", "days": 2.5}', "the argument days must be integer, not number 2.5"),
        ('{"city": "Ulm", "days": 8}', "the argument days must be a number of at most 7, not integer 8"),
        ('{"city": "Ulm", "days": true}', "the argument days must be integer, not boolean true"),
        ('{"city": "Ulm", "unit": "c"}', "the argument unit must be one of 'celsius', 'kelvin', not string \"c\""),
        ('{"city": "Ulm", "tags": ["a", {}]}', "the argument tags[1] must be string, not object {}"),
        ('{"city": "Ulm", "at": {}}', "the argument at.x is missing (expected: integer)"),
        ('{"city": "Ulm", "at": 5}', "the argument at must be object or null, not integer 5"),
        ("[]", "the arguments must be a JSON object, not array"),
        ('"x"', "the arguments must be a JSON object, not string"),
        ("null", "the arguments must be a JSON object, not null"),
        ('{"city": "' + "a" * 100, "the arguments are not valid JSON: "),
        ('{"city": NaN}', "the arguments are not valid JSON: "),
        ('{"city": "\ud800"}', "the arguments are not valid JSON: "),
        ('{"city": ' + "[" * 100 + "]" * 100 + "}", "the arguments are nested deeper than 32 levels"),
        ("[" * 200_000, "the arguments are nested too deep"),
        (" " * (8 << 20) + "{}", "the arguments are longer than 8388608 characters"),
    ],
)
def test_what_does_not_fit_is_told_to_the_model(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        called(text)
    assert str(caught.value).startswith(said)


def test_a_function_whose_docstring_leaves_an_argument_out_is_no_tool() -> None:
    async def wrong(context: ToolContext, a: int) -> str:
        """Do it."""
        return ""

    with pytest.raises(TypeError, match="does not say what a is"):
        tool(effects=(), rerun="pure")(wrong)


def test_an_authority_must_be_an_argument() -> None:
    async def wrong(context: ToolContext) -> str:
        """Do it."""
        return ""

    with pytest.raises(TypeError, match="no argument path"):
        tool(effects=(), rerun="pure", authority=("path",))(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "days": st.integers(1, 7),
    "unit": st.sampled_from(["celsius", "kelvin"]),
    "tags": st.none() | st.lists(st.text(max_size=3), max_size=3),
}
FITTING = st.fixed_dictionaries({"city": st.text(max_size=10)}, optional=OPTIONAL)


@settings(deadline=None)
@given(st.text(max_size=60) | JSON.map(json.dumps))
def test_any_text_is_made_to_fit_or_refused(text: str) -> None:
    try:
        arguments = check_arguments(weather.parameters, text)
    except InvalidRequest:
        return
    assert run(weather.run(CONTEXT, arguments)).startswith("main ")


@settings(deadline=None)
@given(FITTING)
def test_what_fits_is_not_changed(arguments: dict[str, Any]) -> None:
    defaults = {"days": 3, "unit": "celsius", "tags": None, "at": None}
    assert check_arguments(weather.parameters, json.dumps(arguments)) == defaults | arguments
