"""The world around a simulated gateway: people, a chat platform, a model, tools with effects, and bad luck.

Everything here outlives the gateway's crashes. What the gateway touches is touched through the `Life` it is part of,
so that a killed gateway touches nothing more.
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from carapax.contracts import ChannelLimits, Effect, Embedder, Provider, Searcher, Source, Spender, Submit, ToolContext
from carapax.errors import CarapaxError, ConfigError, InvalidRequest, ModelUnavailable, Unavailable
from carapax.events import Delta, Rerun, TextDelta, ToolArgumentsDelta
from carapax.messages import (
    AssistantMessage,
    Inbound,
    ModelInfo,
    ModelRequest,
    Outbound,
    Part,
    Receipt,
    Sender,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from carapax.testing import call
from carapax.testing.simulation import Life, SimulatedClock, Trace

ASKED = re.compile(r"(m\d+) (\w+)")
TOOLS: dict[str, Rerun] = {
    "once": "at_most_once",
    "again": "idempotent",
    "inside": "transactional",
    "look": "pure",
}
WISHES = ("plain", "plain", "once", "again", "inside", "look", "both")


@dataclass
class World:
    """Outside of the gateway, from one seed. With `calm` nothing fails any more.

    `points` counts the moments between which a crash makes a difference; the `deadly` one ends the gateway's life.
    """

    seed: int
    calm: bool = False
    acknowledged: dict[str, Receipt] = field(default_factory=dict)
    waiting: dict[str, list[Inbound]] = field(default_factory=dict)
    taken: dict[str, Outbound] = field(default_factory=dict)
    refused: dict[str, Outbound] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    malformed: list[str] = field(default_factory=list)
    said: int = 0
    calls: int = 0
    points: int = 0
    deadly: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.clock = SimulatedClock(self.seed)
        self.trace = Trace()

    def unlucky(self, likely: float) -> bool:
        return not self.calm and self.chance.random() < likely

    def reach(self, life: Life) -> None:
        """The gateway is about to touch the world, or has just done so. Raises Killed."""
        life.check()
        self.points += 1
        if self.points == self.deadly:
            self.trace.add("killed at point", self.points)
            life.alive = False
            life.check()

    async def delay(self, longest_s: float) -> None:
        await asyncio.sleep(self.chance.random() * longest_s)

    def message(self, channel: str, conversation: str, sender: str) -> Inbound:
        """Something new to say: a name of its own and a wish."""
        self.said += 1
        name = f"m{self.said}"
        wish = self.chance.choice(WISHES)
        return Inbound(channel, conversation, Sender(sender, sender), f"{name} {wish}", dedupe_key=name)


@dataclass
class WorldChannel:
    """The gateway's end of the platform, which knows each reply by its key and gives a message until acknowledged."""

    world: World
    life: Life
    name: str = "chat"
    limits: ChannelLimits = field(default_factory=ChannelLimits)

    async def run(self, submit: Submit) -> None:
        seen: list[Inbound] = []
        while True:
            await self.world.delay(0.4)
            for inbound in [messages[0] for messages in self.world.waiting.values() if messages]:
                await self._accept(submit, inbound)
                seen.append(inbound)
            if seen and self.world.unlucky(0.1):
                await self._accept(submit, self.world.chance.choice(seen))

    async def check(self) -> str:
        return self.name

    async def _accept(self, submit: Submit, inbound: Inbound) -> None:
        try:
            receipt = await submit(inbound)
        except CarapaxError:
            return
        await self.world.delay(0.05)
        self.world.reach(self.life)
        acknowledge(self.world, inbound, receipt)

    async def send(self, message: Outbound) -> str:
        world = self.world
        world.attempts[message.key] += 1
        await world.delay(0.3)
        world.reach(self.life)
        if message.key in world.refused or (message.key not in world.taken and world.unlucky(0.04)):
            world.refused[message.key] = message
            raise InvalidRequest("the platform refuses this for good")
        if world.unlucky(0.1):
            raise Unavailable("the platform is down")
        if world.unlucky(0.02):
            await asyncio.sleep(86_400)
        if world.taken.setdefault(message.key, message) is message:
            world.trace.add("taken", message.conversation, message.text)
        await world.delay(0.3)
        world.reach(self.life)
        if world.unlucky(0.1):
            raise Unavailable("the platform's answer was lost")
        return f"post-{message.key}"


def acknowledge(world: World, inbound: Inbound, receipt: Receipt) -> None:
    """The platform, or a person, now relies on the message being kept."""
    key = inbound.dedupe_key or ""
    world.trace.add("acknowledged", key, receipt.session, receipt.seq)
    known = world.acknowledged.setdefault(key, receipt)
    if (known.session, known.message) != (receipt.session, receipt.message):
        world.malformed.append(f"{key} was accepted twice, as {known.message} and as {receipt.message}")
    waiting = world.waiting.get(inbound.conversation, [])
    if inbound in waiting:
        waiting.remove(inbound)


@dataclass
class WorldModel:
    """Does what people wish with the tools they name, then says whom it answered. Some answers fail."""

    world: World
    life: Life
    name: str = "world"

    async def models(self) -> list[ModelInfo]:
        return [ModelInfo("model")]

    async def open(self, model: str, spender: Spender | None = None) -> tuple[Provider, str]:
        return self, "model"

    async def embedder(self, model: str, spender: Spender | None = None) -> tuple[Embedder, str]:
        raise ConfigError("this world has no embeddings")

    def searcher(self) -> Searcher | None:
        return None

    async def context_tokens(self, model: str) -> int:
        return 128_000

    def check(self, model: str) -> None:
        pass

    def describe(self, model: str) -> tuple[str, str]:
        return "world/model", "it is the only one"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        world = self.world
        world.reach(self.life)
        if wrong := broken_order(request):
            world.malformed.append(wrong)
        parts = think(request)
        for index, part in enumerate(parts):
            await world.delay(0.8)
            world.reach(self.life)
            if world.unlucky(0.04):
                raise ModelUnavailable("the model broke off")
            if isinstance(part, ToolCall):
                world.calls += 1
                part = ToolCall(f"call-{world.calls}", part.name, part.arguments)
                yield ToolArgumentsDelta(index, part.arguments, part.id, part.name)
            elif isinstance(part, Text):
                yield TextDelta(part.text)
            parts[index] = part
        wants = any(isinstance(part, ToolCall) for part in parts)
        world.trace.add("model", *parts)
        yield AssistantMessage(tuple(parts), "tool_calls" if wants else "end", provider="world", model="model")


def think(request: ModelRequest) -> list[Part]:
    """The answer to a conversation: the tools that were wished for and not yet called, else a reply to all open."""
    said = " ".join(message.text for message in request.messages if isinstance(message, AssistantMessage))
    called = [
        call.arguments
        for message in request.messages
        if isinstance(message, AssistantMessage)
        for call in message.tool_calls
    ]
    answered = set(said.split())
    users = [message.text for message in request.messages if isinstance(message, UserMessage)]
    open_ = [found for text in users for found in ASKED.findall(text) if found[0] not in answered]
    calls: list[Part] = [
        call(tool, what=name)
        for name, wish in open_
        for tool in (("once", "again") if wish == "both" else (wish,))
        if tool in TOOLS and not any(f'"{name}"' in arguments for arguments in called)
    ]
    return calls or [Text("answered " + " ".join(name for name, _ in open_))]


def broken_order(request: ModelRequest) -> str:
    """What breaks the rule that each call is followed by its result, in the order asked; or empty."""
    expected: list[str] = []
    for message in request.messages:
        if isinstance(message, ToolResult):
            if not expected or expected.pop(0) != message.call_id:
                return f"a result of {message.call_id} came where none was expected"
        elif expected:
            return f"call {expected[0]} has no result"
        elif isinstance(message, AssistantMessage):
            expected = [call.id for call in message.tool_calls]
    return f"call {expected[0]} has no result" if expected else ""


@dataclass
class WorldTool:
    """A tool of one `rerun` class. Its effect is counted by call in the world; `look` has none."""

    world: World
    life: Life
    name: str
    rerun: Rerun
    description: str = "Does something to the world."
    authority: tuple[str, ...] | None = None

    @property
    def source(self) -> Source | None:
        """In every other world others write what is looked at."""
        return "outside" if self.name == "look" and self.world.seed % 2 else "workspace"

    def effects_of(self, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        return self.effects

    @property
    def parameters(self) -> dict[str, Any]:
        return {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]}

    @property
    def effects(self) -> frozenset[Effect]:
        return frozenset({"read"} if self.rerun == "pure" else {"write"})

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        world = self.world
        await world.delay(0.5)
        world.reach(self.life)
        world.effects[self.rerun, context.call_id] += 1
        world.trace.add("effect", self.rerun, context.call_id, arguments["what"])
        await world.delay(0.5)
        world.reach(self.life)
        return f"did {arguments['what']}"
