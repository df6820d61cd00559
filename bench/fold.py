"""What it costs to know a long session again: its events read, and folded to what a model is told."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.table import Row, at_most
from carapax.agent.context import fold
from carapax.clock import SystemClock
from carapax.events import (
    Kept,
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionStarted,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Sender, Text, ToolCall, ToolResult
from carapax.store.journal import Journal
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database

_EVENTS = 10_000
_ROUNDS = 7


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        took = uvloop.run(_known_again(Path(folder)))
    yield at_most(f"a session of {_EVENTS:,} events read and folded to messages", took * 1000, "ms", 40)


async def _known_again(folder: Path) -> float:
    """Seconds from the file to the messages, the best of a few."""
    database = await open_database(folder / "carapax.db")
    try:
        await migrate(database)
        journal = Journal(database, SystemClock())
        await journal.append("s", SessionStarted("main", "web", ""))
        for number in range(_EVENTS // 7):
            await journal.append("s", *_turn(f"m{number}"), run="r")
        best = float("inf")
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            transcript = fold(await journal.read("s"))
            best = min(best, time.perf_counter() - began)
        assert transcript.seq > _EVENTS - 10
        assert len(transcript.messages) == _EVENTS // 7 * 4
        return best
    finally:
        await database.close()


def _turn(message: str) -> list[Kept]:
    """A question that one tool call answers: seven events."""
    call = ToolCall(f"call_{message}", "read_file", '{"path": "notes.md"}')
    return [
        MessageReceived(message, Sender("web"), "what do my notes say about it?", "web", ""),
        RunStarted("main", "demo/demo", (message,)),
        ModelResponded(AssistantMessage((call,), "tool_calls")),
        ToolCalled(call, "pure"),
        ToolReturned(ToolResult(call.id, "read_file", "remember the milk\n" * 10)),
        ModelResponded(AssistantMessage((Text("They say that you should remember the milk. " * 3),))),
        RunFinished("done"),
    ]
