"""Prints a run as it happens: the answer as it streams, each tool call as one line."""

import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from carapax.cli.terminal import clean, dim, one_line, repaints
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    BudgetReached,
    Envelope,
    HistoryCompacted,
    ModelResponded,
    RunFinished,
    StreamReset,
    TextDelta,
    ThinkingDelta,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import Origin, ToolCall
from carapax.policy.legible import sources
from carapax.sessions.delivery import spoken
from carapax.text import open_end


class Printer:
    """`answer` gets what the agent says, `aside` everything else (tool calls, thoughts, why a run ended).
    `origins` says from whom else the session has read."""

    def __init__(
        self,
        answer: TextIO | None = None,
        aside: TextIO | None = None,
        origins: Callable[[], Sequence[Origin]] = tuple,
    ) -> None:
        self._answer = answer or sys.stdout
        self._aside = aside or sys.stdout
        self._origins = origins
        self._calls: dict[str, ToolCall] = {}
        self._streamed = ""
        self._held = ""
        self._thinking = False
        self._line_open = False
        self._passing = False

    def show(self, envelope: Envelope) -> None:
        match envelope.event:
            case TextDelta(text=text):
                self._say(text)
            case ThinkingDelta(text=text):
                self._think(text)
            case StreamReset(reason=reason):
                self._note(f"(starting this answer again: {one_line(reason)})")
                self._streamed = ""
            case ModelResponded(message=message):
                missing = message.text.removeprefix(self._streamed)
                self._say(missing)
                self._end_line()
                self._streamed = ""
                if message.text.strip() and (read := sources(self._origins())):
                    self._note(f"— read: {clean(read)}")
            case ToolCalled(call=call):
                self._calls[call.id] = call
                self._show_running(call)
            case ToolReturned(result=result):
                call = self._calls.pop(result.call_id, ToolCall(result.call_id, result.name, ""))
                outcome = ("failed: " if result.is_error else "") + one_line(result.text, 80)
                self._note(f"· {one_line(call.name, 40)} {one_line(call.arguments, 80)} → {outcome}")
            case ApprovalAsked():
                self._end_line()  # whoever is asked is shown all of it
            case ApprovalGiven() as given:
                self._note(f"({clean(spoken(given))})")
            case HistoryCompacted():
                self._note("(the history was shortened for the model; the record keeps it whole)")
            case BudgetReached(budget=budget, percent=percent, spent_usd=spent, limit_usd=limit):
                self._note(f"({percent} % of the {clean(budget)} budget: {spent:,.2f} of {limit:,.2f} USD)")
            case RunFinished(reason=reason, detail=detail) if reason != "done":
                self._note(f"({reason}{': ' if detail else ''}{clean(detail)})")
            case _:
                pass

    def _say(self, text: str) -> None:
        if not text:
            return
        if self._thinking:
            self._end_line()
        self._streamed += text
        self._line_open = not text.endswith("\n")
        text = self._held + text
        end = open_end(text)
        self._held = text[end:]
        self._put(self._answer, clean(text[:end]))

    def _release(self) -> None:
        held, self._held = self._held, ""
        self._put(self._answer, clean(held))

    def _think(self, text: str) -> None:
        self._release()
        self._thinking = True
        self._put(self._aside, dim(clean(text), self._aside.isatty()))
        self._line_open = not text.endswith("\n")

    def _note(self, text: str) -> None:
        self._end_line()
        self._put(self._aside, dim(text, self._aside.isatty()) + "\n")

    def _show_running(self, call: ToolCall) -> None:
        """On a terminal, a line; where that can be, the next thing printed takes its place."""
        if not self._aside.isatty():
            return
        from carapax.cli.wrapping import clip

        self._end_line()
        width = shutil.get_terminal_size().columns - 1
        line = one_line(f"· {call.name} {call.arguments[: 4 * width]}", width)
        passing = repaints(self._aside)
        self._put(self._aside, dim(clip(line, width), True) + ("" if passing else "\n"))
        self._passing = passing

    def _end_line(self) -> None:
        self._release()
        if self._line_open:
            self._put(self._aside if self._thinking else self._answer, "\n")
        self._line_open = self._thinking = False

    def _put(self, stream: TextIO, text: str) -> None:
        if not text:
            return
        if self._passing:
            self._passing = False
            self._aside.write("\r\x1b[K")
            self._aside.flush()
        stream.write(text)
        stream.flush()
