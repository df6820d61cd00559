"""A run as it is printed."""

import io

import pytest

from carapax.cli.printer import Printer
from carapax.events import (
    BudgetReached,
    Envelope,
    Event,
    ModelResponded,
    RunFinished,
    StreamReset,
    TextDelta,
    ThinkingDelta,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Origin, Text, ToolCall, ToolResult

CALL = ToolCall("1", "shell", '{"command": "uname"}')


def printed(*events: Event) -> tuple[str, str]:
    answer, aside = io.StringIO(), io.StringIO()
    printer = Printer(answer, aside)
    for seq, event in enumerate(events):
        printer.show(Envelope(seq, "session", 0.0, event))
    return answer.getvalue(), aside.getvalue()


def answered(text: str) -> ModelResponded:
    return ModelResponded(AssistantMessage((Text(text),)))


def test_a_streamed_answer_is_printed_once() -> None:
    assert printed(TextDelta("Hel"), TextDelta("lo"), answered("Hello"), RunFinished("done")) == ("Hello\n", "")


def test_an_answer_that_did_not_stream_is_printed_whole() -> None:
    assert printed(answered("Hello")) == ("Hello\n", "")


def test_what_a_lost_connection_cut_off_is_printed_at_the_end() -> None:
    assert printed(TextDelta("Hel"), answered("Hello")) == ("Hello\n", "")


def test_a_tool_call_is_one_line_aside() -> None:
    returned = ToolReturned(ToolResult("1", "shell", "Linux\nbox\n"))
    assert printed(ToolCalled(CALL), returned) == ("", '· shell {"command": "uname"} → Linux box\n')


def test_a_failed_call_says_so() -> None:
    returned = ToolReturned(ToolResult("1", "shell", "no", is_error=True))
    assert printed(ToolCalled(CALL), returned) == ("", '· shell {"command": "uname"} → failed: no\n')


def test_an_answer_that_starts_again_is_printed_again() -> None:
    events = (TextDelta("Hel"), StreamReset("cut"), TextDelta("Hi"), answered("Hi"))
    assert printed(*events) == ("Hel\nHi\n", "(starting this answer again: cut)\n")


def test_thoughts_stand_aside_on_their_own_lines() -> None:
    assert printed(ThinkingDelta("hm"), TextDelta("Yes"), answered("Yes")) == ("Yes\n", "hm\n")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_terminal_shows_a_call_under_way_in_a_line_to_be_written_over_where_it_can(
    term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Tty()
    printer = Printer(io.StringIO(), screen)
    printer.show(Envelope(1, "session", 0.0, ToolCalled(ToolCall("1", "shell", "漢字" * 20))))
    assert screen.getvalue() == "· shell 漢字漢字漢…" + ("" if term == "xterm" else "\n")


def test_why_a_run_ended_early_is_told() -> None:
    assert printed(RunFinished("limit", "25 answers")) == ("", "(limit: 25 answers)\n")


def test_what_the_model_says_cannot_command_the_terminal() -> None:
    assert printed(TextDelta("\x1b[2J"), answered("\x1b[2J")) == ("\\x1b[2J\n", "")


def test_a_budget_that_is_reached_is_told_aside() -> None:
    shown = printed(BudgetReached("daily of main", 80, 8.25, 10.0))
    assert "(80 % of the daily of main budget: 8.25 of 10.00 USD)" in str(shown)


def test_an_answer_says_what_it_may_rest_on() -> None:
    read = (Origin("web", "https://example.com/\x1b[2J"), Origin("file", "a.txt"), Origin("tool", "x"), Origin("tool"))
    answer, aside = io.StringIO(), io.StringIO()
    Printer(answer, aside, lambda: read).show(Envelope(1, "session", 0.0, answered("Hello")))
    told = "— read: https://example.com/\\x1b[2J, the file a.txt, the tool x, 1 more\n"
    assert (answer.getvalue(), aside.getvalue()) == ("Hello\n", told)


def test_pictures_that_are_joined_show_as_one_however_they_stream() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert printed(*map(TextDelta, f"we {family}!"), answered(f"we {family}!"))[0] == f"we {family}!\n"
    assert printed(*map(TextDelta, family), answered(family))[0] == f"{family}\n"
    assert printed(TextDelta("a\u200d"), TextDelta("b"), answered("a\u200db"))[0] == "a\\u{200d}b\n"


def test_a_word_whose_letters_are_joined_shows_as_it_is_however_it_streams() -> None:
    wanted = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert printed(*map(TextDelta, wanted), answered(wanted))[0] == f"{wanted}\n"
