from carapax.api.history import Said, said
from carapax.events import (
    Envelope,
    Event,
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionStarted,
    TextDelta,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Sender, Text, ToolResult, UserMessage

ANSWER = AssistantMessage((Text("hello"),))
RESULT = ToolResult("call_1", "shell", "ok")


def envelopes(*events: Event) -> list[Envelope]:
    return [Envelope(seq, "s", float(seq), event, "r" if seq > 2 else "") for seq, event in enumerate(events, 1)]


def test_people_read_what_was_said_and_how_a_run_ended_if_not_well() -> None:
    events = envelopes(
        SessionStarted("main", "api", ""),
        MessageReceived("m1", Sender("local", "Ada"), "hi", "api", ""),
        RunStarted("main", "model", ("m1",)),
        TextDelta("hel"),
        ModelResponded(ANSWER),
        ToolReturned(RESULT),
        RunFinished("done"),
        RunFinished("failed", "no key"),
    )
    assert said(events) == [
        Said(2, 2.0, message=UserMessage("hi", "Ada"), id="m1"),
        Said(5, 5.0, "r", ANSWER),
        Said(6, 6.0, "r", RESULT),
        Said(8, 8.0, "r", finish="failed", detail="no key"),
    ]
