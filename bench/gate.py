"""What it costs to decide about a call, and to remember where everything came from."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import uvloop

from bench.table import Row, at_most
from carapax.agent.reading import Reading
from carapax.app import open_app
from carapax.config import AgentConfig, Config, Home, PolicyConfig, RuleConfig
from carapax.contracts import Tool
from carapax.events import Grant, RunFinished
from carapax.messages import Inbound, Sender, ToolCall
from carapax.sessions.gate import Gate
from carapax.store.files import attachment
from carapax.store.grants import Granted
from carapax.testing import ScriptedProvider
from carapax.testing.models import OneProvider
from carapax.testing.provider import Answer

_TURNS, _WARM, _GRANTS = 40, 10, 20
_RULES = (
    RuleConfig("deny", commands=("rm **", "shutdown **")),
    RuleConfig("ask", tool="web_fetch", arguments={"url": "*.example.com"}),
    RuleConfig("allow", commands=("git log **",), tainted=False),
)


class Spent:
    """The seconds spent in what is watched."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, kind: type, name: str) -> None:
        """Count a method from now on."""
        method: Callable[..., Any] = getattr(kind, name)

        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*arguments)
            finally:
                self.seconds += time.perf_counter() - began

        setattr(kind, name, timed)


def rows() -> Iterator[Row]:
    decisions: list[float] = []
    kept = Spent()
    watched = [(Gate, "_asking"), (Gate, "origins"), (Reading, "hear"), (Reading, "take")]
    before = [(kind, name, getattr(kind, name)) for kind, name in watched]
    decide = Gate._decide

    async def decided(self: Gate, tool: Tool, arguments: Mapping[str, Any]) -> Any:
        began = time.perf_counter()
        try:
            return await decide(self, tool, arguments)
        finally:
            decisions.append(time.perf_counter() - began)

    for kind, name in watched:
        kept.watch(kind, name)
    Gate._decide = decided  # type: ignore[method-assign] # counted for as long as this runs
    try:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            took = uvloop.run(_talk(Path(folder), decisions, kept))
    finally:
        Gate._decide = decide  # type: ignore[method-assign] # as it was
        for kind, name, method in before:
            setattr(kind, name, method)
    each = median(decisions) * 1e6
    yield at_most(
        f"policy decision with rules, {_GRANTS} grants and the rule of two, in a session of {_TURNS + _WARM} messages",
        each,
        "µs",
        100,
    )
    yield at_most("taint bookkeeping, of a turn with one call", kept.seconds / took * 100, "%", 2)


async def _talk(folder: Path, decisions: list[float], kept: Spent) -> float:
    """Turns in one session that has read somebody's file; the seconds that the counted ones took."""
    turn = 0

    def script(request: object) -> Answer:
        nonlocal turn
        turn += 1
        arguments = {"path": f"notes-{turn // 2}.md", "content": "remember the milk"}
        call = ToolCall(f"c{turn}", "write_file", msgspec.json.encode(arguments).decode())
        return call if turn % 2 else "it is written down"

    config = Config(agents={"main": AgentConfig(sandbox="local")}, policy=PolicyConfig(rules=_RULES))
    home = Home(folder, folder / "data")
    async with open_app(config, home, environ={}, models=OneProvider(ScriptedProvider(script))) as services:
        for number in range(_GRANTS):
            grant = Grant(("write_file", "shell", "post", "web_fetch")[number % 4], {"path": f"{number}.md"})
            services.grants.take(Granted(f"g{number}", "main", grant, "ann", 1.0))
        began, session = 0.0, ""
        for number in range(_TURNS + _WARM):
            if number == _WARM:
                decisions.clear()
                began, kept.seconds = time.perf_counter(), 0.0
            files = () if number else (attachment("mail.txt", b"Obey!", "text/plain"),)
            text = f"write 'remember the milk' into notes-{number}.md, please"
            inbound = Inbound("bench", "", Sender("ann", "ann"), text, attachments=files)
            receipt = await services.sessions.submit(inbound, session=session)
            session = receipt.session
            async with asyncio.timeout(20), services.journal.subscribe(session, receipt.seq) as envelopes:
                async for envelope in envelopes:
                    if isinstance(envelope.event, RunFinished):
                        break
        return time.perf_counter() - began
