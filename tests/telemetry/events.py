"""Runs as the journal tells them, for folds to read."""

from carapax.config import TelemetryConfig
from carapax.events import Envelope, Kept, MessageReceived
from carapax.messages import AssistantMessage, Sender, Text, ToolCall, Usage


def said(name: str = "m1", trace: str = "", text: str = "hello") -> MessageReceived:
    return MessageReceived(name, Sender("ann"), text, "api", "room", trace=trace)


def answer(*calls: ToolCall, text: str = "hello") -> AssistantMessage:
    return AssistantMessage((Text(text), *calls), "tool_calls" if calls else "end", Usage(100, 20), "openai", "gpt-9")


def told(*events: tuple[float, Kept, str]) -> list[Envelope]:
    """Events of the session "s1", each with its time and run."""
    return [Envelope(seq, "s1", at, event, run) for seq, (at, event, run) in enumerate(events, 1)]


def silent() -> TelemetryConfig:
    return TelemetryConfig("http://127.0.0.1:1")


def open_() -> TelemetryConfig:
    return TelemetryConfig("http://127.0.0.1:1", content=True)
