"""One run of the loop in memory: what it was given, and everything that happened."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from carapax.agent.context import Transcript
from carapax.agent.loop import Limits, Run, run_agent
from carapax.agent.toolbox import Tools
from carapax.contracts import Effect, Egress, Fetched, Source, Tool, ToolContext
from carapax.errors import Forbidden, Unavailable
from carapax.events import (
    Envelope,
    Event,
    Kept,
    MessageReceived,
    ModelResponded,
    Rerun,
    RunFinished,
    RunStarted,
    SessionStarted,
    Streamed,
    ToolReturned,
)
from carapax.messages import Origin, Sender, ToolCall
from carapax.sandboxes.absent import Absent
from carapax.testing import FakeClock, ScriptedProvider
from carapax.testing.provider import Script

LIMITS = Limits(iterations=25, seconds=5, context_tokens=128_000)


class NoNetwork(Egress):
    async def fetch(
        self, url: str, *, max_bytes: int, timeout_s: float, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Fetched:
        raise Unavailable("there is no network here")

    async def connect(self, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise Forbidden(f"{url} may not be reached")


@dataclass
class FunctionTool:
    """A tool that is one function of its arguments, which must be the JSON strings `text` and numbers `number`."""

    name: str
    function: Callable[[Mapping[str, Any]], Any]
    effects: frozenset[Effect] = frozenset({"read"})
    rerun: Rerun = "pure"
    authority: tuple[str, ...] | None = ()
    description: str = "A tool."
    parameters: dict[str, Any] = field(
        default_factory=lambda: {
            "type": "object",
            "properties": {"text": {"type": "string"}, "number": {"type": "integer"}},
            "additionalProperties": False,
        }
    )

    source: Source | None = "workspace"

    def effects_of(self, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        return self.effects

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        given = self.function(arguments)
        return str(await given if hasattr(given, "__await__") else given)


class OpenGate:
    """Refuses nothing but the tools that are named, and knows no origins."""

    def __init__(self, refused: Mapping[str, str]) -> None:
        self._refused = refused

    def admit(
        self,
        tool: Tool,
        call: ToolCall,
        arguments: Mapping[str, Any],
        waiting: Callable[[], AbstractContextManager[None]],
    ) -> AbstractAsyncContextManager[str]:
        return nullcontext(self._refused.get(tool.name, ""))

    async def origins(self, tool: Tool, arguments: Mapping[str, Any], text: str) -> tuple[Origin, ...]:
        return ()

    def found(self, tool: Tool, arguments: Mapping[str, Any]) -> bool:
        return False


class Book:
    """A session in memory, with one message waiting and a run started for it."""

    def __init__(
        self,
        script: Script,
        *tools: Tool,
        limits: Limits = LIMITS,
        text: str = "go",
        refused: Mapping[str, str] | None = None,
    ) -> None:
        self._gate = OpenGate(refused or {})
        self.provider = ScriptedProvider(script)
        self.transcript = Transcript()
        self.kept: list[Kept] = []
        self.shown: list[Streamed] = []
        self.steering: list[str] = []
        self.clock = FakeClock()
        self._toolbox = Tools(tools)
        self._limits = limits
        self.keep(SessionStarted("main", "test", ""))
        self.say("m1", text)
        self.keep(RunStarted("main", "scripted/model", ("m1",)))

    def say(self, name: str, text: str, sender: Sender | None = None) -> None:
        self.keep(MessageReceived(name, sender or Sender("ann"), text, "test", ""))

    def keep(self, *events: Kept) -> None:
        for event in events:
            self.kept.append(event)
            self.transcript.apply(Envelope(self.transcript.seq + 1, "s", 0.0, event, "r"))

    async def record(self, *events: Kept) -> None:
        self.keep(*events)

    async def run(self) -> RunFinished:
        """Drive the run to its end; its last event."""
        await run_agent(
            Run(
                self.transcript,
                self.provider,
                "model",
                "be good",
                self._toolbox,
                self._gate,
                self._limits,
                self.record,
                self.shown.append,
                self._take,
                self.context,
                self.clock.now,
            )
        )
        last = self.kept[-1]
        assert isinstance(last, RunFinished)
        return last

    def results(self) -> list[tuple[str, bool]]:
        """What the calls gave, in the order kept: text and whether it is an error."""
        return [(event.result.text, event.result.is_error) for event in self.kept if isinstance(event, ToolReturned)]

    def answers(self) -> list[str]:
        return [event.message.text for event in self.kept if isinstance(event, ModelResponded)]

    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.kept]

    def _take(self) -> tuple[str, ...]:
        taken, self.steering = tuple(self.steering), []
        return taken

    def context(self, tool: Tool, call: ToolCall) -> ToolContext:
        return ToolContext(
            "main", "s", "r", call.id, Absent(Unavailable("none")), NoNetwork(), self.clock, lambda text: None, None
        )
