"""A conversation as a terminal shows it: what is done goes into the scrollback for good, what is under way is painted
again and again below it. Pure: it writes nowhere."""

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import click
from rich.cells import cell_len

from carapax.cli.markdown import Blocks, paint
from carapax.cli.terminal import clean, one_line
from carapax.cli.wrapping import clip, wrap
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    BudgetReached,
    Envelope,
    HistoryCompacted,
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    StateChanged,
    Steered,
    StreamReset,
    TextDelta,
    ThinkingDelta,
    ToolCalled,
    ToolProgress,
    ToolReturned,
)
from carapax.messages import Origin, ToolCall, ToolResult
from carapax.policy.legible import sources
from carapax.sessions.delivery import spoken

_SHOWN_LINES = 4
_LIVE_LINES = 3
_MOST_FOLDED = 200
_MOST_KEPT = 8_192
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass(frozen=True, slots=True)
class Look:
    """How wide the terminal is now, and what it can show."""

    width: Callable[[], int]
    colours: bool = True
    styles: bool = True
    unicode: bool = True

    def style(self, text: str, *, fg: str = "", dim: bool = False, bold: bool = False) -> str:
        if not self.styles:
            return text
        return click.style(text, fg=fg if fg and self.colours else None, dim=dim or None, bold=bold or None)

    def sign(self, name: str) -> str:
        nice, plain = {"call": ("●", "*"), "ok": ("✓", "+"), "bad": ("✗", "x"), "thought": ("∴", "~")}[name]
        return nice if self.unicode else plain


@dataclass(slots=True)
class _Open:
    """A tool call under way."""

    call: ToolCall
    head: str
    begun_at: float
    output: str = ""


@dataclass(slots=True)
class Turn:
    """What is under way now."""

    running: bool = False
    begun_at: float = 0.0
    thought: str = ""
    streamed: bool = False
    calls: OrderedDict[str, _Open] = field(default_factory=OrderedDict)


class Scroll:
    """Fed with the events of a session. `own` says whether a message with this key was typed here, `origins` from whom
    else the session has read."""

    def __init__(
        self,
        look: Look,
        own: Callable[[str | None], bool] = lambda key: False,
        origins: Callable[[], Sequence[Origin]] = tuple,
    ) -> None:
        self.turn = Turn()
        self.model = ""
        self.effort = ""
        self.names: dict[str, str] = {}
        """What people call the agents, by their names; those that are called by those have none."""
        self._look = look
        self._own = own
        self._origins = origins
        self._blocks = Blocks()
        self._said = ""
        self._gap = False
        self._done: list[str] = []
        self._folded: list[str] = []

    def take(self) -> str:
        """What is done since this was asked last; empty for nothing."""
        self._commit(self._blocks.whole())
        done, self._done = self._done, []
        return "".join(f"{block}\n" for block in done)

    def interrupted(self) -> None:
        """The connection is gone. What streams once it is back may lack its beginning: until the next run only what is
        whole is shown."""
        self._gap = self.turn.running

    def note(self, text: str) -> None:
        """A line of ours, between what is said."""
        self._done.append(self._look.style(self._wrapped(text), dim=True))

    def tell(self, text: str) -> None:
        """What was asked of us, of the same kind as what is given to `show`."""
        self._done.append(self._wrapped(text))

    def show(self, text: str) -> None:
        """Something of ours, as it is. It must hold nothing that could command the terminal."""
        self._done.append(text)

    def folded(self, number: int | None) -> str:
        """What was folded under a number, or last; empty without it."""
        place = len(self._folded) if number is None else number
        return self._folded[place - 1] if 1 <= place <= len(self._folded) else ""

    def live(self, lines: int, now: float) -> str:
        """What is under way, on at most so many lines."""
        width = self._look.width() - 1
        out: list[str] = []
        if self._blocks.rest.strip():
            out += paint(self._last(2 * lines * width), width, colours=self._look.colours).split("\n")
        elif self.turn.thought:
            words = len(self.turn.thought.split())
            last = one_line(self.turn.thought[-200:], 200)
            head = f"{self._look.sign('thought')} thinking, {words} words"
            out += [self._dim(head), self._dim(f"  {clip(last, width - 2)}")]
        for open_ in self.turn.calls.values():
            out += self._running(open_, width, now)
        if self.turn.running and not out:
            out.append(self._dim(f"{self._spinner(now)} {now - self.turn.begun_at:.0f} s"))
        return "\n".join(out[-lines:]) if lines > 0 else ""

    def apply(self, envelope: Envelope, *, again: bool = False) -> None:
        """Take an event; `again` for one of earlier, whose message is shown whoever typed it."""
        if again and isinstance(envelope.event, MessageReceived):
            self.said(envelope.event.text)
            return
        match envelope.event:
            case TextDelta() | ThinkingDelta() | ToolProgress() if self._gap:
                pass
            case TextDelta(text=text):
                self._fold_thought()
                self._said += text
                self._blocks.add(text)
            case ThinkingDelta(text=text):
                self.turn.thought = (self.turn.thought + text)[-100_000:]
            case StreamReset(reason=reason):
                self._end_text()
                self._said = ""
                self.note(f"(starting this answer again: {one_line(reason)})")
            case ModelResponded(message=message):
                self._fold_thought()
                if not message.text.startswith(self._said):
                    self._blocks, self._said = Blocks(), ""
                self._blocks.add(message.text[len(self._said) :])
                self._end_text()
                self._said = ""
                if message.text.strip() and (read := sources(self._origins())):
                    self.note(f"— read: {clean(read)}")
            case ToolCalled(call=call):
                head = f"{call.name} {short(call.arguments)}"[:_MOST_KEPT]
                self.turn.calls[call.id] = _Open(call, one_line(head, _MOST_KEPT), envelope.at)
            case ToolProgress(call_id=call, text=text):
                if open_ := self.turn.calls.get(call):
                    open_.output = (open_.output + text)[-_MOST_KEPT:]
            case ToolReturned(result=result, elapsed_s=elapsed):
                called = self.turn.calls.pop(result.call_id, None)
                self._card(called.call if called else ToolCall(result.call_id, result.name, ""), result, elapsed)
            case _:
                self._tell(envelope)

    def _last(self, size: int) -> str:
        """The end of the block under way; of code with its first line, which says that it is."""
        rest = self._blocks.rest
        if len(rest) <= size:
            return rest
        first = rest.lstrip("\n").partition("\n")[0]
        return f"{first}\n{rest[-size:]}" if first.startswith(("```", "~~~")) else rest[-size:]

    def _tell(self, envelope: Envelope) -> None:
        match envelope.event:
            case MessageReceived(text=text, sender=sender, dedupe_key=key) if not self._own(key):
                self.said(text, sender.name or sender.id)
            case RunStarted(agent=agent, model=model):
                self.model = model or self.model
                self._gap = False
                self.turn = Turn(True, envelope.at)
                if name := self.names.get(agent):
                    self._done.append(self._look.style(self.shown(name), fg="cyan"))
            case Steered(messages=messages):
                self.note(f"(the agent has read your {'message' if len(messages) == 1 else 'messages'})")
            case ApprovalAsked():
                self._commit(self._blocks.end())  # whoever is asked is shown all of it
            case ApprovalGiven() as given:
                self.note(f"({clean(spoken(given))})")
            case StateChanged(key="model", value=value):
                self.model = str(value)
            case StateChanged(key="effort", value=value):
                self.effort = str(value)
            case HistoryCompacted():
                self.note("(the history was shortened for the model; the record keeps it whole)")
            case BudgetReached(budget=budget, percent=percent, spent_usd=spent, limit_usd=limit):
                self.note(f"({percent} % of the {clean(budget)} budget: {spent:,.2f} of {limit:,.2f} USD)")
            case RunFinished(reason=reason, detail=detail):
                self._end_text()
                self._fold_thought()
                self.turn = Turn()
                if reason != "done":
                    self.note(f"({reason}{': ' if detail else ''}{clean(detail)})")
            case _:
                pass

    def said(self, text: str, who: str = "") -> None:
        """A message, as it was typed here or came from elsewhere."""
        head = f"{one_line(who, 40)} > " if who else "> "
        first, *more = wrap(clean(text), self._look.width() - cell_len(head)).split("\n")
        self._done.append(self._look.style("\n".join([head + first, *(f"  {line}" for line in more)]), bold=True))

    def shown(self, text: str) -> str:
        """The text without pictures where the terminal has none."""
        return text if self._look.unicode else text.encode("ascii", "ignore").decode().strip()

    def _wrapped(self, text: str) -> str:
        return wrap(text, self._look.width())

    def _commit(self, blocks: Sequence[str]) -> None:
        for block in blocks:
            if painted := paint(block, self._look.width(), colours=self._look.colours, styles=self._look.styles):
                self._done.append(f"{painted}\n")

    def _end_text(self) -> None:
        self._commit(self._blocks.end())

    def _fold_thought(self) -> None:
        thought, self.turn.thought = self.turn.thought.strip(), ""
        if thought:
            number = self._fold(clean(thought))
            self.note(f"{self._look.sign('thought')} thought, {len(thought.split())} words{self._unfold(number)}")

    def _card(self, call: ToolCall, result: ToolResult, elapsed_s: float) -> None:
        state = (
            self._look.style(self._look.sign("bad"), fg="red")
            if result.is_error
            else self._look.style(self._look.sign("ok"), fg="green")
        )
        width = self._look.width() - 1
        time = f"  {elapsed_s:.1f} s" if elapsed_s else ""
        name = one_line(call.name, 40)
        head = clip(one_line(short(call.arguments), width), max(8, width - len(name) - len(time) - 4))
        lines = clean(result.text).rstrip().split("\n") if result.text.strip() else []
        most = len(lines) if len(lines) == _SHOWN_LINES + 1 else _SHOWN_LINES
        shown = [self._dim(f"  {clip(line, width - 2)}") for line in lines[:most]]
        hidden = len(lines) - len(shown)
        if hidden > 0 or any(cell_len(line) > width - 2 for line in lines):
            number = self._fold(f"{name} {clean(call.arguments)}\n{clean(result.text).rstrip()}")
            more = f"{hidden} more lines" if hidden > 0 else "cut"
            shown.append(self._dim(f"  ({more}{self._unfold(number)})"))
        failed = self._look.style("  failed", fg="red") if result.is_error else ""
        self._done.append(
            "\n".join([f"{state} {self._look.style(name, bold=True)} {head}{self._dim(time)}{failed}", *shown])
        )

    def _running(self, open_: _Open, width: int, now: float) -> list[str]:
        lines = clean(open_.output).rstrip().split("\n")[-_LIVE_LINES:] if open_.output.strip() else []
        time = f"  {max(0, now - open_.begun_at):.0f} s"
        return [
            clip(f"{self._spinner(now)} {open_.head}", width - len(time)) + time,
            *(self._dim(f"  {clip(line, width - 2)}") for line in lines),
        ]

    def _fold(self, text: str) -> int:
        self._folded.append(text)
        if len(self._folded) > _MOST_FOLDED:
            self._folded[-_MOST_FOLDED - 1] = ""
        return len(self._folded)

    def _unfold(self, number: int) -> str:
        return f": /show {number}"

    def _spinner(self, now: float) -> str:
        return _SPINNER[int(now * 8) % len(_SPINNER)] if self._look.unicode else "|/-\\"[int(now * 8) % 4]

    def _dim(self, text: str) -> str:
        return self._look.style(text, dim=True)


def short(arguments: str) -> str:
    """The arguments of a call in few words: a single one by its value, several with their names."""
    try:
        read = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    if not isinstance(read, dict):
        return arguments
    values = {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in read.items()}
    return (
        next(iter(values.values()))
        if len(values) == 1
        else " ".join(f"{name}={value}" for name, value in values.items())
    )
