from hypothesis import given
from hypothesis import strategies as st

from carapax.agent.context import NEVER_RAN, Transcript, fold, recap
from carapax.events import (
    Envelope,
    HistoryCompacted,
    Kept,
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
    Steered,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Message, Sender, Text, ToolCall, ToolResult, UserMessage

ONE, TWO = ToolCall("1", "a", "{}"), ToolCall("2", "b", "{}")
ASKED = ModelResponded(AssistantMessage((ONE, TWO), "tool_calls"))


def folded(*events: Kept) -> Transcript:
    return fold(Envelope(seq, "s", 0.0, event, "r") for seq, event in enumerate(events, 1))


def received(name: str, text: str = "hi", sender: str = "ann") -> MessageReceived:
    return MessageReceived(name, Sender(sender, sender), text, "test", "")


def answered(call: ToolCall, text: str = "ok") -> ToolReturned:
    return ToolReturned(ToolResult(call.id, call.name, text))


def test_a_message_waits_until_a_run_takes_it() -> None:
    waiting = folded(SessionStarted("main", "test", ""), received("m1"), received("m2"))
    assert list(waiting.waiting) == ["m1", "m2"]
    assert waiting.messages == []
    taken = folded(received("m1"), received("m2"), RunStarted("main", "x/y", ("m1",)))
    assert list(taken.waiting) == ["m2"]
    assert taken.messages == [UserMessage("hi", "ann")]


def test_results_stand_in_the_order_asked_however_they_came() -> None:
    transcript = folded(ASKED, answered(TWO, "b"), answered(ONE, "a"))
    assert transcript.messages[1:] == [ToolResult("1", "a", "a"), ToolResult("2", "b", "b")]
    assert transcript.unanswered == []


def test_a_steered_message_comes_after_the_results_before_it() -> None:
    transcript = folded(ASKED, received("m"), answered(ONE), answered(TWO), Steered(("m",)))
    assert [type(message) for message in transcript.messages] == [AssistantMessage, ToolResult, ToolResult, UserMessage]


def test_calls_without_a_result_are_unanswered_and_those_begun_are_running() -> None:
    transcript = folded(RunStarted("main", "x/y"), ASKED, ToolCalled(ONE, "at_most_once"))
    assert transcript.unanswered == [ONE, TWO]
    assert transcript.running == {"1": "at_most_once"}
    assert transcript.run == RunStarted("main", "x/y")


def test_a_new_run_answers_calls_that_never_ran_and_a_resumed_one_keeps_them() -> None:
    before: tuple[Kept, ...] = (RunStarted("main", "x/y"), ASKED, answered(ONE), RunFinished("interrupted"))
    resumed = folded(*before, RunStarted("main", "x/y", (), "r", 2))
    assert resumed.unanswered == [TWO]
    fresh = folded(*before, received("m"), RunStarted("main", "x/y", ("m",)))
    assert fresh.messages[2:] == [ToolResult("2", "b", NEVER_RAN, True), UserMessage("hi", "ann")]


def test_an_interrupted_run_is_remembered_until_it_is_resumed() -> None:
    start = RunStarted("main", "x/y")
    assert folded(start, RunFinished("interrupted")).interrupted == ("r", start)
    assert folded(start, RunFinished("done")).interrupted is None
    assert folded(start, RunFinished("interrupted"), RunStarted("main", "x/y", (), "r", 2)).interrupted is None
    assert folded(start, RunFinished("interrupted"), RunFinished("cancelled")).interrupted is None


def test_compaction_replaces_what_came_before_and_leaves_the_rest_whole() -> None:
    transcript = folded(
        received("1", "old"),
        RunStarted("main", "x/y", ("1",)),
        ModelResponded(AssistantMessage((Text("old answer"),))),
        received("2", "new"),
        RunStarted("main", "x/y", ("2",)),
        HistoryCompacted(4, ("a fact",), "a summary"),
    )
    assert transcript.messages == [UserMessage(recap(("a fact",), "a summary")), UserMessage("new", "ann")]


def test_the_last_value_of_a_state_counts() -> None:
    assert folded(StateChanged("title", "a"), StateChanged("title", "b")).state == {"title": "b"}
    assert folded(SessionEnded()).ended


def test_a_call_made_by_a_person_is_no_part_of_the_conversation() -> None:
    assert folded(RunStarted("main", ""), ToolCalled(ONE), answered(ONE), RunFinished("done")).messages == []


def session(choices: list[int]) -> list[Kept]:
    """A session as the gateway writes it, by these choices: runs that call tools, are steered, cut short, resumed."""
    events: list[Kept] = [SessionStarted("main", "test", "")]
    for number, choice in enumerate(choices):
        now = folded(*events)
        name = f"m{number}"
        match choice % 7:
            case 0:
                events.append(received(name))
            case 1 if now.run is None:
                resumes = now.interrupted[0] if now.interrupted else ""
                events.append(RunStarted("main", "x/y", () if resumes else tuple(now.waiting)[:1], resumes))
            case 2 if now.run and not now.unanswered:
                events.append(ASKED if choice % 2 else ModelResponded(AssistantMessage((Text(name),))))
            case 3 if now.unanswered:
                events.append(answered(now.unanswered[choice % len(now.unanswered)], name))
            case 4 if now.run and not now.unanswered and now.waiting:
                events.append(Steered(tuple(now.waiting)))
            case 5 if now.run:
                events.append(RunFinished("interrupted" if choice % 2 else "cancelled"))
            case 6 if now.run and not now.unanswered:
                events.append(HistoryCompacted(choice % len(events), (), "so far"))
    return events


CHOICES = st.lists(st.integers(0, 100), max_size=40)


@given(CHOICES)
def test_every_call_is_followed_by_its_result_or_is_unanswered(choices: list[int]) -> None:
    transcript = folded(*session(choices))
    awaited: list[str] = []
    for message in transcript.messages:
        if isinstance(message, ToolResult):
            assert awaited.pop(0) == message.call_id
        else:
            assert awaited == []
            awaited = [call.id for call in message.tool_calls] if isinstance(message, AssistantMessage) else []
    assert bool(awaited) == bool(transcript.unanswered)


@given(CHOICES, st.integers(0, 40))
def test_folding_a_prefix_is_the_session_as_it_was_then(choices: list[int], at: int) -> None:
    events = session(choices)
    whole = Transcript()
    seen: list[list[Message]] = [[]]
    for seq, event in enumerate(events, 1):
        whole.apply(Envelope(seq, "s", 0.0, event, "r"))
        seen.append(list(whole.messages))
    at = min(at, len(events))
    assert folded(*events[:at]).messages == seen[at]
