from hypothesis import example, given
from hypothesis import strategies as st

from carapax.events import TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.messages import Text, Thinking, ToolCall
from carapax.models.draft import Draft, ThinkTags


def split(*pieces: str) -> tuple[str, str]:
    tags = ThinkTags()
    fed = [*(tags.feed(piece) for piece in pieces), tags.feed("", last=True)]
    return "".join(thinking for thinking, _ in fed), "".join(text for _, text in fed)


def reference(text: str) -> tuple[str, str]:
    if not text.lstrip().startswith("<think>"):
        return "", text
    thinking, _, rest = text.lstrip()[7:].partition("</think>")
    return thinking, rest.lstrip()


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", "/", "a", " ", "\n"]), max_size=12).map("".join),
    st.lists(st.integers(0, 60), max_size=8),
)
@example("<think>a</think>\n\nb", [3, 8, 12])
def test_thoughts_in_tags_are_told_apart_however_the_text_is_cut(text: str, places: list[int]) -> None:
    ends = sorted({min(place, len(text)) for place in places} | {len(text)})
    pieces = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert split(*pieces) == reference(text)


def test_text_is_not_held_back_when_it_cannot_be_a_tag() -> None:
    assert ThinkTags().feed("<thin ice") == ("", "<thin ice")


def test_parts_stand_in_the_order_they_came() -> None:
    draft = Draft("r")
    draft.think("hm")
    draft.say("a")
    draft.say("b")
    draft.open_call("1", "look").arguments.append("{}")
    draft.think("so")
    assert draft.take_deltas() == [ThinkingDelta("hm"), TextDelta("a"), TextDelta("b"), ThinkingDelta("so")]
    assert draft.parts() == [Thinking("hm"), Text("ab"), ToolCall("1", "look", "{}"), Thinking("so")]


def test_a_call_is_shown_once_its_name_is_known() -> None:
    draft = Draft("r")
    call = draft.open_call(None)
    call.arguments.append('{"a"')
    draft.show(call)
    call.name = "look"
    draft.show(call)
    call.arguments.append(":1}")
    draft.show(call)
    draft.show(call)
    assert draft.take_deltas() == [
        ToolArgumentsDelta(0, '{"a"', "call_r_0", "look"),
        ToolArgumentsDelta(0, ":1}"),
    ]


def test_a_missing_or_repeated_id_is_made_up_and_a_missing_argument_is_none() -> None:
    draft = Draft("r")
    for vendor_id in (None, "x", "x", ""):
        draft.open_call(vendor_id, "look")
    draft.close_calls()
    assert draft.parts() == [
        ToolCall("call_r_0", "look", "{}"),
        ToolCall("x", "look", "{}"),
        ToolCall("call_r_2", "look", "{}"),
        ToolCall("call_r_3", "look", "{}"),
    ]
    assert [delta.text for delta in draft.take_deltas() if isinstance(delta, ToolArgumentsDelta)] == ["{}"] * 4


def test_a_call_that_never_had_a_name_is_shown_under_one_made_up() -> None:
    draft = Draft("r")
    draft.open_call("a").arguments.append("{}")
    draft.close_calls()
    assert draft.parts() == [ToolCall("a", "unknown", "{}")]
    assert draft.take_deltas() == [ToolArgumentsDelta(0, "{}", "a", "unknown")]
