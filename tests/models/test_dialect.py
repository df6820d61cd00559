from hypothesis import given
from hypothesis import strategies as st

from carapax.messages import AssistantMessage, ToolCall, ToolResult
from carapax.models.dialect import arguments_object, fitting_id, fitting_name, is_one_of, told_apart, told_of


def test_arguments_that_are_no_object_go_back_inside_of_one() -> None:
    assert arguments_object(ToolCall("1", "t", '{"a": 1}')) == {"a": 1}
    assert arguments_object(ToolCall("1", "t", "")) == {}
    for broken in ('{"a": ', "[1]", "null", "\ud800"):
        assert arguments_object(ToolCall("1", "t", broken)) == {"invalid_json": broken}


@given(st.text(max_size=80))
def test_names_and_ids_fit_what_vendors_take(name: str) -> None:
    assert fitting_id(name, r"[a-zA-Z0-9]{9}").isalnum()
    assert len(fitting_id(name, r"[a-zA-Z0-9]{9}")) == 9
    assert fitting_id(name, r"[a-zA-Z0-9]{9}") == fitting_id(name, r"[a-zA-Z0-9]{9}")
    assert 1 <= len(fitting_name(name)) <= 64


def test_an_id_that_fits_stays() -> None:
    assert fitting_id("call_1", r"[a-z_0-9]+") == "call_1"


def test_a_models_name_is_found_by_the_first_pattern_that_fits() -> None:
    assert is_one_of("large-4-6", ("small-*", "large-4-[6-9]*"))
    assert not is_one_of("large-4-5", ("small-*", "large-4-[6-9]*"))
    assert told_of("large-4", {"*-4": 1, "large-*": 2}) == 1
    assert told_of("large-5", {"*-4": 1, "large-*": 2}) == 2
    assert told_of("small", {"*-4": 1, "large-*": 2}) is None


def test_messages_whose_calls_differ_stay_as_they_are() -> None:
    asked = AssistantMessage((ToolCall("a", "look", "{}"), ToolCall("b", "look", "{}")))
    messages = (asked, ToolResult("a", "look", "1"), ToolResult("b", "look", "2"))
    assert told_apart(messages) is messages


def test_a_call_with_an_id_of_an_earlier_answer_gets_another_and_so_does_its_result() -> None:
    asked = AssistantMessage((ToolCall("a", "look", "{}"),))
    again = AssistantMessage((ToolCall("a_2", "look", "{}"),))
    result, third = ToolResult("a", "look", "1"), ToolResult("a_2", "look", "1")
    renamed = AssistantMessage((ToolCall("a_3", "look", "{}"),))
    assert told_apart((asked, result, asked, result, again, third)) == (
        asked,
        result,
        renamed,
        ToolResult("a_3", "look", "1"),
        again,
        third,
    )
