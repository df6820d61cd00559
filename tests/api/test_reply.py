from collections.abc import Iterable

from carapax.api.reply import Answering, Reply
from carapax.events import (
    Envelope,
    Event,
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionEnded,
    Steered,
)
from carapax.messages import AssistantMessage, Text, Usage


def said(text: str) -> ModelResponded:
    return ModelResponded(AssistantMessage((Text(text),), usage=Usage(10, 2, reasoning=1)))


def reply_of(events: Iterable[tuple[str, Event]], message: str = "m1") -> Reply | None:
    answering = Answering(message)
    for seq, (run, event) in enumerate(events, 1):
        answering.apply(Envelope(seq, "s", 0.0, event, run))
    return answering.reply


def test_the_reply_is_the_last_answer_of_the_run_that_took_the_message() -> None:
    events: list[tuple[str, Event]] = [
        ("r0", RunStarted("main", "m", ("m0",))),
        ("r0", said("not this")),
        ("r0", RunFinished("done")),
        ("r1", RunStarted("main", "m", ("m1",))),
        ("r1", said("let me see")),
        ("r1", said("this")),
        ("r1", RunFinished("done")),
    ]
    assert reply_of(events) == Reply("this", "done", "", "r1", Usage(20, 4, reasoning=2))


def test_a_steered_message_is_answered_by_the_run_it_steered() -> None:
    events: list[tuple[str, Event]] = [
        ("r0", RunStarted("main", "m", ("m0",))),
        ("r0", Steered(("m1",))),
        ("r0", said("both")),
        ("r0", RunFinished("done")),
    ]
    found = reply_of(events)
    assert found is not None
    assert (found.text, found.run) == ("both", "r0")


def test_a_run_that_was_interrupted_goes_on_in_another() -> None:
    events: list[tuple[str, Event]] = [
        ("r1", RunStarted("main", "m", ("m1",))),
        ("r1", RunFinished("interrupted", "it goes on")),
        ("r2", RunStarted("main", "m", (), resumes="r1", attempt=2)),
        ("r2", said("after all")),
        ("r2", RunFinished("done")),
    ]
    found = reply_of(events)
    assert found is not None
    assert (found.text, found.run) == ("after all", "r2")


def test_nothing_is_a_reply_before_the_run_ends() -> None:
    assert reply_of([("r1", RunStarted("main", "m", ("m1",))), ("r1", said("x"))]) is None
    assert reply_of([("r0", RunStarted("main", "m", ("m0",))), ("r0", RunFinished("done"))]) is None


def test_a_session_that_ends_is_the_end_of_waiting() -> None:
    assert reply_of([("", SessionEnded("closed"))]) == Reply("", "cancelled", "closed")
