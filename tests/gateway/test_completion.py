from collections.abc import Iterable

import pytest

from carapax.errors import ModelUnavailable
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    Event,
    Finish,
    ModelResponded,
    RunFinished,
    StreamReset,
    TextDelta,
    ThinkingDelta,
    ToolReturned,
)
from carapax.gateway.completion import Answer, Chunk
from carapax.messages import AssistantMessage, StopReason, Text, ToolResult, Usage


def said(text: str, stop: StopReason = "end") -> ModelResponded:
    return ModelResponded(AssistantMessage((Text(text),), stop))


def feed(answer: Answer, events: Iterable[Event]) -> list[Chunk]:
    return [
        chunk
        for seq, event in enumerate(events, 1)
        for chunk in answer.feed(Envelope(seq, "session", 0.0, event, "run"))
    ]


def answer_of() -> Answer:
    return Answer("chatcmpl-1", 0, "carapax", "session")


def text_of(chunks: Iterable[Chunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([TextDelta("a "), TextDelta("b"), said("a b")], "a b"),
        ([said("all at once")], "all at once"),
        ([TextDelta("a "), said("a b")], "a b"),
        ([TextDelta("a"), said("a"), TextDelta("b"), said("b")], "a\n\nb"),
        ([said(""), TextDelta("b"), said("b")], "b"),
        ([StreamReset(), TextDelta("b"), said("b")], "b"),
    ],
)
def test_streamed_and_whole_text_are_the_same(events: list[Event], text: str) -> None:
    answer = answer_of()
    assert text_of(feed(answer, events)) == text
    assert answer.whole(Usage()).choices[0].message.content == text


@pytest.mark.parametrize(
    ("events", "streamed", "whole"),
    [
        ([TextDelta("a"), StreamReset(), TextDelta("b"), said("b")], "a\n\n[started anew]\n\nb", "b"),
        (
            [said("x"), TextDelta("a"), StreamReset(), TextDelta("b"), StreamReset(), said("c")],
            "x\n\na\n\n[started anew]\n\nb\n\n[started anew]\n\nc",
            "x\n\nc",
        ),
    ],
)
def test_what_is_void_was_streamed_but_is_no_part_of_the_whole(events: list[Event], streamed: str, whole: str) -> None:
    answer = answer_of()
    assert text_of(feed(answer, events)) == streamed
    assert answer.whole(Usage()).choices[0].message.content == whole


def test_thoughts_that_are_void_are_no_part_of_the_whole() -> None:
    answer = answer_of()
    events: list[Event] = [
        ThinkingDelta("hm"),
        said(""),
        ThinkingDelta("so"),
        ToolReturned(ToolResult("1", "look", "x")),
        ThinkingDelta("void"),
        StreamReset(),
        ThinkingDelta("!"),
    ]
    feed(answer, events)
    assert answer.whole(Usage()).choices[0].message.reasoning_content == "hmsolook done\n!"


def test_thoughts_are_reasoning_content() -> None:
    answer = answer_of()
    chunks = feed(answer, [ThinkingDelta("hm "), ThinkingDelta("so")])
    assert [chunk.choices[0].delta.reasoning_content for chunk in chunks] == ["hm ", "so"]
    assert answer.whole(Usage()).choices[0].message.reasoning_content == "hm so"


@pytest.mark.parametrize(
    ("stop", "finish", "reason"),
    [
        ("end", "done", "stop"),
        ("length", "done", "length"),
        ("filtered", "done", "content_filter"),
        ("end", "limit", "length"),
        ("end", "cancelled", "stop"),
        ("tool_calls", "loop", "stop"),
    ],
)
def test_why_it_ended_is_told_in_the_words_of_the_api(stop: StopReason, finish: Finish, reason: str) -> None:
    answer = answer_of()
    feed(answer, [said("x", stop), RunFinished(finish, "because")])
    end = answer.end()
    assert end.choices[0].finish_reason == answer.whole(Usage()).choices[0].finish_reason == reason
    assert end.carapax is not None
    assert end.carapax.finish == (None if finish == "done" else finish)


def test_a_failed_run_is_an_error() -> None:
    with pytest.raises(ModelUnavailable, match="no key"):
        feed(answer_of(), [RunFinished("failed", "no key")])


def test_usage_adds_up() -> None:
    usage = answer_of().whole(Usage(10, 5, cache_read=4, reasoning=2)).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15)
    assert (usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens) == (4, 2)


def test_a_client_sees_that_a_question_waits_and_how_it_was_answered() -> None:
    asked = ApprovalAsked("q", "c", "post", "post", "0", "ABC", "rule of two", "it has read a page", 300.0)
    events: list[Event] = [asked, ApprovalGiven("q", "deny", "ann"), asked, ApprovalGiven("q", "deny"), said("done")]
    chunks = feed(answer_of(), events)
    assert [chunk.choices[0].delta.reasoning_content for chunk in chunks[:4]] == [
        "post waits for a person's yes, because it has read a page\n",
        "ann said no\n",
        "post waits for a person's yes, because it has read a page\n",
        "nobody answered in time\n",
    ]
    assert [chunk.carapax.event for chunk in chunks[:4] if chunk.carapax] == events[:4]
