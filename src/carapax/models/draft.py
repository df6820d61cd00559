"""A message in the making: its parts in the order they come, and the deltas that show them."""

from typing import Any, Literal

import msgspec

from carapax.events import Delta, TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.messages import Part, Text, Thinking, ToolCall


class Words:
    """Text or thoughts in the making."""

    __slots__ = ("kind", "pieces", "vendor")

    def __init__(self, kind: type[Text] | type[Thinking]) -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.vendor: dict[str, Any] = {}

    def finish(self) -> Part | None:
        text = "".join(self.pieces)
        return self.kind(text, self.vendor) if text or self.vendor else None


class Call:
    """A tool call in the making; `index` counts the calls of the message."""

    __slots__ = ("_shown", "arguments", "id", "index", "name", "vendor")

    def __init__(self, index: int, call_id: str, name: str = "") -> None:
        self.index = index
        self.id = call_id
        self.name = name
        self.arguments: list[str] = []
        self.vendor: dict[str, Any] = {}
        self._shown = 0

    @property
    def text(self) -> str:
        """The arguments as far as they have come."""
        return "".join(self.arguments)

    def is_whole(self) -> bool:
        """Whether the arguments that have come could be all."""
        try:
            msgspec.json.decode(self.text)
        except (ValueError, RecursionError):
            return False
        return True

    def news(self) -> ToolArgumentsDelta | None:
        """The arguments that have come since the last news. Id and name, which may come in pieces, go with the first
        of them."""
        text = "".join(self.arguments[self._shown :])
        if not text or not self.name:
            return None
        first, self._shown = self._shown == 0, len(self.arguments)
        return (
            ToolArgumentsDelta(self.index, text, self.id, self.name) if first else ToolArgumentsDelta(self.index, text)
        )

    def finish(self) -> ToolCall:
        return ToolCall(self.id, self.name, self.text, self.vendor)


class Draft:
    """Collects an answer. `calls` are its tool calls so far."""

    def __init__(self, request_id: str) -> None:
        self.calls: list[Call] = []
        self._request_id = request_id
        self._taken: set[str] = set()
        self._parts: list[Words | Call] = []
        self._deltas: list[Delta] = []

    def say(self, text: str) -> None:
        """More text; it goes on with the part before, if that is text."""
        self._last(Text).pieces.append(text)
        self._deltas.append(TextDelta(text))

    def think(self, text: str) -> None:
        """More thoughts, likewise."""
        self._last(Thinking).pieces.append(text)
        self._deltas.append(ThinkingDelta(text))

    def open(self, kind: type[Text] | type[Thinking]) -> Words:
        """Begin a part of its own."""
        words = Words(kind)
        self._parts.append(words)
        return words

    def add(self, words: Words, text: str) -> None:
        """More of a part that was opened."""
        if text:
            words.pieces.append(text)
            self._deltas.append(TextDelta(text) if words.kind is Text else ThinkingDelta(text))

    def open_call(self, vendor_id: str | None, name: str = "") -> Call:
        """Begin a call. An id that is missing or was used already is replaced by one made up."""
        made_up = f"call_{self._request_id}_{len(self.calls)}"
        call = Call(len(self.calls), vendor_id if vendor_id and vendor_id not in self._taken else made_up, name)
        self._taken.add(call.id)
        self.calls.append(call)
        self._parts.append(call)
        return call

    def show(self, call: Call) -> None:
        """Have what is new of a call among the deltas."""
        if news := call.news():
            self._deltas.append(news)

    def close_calls(self) -> None:
        """No more will come: a call without arguments has none."""
        for call in self.calls:
            call.name = call.name or "unknown"
            if not call.text:
                call.arguments.append("{}")
            self.show(call)

    def take_deltas(self) -> list[Delta]:
        """The deltas since they were taken last."""
        deltas, self._deltas = self._deltas, []
        return deltas

    def parts(self) -> list[Part]:
        return [part for building in self._parts if (part := building.finish()) is not None]

    def _last(self, kind: type[Text] | type[Thinking]) -> Words:
        last = self._parts[-1] if self._parts else None
        return last if isinstance(last, Words) and last.kind is kind else self.open(kind)


class ThinkTags:
    """Splits thoughts off a text that begins with `<think>`, however it is cut."""

    def __init__(self) -> None:
        self._held = ""
        self._state: Literal["start", "thinking", "after", "text"] = "start"

    @property
    def plain(self) -> bool:
        """Whether all that comes is text."""
        return self._state == "text"

    def feed(self, text: str, last: bool = False) -> tuple[str, str]:
        """What of the thoughts and what of the text is certain by now."""
        text, self._held = self._held + text, ""
        thinking = ""
        if self._state == "start":
            start = text.lstrip()
            if start.startswith("<think>"):
                self._state, text = "thinking", start[7:]
            elif "<think>".startswith(start) and not last:
                self._held = text
                return "", ""
            else:
                self._state = "text"
        if self._state == "thinking":
            thinking, closed, text = text.partition("</think>")
            if closed:
                self._state = "after"
            elif not last:
                keep = next((size for size in range(7, 0, -1) if thinking.endswith("</think>"[:size])), 0)
                self._held = thinking[len(thinking) - keep :]
                thinking = thinking[: len(thinking) - keep]
        if self._state == "after":
            text = text.lstrip()
            if text:
                self._state = "text"
        return thinking, text
