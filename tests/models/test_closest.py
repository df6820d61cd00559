import pytest

from carapax.models.closest import closest, did_you_mean

KNOWN = ["gpt-5", "gpt-5-mini", "GPT-4o", "claude-sonnet-4-6", "anthropic/claude-opus-4.1"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gpt-5-mimi", ["gpt-5-mini", "gpt-5"]),
        ("gpt-4O", ["GPT-4o", "gpt-5"]),
        ("claude-opus", ["anthropic/claude-opus-4.1"]),
        ("llama", []),
        ("", []),
    ],
)
def test_what_was_probably_meant_comes_first(name: str, found: list[str]) -> None:
    assert closest(name, KNOWN, 2) == found


def test_it_is_told_as_a_question() -> None:
    assert did_you_mean("gpt-5-mimi", ["gpt-5-mini", "gpt-5"]) == "did you mean gpt-5-mini or gpt-5?"
    assert did_you_mean("gpt-5-mimi", ["gpt-5-mini"]) == "did you mean gpt-5-mini?"
    assert did_you_mean("x", KNOWN) == ""


def test_of_very_many_names_those_that_hold_it_are_found_wherever_they_are() -> None:
    assert closest("mini", [f"model-{number}" for number in range(100_000)] + ["gpt-mini"]) == ["gpt-mini"]
