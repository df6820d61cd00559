"""What telemetry adds to a turn: its events counted, folded into spans, and a line logged."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.table import Row, at_most
from carapax.config import LogConfig, TelemetryConfig
from carapax.events import (
    Envelope,
    Kept,
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    ToolCalled,
    ToolReturned,
)
from carapax.logs.logs import Logs
from carapax.messages import AssistantMessage, Sender, Text, ToolCall, ToolResult
from carapax.redaction import Secret
from carapax.redactor import Redactor
from carapax.telemetry.meters import Meters
from carapax.telemetry.runs import Runs
from carapax.telemetry.spans import spans

_TURNS = 500
_ROUNDS = 5
_CALL = ToolCall("c", "shell", "{}")


def rows() -> Iterator[Row]:
    turns = [_turn(number) for number in range(_TURNS)]
    yield at_most("a turn with one tool call, counted for metrics", _best(lambda: _count(turns)), "µs", 50)
    yield at_most("the same turn, made into spans", _best(lambda: _trace(turns)), "µs", 250)
    yield at_most("a line logged, as its caller waits for it", _logged(), "µs", 100)


def _best(work: Callable[[], None]) -> float:
    """Microseconds a turn, the best of a few."""
    took = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took) / _TURNS * 1e6


def _count(turns: list[list[Envelope]]) -> None:
    meters = Meters()
    for turn in turns:
        for envelope in turn:
            meters.follow(envelope)


def _trace(turns: list[list[Envelope]]) -> None:
    runs = Runs(lambda: TelemetryConfig("http://127.0.0.1:4318"))
    for turn in turns:
        for envelope in turn:
            if run := runs.follow(envelope):
                assert len(spans(run)) == 4


def _logged() -> float:
    """The median, with 50 secrets to look for."""
    redactor, log = Redactor([Secret(f"value-of-secret-{number}") for number in range(50)]), logging.getLogger("bench")
    took = []
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
        Logs() as logs,
        logs.of(Path(folder), LogConfig(), lambda: redactor),
    ):
        for number in range(1000):
            began = time.perf_counter()
            log.info("session %s took %d ms", "abc", number)
            took.append(time.perf_counter() - began)
            time.sleep(0.0005)
    return sorted(took)[len(took) // 2] * 1e6


def _turn(number: int) -> list[Envelope]:
    answer = AssistantMessage((Text("hello"),), provider="p", model="m")
    events: list[Kept] = [
        MessageReceived(f"m{number}", Sender("ann"), "hello", "api", "room"),
        RunStarted("main", "p/m", (f"m{number}",)),
        ModelResponded(answer),
        ToolCalled(_CALL),
        ToolReturned(ToolResult("c", "shell", "done"), 0.1),
        ModelResponded(answer),
        RunFinished("done"),
    ]
    return [
        Envelope(seq, "s", float(seq), event, f"r{number}" if seq > 1 else "") for seq, event in enumerate(events, 1)
    ]
