"""What goes into the scrollback, and what is under way."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.cli.scroll import Look, Scroll, short
from carapax.cli.wrapping import clip
from carapax.events import (
    Envelope,
    Event,
    HistoryCompacted,
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    StateChanged,
    StreamReset,
    TextDelta,
    ThinkingDelta,
    ToolCalled,
    ToolProgress,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Sender, Text, ToolCall, ToolResult

PLAIN = Look(lambda: 60, colours=False, styles=False)
CALL = ToolCall("1", "shell", '{"command": "uname -a"}')


def scroll(*events: Event) -> Scroll:
    made = Scroll(PLAIN)
    for seq, event in enumerate(events):
        made.apply(Envelope(seq, "session", 0.0, event))
    return made


def shown(*events: Event) -> str:
    return scroll(*events).take()


def answered(text: str) -> ModelResponded:
    return ModelResponded(AssistantMessage((Text(text),)))


def test_an_answer_is_shown_once_however_it_came() -> None:
    assert shown(TextDelta("Hel"), TextDelta("lo"), answered("Hello")) == "Hello\n\n"
    assert shown(answered("Hello")) == "Hello\n\n"
    assert shown(TextDelta("Hel"), answered("Hello")) == "Hello\n\n"


def test_a_long_message_goes_on_below_its_beginning() -> None:
    made = scroll()
    made.said("word " * 12 + "\nmore", "Sam")
    assert made.take() == f"Sam > {'word ' * 10}word\n  word\n  more\n"


def test_an_answer_that_turned_out_otherwise_is_shown_as_it_is_kept() -> None:
    assert shown(TextDelta("Hullo"), answered("Hello")) == "Hello\n\n"


def test_what_streams_after_a_gap_is_shown_only_once_it_is_whole() -> None:
    made = scroll(RunStarted("main", "m"), TextDelta("Hel"))
    made.interrupted()
    for event in (TextDelta("rld"), answered("Hello world"), RunFinished("done")):
        made.apply(Envelope(1, "session", 0.0, event))
    assert made.take() == "Hello world\n\n"


def test_an_answer_that_starts_again_says_so() -> None:
    events = (TextDelta("Hel"), StreamReset("cut"), TextDelta("Hi"), answered("Hi"))
    assert shown(*events) == "Hel\n\n(starting this answer again: cut)\nHi\n\n"


def test_a_call_is_a_card_with_what_is_long_folded() -> None:
    output = "".join(f"line {number}\n" for number in range(9))
    made = scroll(ToolCalled(CALL), ToolReturned(ToolResult("1", "shell", output), elapsed_s=1.25))
    assert made.take().splitlines() == [
        "✓ shell uname -a  1.2 s",
        *(f"  line {number}" for number in range(4)),
        "  (5 more lines: /show 1)",
    ]
    assert made.folded(1) == made.folded(None) == f'shell {{"command": "uname -a"}}\n{output.rstrip()}'
    assert made.folded(7) == ""


def test_a_failed_call_says_so() -> None:
    assert shown(ToolReturned(ToolResult("1", "shell", "no", is_error=True))) == "✗ shell   failed\n  no\n"


def test_thoughts_are_folded() -> None:
    made = scroll(RunStarted("main", "m"), ThinkingDelta("hm, let me see"))
    assert "thinking, 4 words" in made.live(10, 1.0)
    made.apply(Envelope(2, "session", 0.0, TextDelta("Yes")))
    assert made.take() == "∴ thought, 4 words: /show 1\n"
    assert made.folded(1) == "hm, let me see"


def test_what_is_under_way_is_bounded() -> None:
    made = scroll(RunStarted("main", "m"), ToolCalled(CALL), ToolProgress("1", "a\nb\nc\nd\n"), TextDelta("x\n" * 90))
    assert len(made.live(5, 1.0).split("\n")) == 5
    assert made.live(0, 1.0) == ""
    assert "shell uname -a" in made.live(5, 1.0)


def test_what_happens_besides_is_told() -> None:
    received = MessageReceived("m", Sender("ann", "Ann"), "hello\nthere", "chat", "c")
    assert shown(received) == "Ann > hello\n  there\n"
    assert "the history was shortened" in shown(HistoryCompacted(1, (), ""))
    assert shown(RunFinished("limit", "25 answers")) == "(limit: 25 answers)\n"
    assert scroll(StateChanged("model", "a/b")).model == "a/b"


def test_arguments_are_short() -> None:
    assert short('{"command": "ls"}') == "ls"
    assert short('{"path": "a", "lines": 3}') == "path=a lines=3"
    assert short("[1") == "[1"
    assert short("[" * 100_000) == "[" * 100_000


@given(st.text(), st.integers(1, 60))
def test_a_line_fits_however_wide_its_characters_are(text: str, width: int) -> None:
    assert "\x1b" not in clip(text, width)


HOSTILE = st.text(alphabet=st.sampled_from("a \n\x1b[]0;2Jm\x07\x9b`#|-\u202e字"), max_size=60)


@given(HOSTILE, HOSTILE)
@settings(max_examples=100, deadline=None)
def test_nothing_of_others_commands_the_terminal(text: str, other: str) -> None:
    made = Scroll(Look(lambda: 30))
    events: list[Event] = [
        RunStarted("main", other),
        ThinkingDelta(text),
        ToolCalled(ToolCall("1", text, other)),
        ToolProgress("1", text),
        TextDelta(text),
    ]
    for event in events:
        made.apply(Envelope(1, "s", 0.0, event))
    live = made.live(10, 1.0)
    for event in (ToolReturned(ToolResult("1", text, other)), answered(other), RunFinished("failed", text)):
        made.apply(Envelope(2, "s", 0.0, event))
    printed = live + made.take() + made.folded(1) + made.folded(2)
    assert not re.search(r"[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202e]|\x1b(?!\[[0-9;]*m)", printed)
