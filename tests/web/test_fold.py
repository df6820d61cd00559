"""fold.js: events to what a conversation shows, written by the same types that the gateway writes."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    BudgetReached,
    Envelope,
    Event,
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
    StreamReset,
    TextDelta,
    ThinkingDelta,
    ToolArgumentsDelta,
    ToolCalled,
    ToolProgress,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Origin, Sender, Text, Thinking, ToolCall, ToolResult, Usage
from tests.web.browser import MISSING, Browser

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

STARTED = SessionStarted("main", "api", "c")
CALL = ToolCall("c1", "shell", '{"command":"ls"}')
PARTS = (Thinking("hm"), Text("I look."), CALL)
CALLING = ModelResponded(AssistantMessage(PARTS, "tool_calls", Usage(10, 5), "demo", "demo"))
ANSWER = ModelResponded(AssistantMessage((Text("Two files."),), usage=Usage(20, 3), provider="demo", model="demo"))

_OUTLINE = """
const { apply, emptyView } = await import("/fold.js");
const outline = (view) => ({
  seq: view.seq, title: view.title, running: view.run?.id ?? null, ended: view.ended, tokens: [view.input, view.output],
  waiting: view.waiting.map((item) => item.text),
  items: view.items.map((item) =>
    item.type === "user" ? `person: ${item.text}`
    : item.type === "notice" ? `${item.tone}: ${item.code}${item.detail ? " " + item.detail : ""}`
    : item.parts.map((part) =>
        part.type === "tool" ? `${part.name}(${part.arguments}) ${part.state}: ${part.result || part.progress}`
        : `${part.type}: ${part.text}`)),
});
const view = emptyView();
for (const envelope of given[0]) apply(view, envelope);
return outline(view);
"""


def received(name: str, text: str) -> MessageReceived:
    return MessageReceived(name, Sender("local"), text, "api", "c", dedupe_key=f"key-{name}")


def journal(*events: Event, run: str = "r1") -> list[object]:
    """Envelopes as they come over the wire: kept events numbered, streamed ones with the number before them."""
    seq, envelopes = 0, []
    for event in events:
        seq += isinstance(event, Kept)
        envelopes.append(Envelope(seq, "s1", 1000.0 + seq, event, run))
    decoded = msgspec.json.decode(msgspec.json.encode(envelopes))
    assert isinstance(decoded, list)
    return decoded


def view(seq: int, *items: object, **more: object) -> dict[str, object]:
    plain = {"title": "", "running": None, "ended": False, "tokens": [0, 0], "waiting": []}
    return {**plain, "seq": seq, "items": list(items), **more}


TURN: tuple[Event, ...] = (
    STARTED,
    received("m1", "list"),
    RunStarted("main", "demo/demo", ("m1",)),
    ThinkingDelta("h"),
    ThinkingDelta("m"),
    TextDelta("I lo"),
    TextDelta("ok."),
    ToolArgumentsDelta(0, '{"command":', "c1", "shell"),
    ToolArgumentsDelta(0, '"ls"}'),
    CALLING,
    ToolCalled(CALL),
    ToolProgress("c1", "a\n"),
    ToolReturned(ToolResult("c1", "shell", "a\nb\n"), 0.5),
    TextDelta("Two "),
    TextDelta("files."),
    ANSWER,
    RunFinished("done"),
)


def test_a_turn_is_shown_with_its_tool_call_and_its_answer(modules: Browser) -> None:
    assert modules.run(_OUTLINE, journal(*TURN)) == view(
        8,
        "person: list",
        ["thinking: hm", "text: I look.", 'shell({"command":"ls"}) done: a\nb\n'],
        ["text: Two files."],
        tokens=[30, 8],
    )


@pytest.mark.parametrize(
    ("length", "last"),
    [
        (5, ["thinking: hm"]),
        (7, ["thinking: hm", "text: I look."]),
        (8, ["thinking: hm", "text: I look.", 'shell({"command":) writing: ']),
        (10, ["thinking: hm", "text: I look.", 'shell({"command":"ls"}) waiting: ']),
        (12, ["thinking: hm", "text: I look.", 'shell({"command":"ls"}) running: a\n']),
        (14, ["text: Two "]),
    ],
)
def test_a_run_under_way_shows_what_streamed_so_far(modules: Browser, length: int, last: list[str]) -> None:
    outline = modules.run(_OUTLINE, journal(*TURN[:length]))
    assert isinstance(outline, dict)
    assert (outline["running"], outline["items"][-1]) == ("r1", last)


def test_a_message_waits_below_until_the_run_takes_it(modules: Browser) -> None:
    events = (*TURN[:3], received("m2", "and count"))
    before = view(4, "person: list", running="r1", waiting=["and count"])
    assert modules.run(_OUTLINE, journal(*events)) == before
    after = view(5, "person: list", "person: and count", running="r1")
    assert modules.run(_OUTLINE, journal(*events, Steered(("m2",)))) == after


def test_a_void_answer_disappears(modules: Browser) -> None:
    events = (*TURN[:7], StreamReset("cut"), TextDelta("Anew"))
    assert modules.run(_OUTLINE, journal(*events)) == view(3, "person: list", ["text: Anew"], running="r1")


def test_what_a_cancelled_run_left_open_is_closed(modules: Browser) -> None:
    events = (*TURN[:12], RunFinished("cancelled", "by local"))
    assert modules.run(_OUTLINE, journal(*events)) == view(
        6,
        "person: list",
        ["thinking: hm", "text: I look.", 'shell({"command":"ls"}) stopped: a\n'],
        "info: cancelled by local",
        tokens=[10, 5],
    )


def test_a_failed_run_says_why(modules: Browser) -> None:
    events = (*TURN[:3], RunFinished("failed", "the key is refused (set OPENAI_API_KEY)"))
    expected = view(4, "person: list", "error: failed the key is refused (set OPENAI_API_KEY)")
    assert modules.run(_OUTLINE, journal(*events)) == expected


def test_a_run_that_goes_on_after_a_crash_keeps_its_calls(modules: Browser) -> None:
    resumed = RunStarted("main", "demo/demo", (), resumes="r1", attempt=2)
    returned = ToolReturned(ToolResult("c1", "shell", "unknown", is_error=True))
    assert modules.run(_OUTLINE, journal(*TURN[:11], resumed, returned)) == view(
        7,
        "person: list",
        ["thinking: hm", "text: I look.", 'shell({"command":"ls"}) error: unknown'],
        "info: resumed",
        running="r1",
        tokens=[10, 5],
    )


def test_a_tool_run_by_a_person_is_shown(modules: Browser) -> None:
    returned = ToolReturned(ToolResult("c1", "shell", "x"))
    events = (STARTED, RunStarted("main", ""), ToolCalled(CALL), returned, RunFinished("done"))
    assert modules.run(_OUTLINE, journal(*events)) == view(5, ['shell({"command":"ls"}) done: x'])


def test_titles_compactions_and_the_end_are_shown(modules: Browser) -> None:
    compacted = HistoryCompacted(1, ("a fact",), "in short")
    events = (STARTED, StateChanged("title", "Trip"), compacted, SessionEnded("over"))
    expected = view(4, "info: compacted", "info: ended over", title="Trip", ended=True)
    assert modules.run(_OUTLINE, journal(*events)) == expected


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_repeated_and_lost_streamed_events_change_nothing_in_the_end(modules: Browser, data: st.DataObject) -> None:
    """After a lost connection kept events come again from the last seq on; what was streamed meanwhile is lost."""
    envelopes = journal(*TURN)
    cut = data.draw(st.integers(0, len(envelopes)))
    back = data.draw(st.integers(0, cut))
    lost = data.draw(st.sets(st.integers(0, len(envelopes))))
    again = [
        place for place in range(back, len(TURN)) if isinstance(TURN[place], Kept) or place not in {*range(cut), *lost}
    ]
    seen = envelopes[:cut] + [envelopes[place] for place in again]
    assert modules.run(_OUTLINE, seen) == modules.run(_OUTLINE, envelopes)


def test_ten_thousand_events_fold_to_the_same_view_as_they_came(modules: Browser) -> None:
    turns = [STARTED, *(event for _ in range(1000) for event in TURN[1:])]
    outline = modules.run(_OUTLINE, journal(*turns))
    assert isinstance(outline, dict)
    assert (outline["seq"], len(outline["items"])) == (7001, 3000)


def test_a_budget_that_is_reached_is_a_notice_with_its_numbers(modules: Browser) -> None:
    events = journal(STARTED, BudgetReached("daily", 50, 2.5, 5.0), BudgetReached("monthly of main", 100, 9.0, 9.0))
    assert modules.run(_OUTLINE, events) == view(3, "warning: budget", "warning: spent")
    drawn = modules.run(
        """
        const { fold } = await import("/fold.js");
        const { Conversation } = await import("/views/conversation.js");
        const conversation = new Conversation({});
        conversation.draw(fold(given[0]));
        document.querySelector("main").replaceChildren(conversation.element);
        const text = [...conversation.element.querySelectorAll("p")].map((each) => each.textContent);
        conversation.close();
        return text;
        """,
        events,
    )
    assert drawn == ["50 % of the daily budget: $2.50 of $5.00", "100 % of the monthly of main budget: $9.00 of $9.00"]


_ASKED = """
const { fold } = await import("/fold.js");
const view = fold(given[0]);
const tools = view.items.flatMap((item) => item.parts ?? []).filter((part) => part.type === "tool");
return {
  open: [...view.approvals.keys()], origins: view.origins.map(({ kind, name, source }) => [kind, name, source]),
  tools: tools.map(({ state, approval }) => [state, approval?.given?.verdict ?? "", approval?.given?.by ?? ""]),
  rests: view.items.filter((item) => item.type === "answer").map((item) => item.origins.map((each) => each.name)),
};
"""
PAGE = Origin("web", "https://example.com/")
QUESTION = ApprovalAsked("a1", "c1", "shell", "shell\ncommand: ls", "d", "N", "rule of two", "why", 1300.0, (PAGE,))
RAN = (ToolCalled(CALL), ToolReturned(ToolResult("c1", "shell", "x"), 0.5))
REFUSED = ToolReturned(ToolResult("c1", "shell", "not run", is_error=True))
CALLING_ALONE = (STARTED, received("m1", "list"), RunStarted("main", "demo/demo", ("m1",)), CALLING)


@pytest.mark.parametrize(
    ("events", "tool", "is_open"),
    [
        ((), ["asking", "", ""], True),
        ((ApprovalGiven("a1", "allow", "ann"),), ["waiting", "allow", "ann"], False),
        ((ApprovalGiven("a1", "allow", "ann"), *RAN), ["done", "allow", "ann"], False),
        ((ApprovalGiven("a1", "deny", "ann"), REFUSED), ["refused", "deny", "ann"], False),
        ((ApprovalGiven("a1", "deny"), REFUSED), ["refused", "deny", ""], False),
        ((ApprovalGiven("a1", "deny", "ann"), ApprovalGiven("a1", "allow", "bob")), ["waiting", "deny", "ann"], False),
        ((RunFinished("cancelled"),), ["stopped", "void", ""], False),
        ((SessionEnded(),), ["stopped", "void", ""], False),
    ],
)
def test_a_question_stands_at_its_call_until_it_is_answered_or_void(
    modules: Browser, events: tuple[Event, ...], tool: list[str], is_open: bool
) -> None:
    seen = modules.run(_ASKED, journal(*CALLING_ALONE, QUESTION, *events))
    assert isinstance(seen, dict)
    assert (seen["open"], seen["tools"]) == (["a1"] if is_open else [], [tool])


def test_a_call_that_is_asked_about_again_after_a_crash_is_shown_and_runs(modules: Browser) -> None:
    resumed = RunStarted("main", "demo/demo", (), resumes="r1", attempt=2)
    again = ApprovalAsked("a2", "c1", "shell", "shell", "d", "N", "rule of two", "why", 1300.0)
    given = (ApprovalGiven("a1", "allow", "late"), ApprovalGiven("a2", "allow", "ann"))
    went_on = modules.run(_ASKED, journal(*CALLING_ALONE, QUESTION, resumed, again, *given, *RAN))
    assert isinstance(went_on, dict)
    assert went_on["tools"] == [["done", "allow", "ann"]]
    interrupted = (RunFinished("interrupted"), resumed, again, *given, *RAN)
    cut = modules.run(_ASKED, journal(*CALLING_ALONE, QUESTION, *interrupted))
    assert isinstance(cut, dict)
    assert cut["tools"] == [["stopped", "void", ""], ["done", "allow", "ann"]]


def test_what_was_read_stays_and_each_answer_rests_on_what_was_read_before_it(modules: Browser) -> None:
    stranger = MessageReceived("m2", Sender("eve", trust="stranger"), "hi", "chat", "c")
    own = Origin("owner", "notes")
    returned = ToolReturned(ToolResult("c1", "shell", "x"), 0.5, (PAGE, own, PAGE))
    events = (
        *CALLING_ALONE,
        ToolCalled(CALL),
        returned,
        ANSWER,
        stranger,
        Steered(("m2",)),
        ANSWER,
        RunFinished("done"),
    )
    later = (received("m3", "and?"), RunStarted("main", "demo/demo", ("m3",)), ANSWER)
    seen = modules.run(_ASKED, journal(*events, *later))
    assert isinstance(seen, dict)
    both = [PAGE.name, "eve"]
    assert seen["rests"] == [[], [PAGE.name], both, both]
    assert seen["origins"] == [["web", PAGE.name, "c1"], ["stranger", "eve", "m2"]]
