"""Decides about each call of a run before it starts: by policy and, where that asks, by a person."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from carapax.agent.context import Transcript
from carapax.clock import Clock
from carapax.contracts import Asking, Effect, Tool
from carapax.events import ApprovalAsked, ApprovalGiven
from carapax.messages import Origin, ToolCall
from carapax.policy.policy import Policy
from carapax.sessions.prepare import Agent
from carapax.store.stains import Stains, place

EXPIRES_S = 300.0
LONGEST_SHOWN = 4096
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

Ask = Callable[[ApprovalAsked], Awaitable[ApprovalGiven]]
"""Asks a person; the answer, or the one that nobody gave in time."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate of one run."""

    agent: Agent
    session: str
    transcript: Transcript
    policy: Policy
    stains: Stains
    clock: Clock
    ask: Ask

    async def admit(
        self,
        tool: Tool,
        call: ToolCall,
        arguments: Mapping[str, Any],
        waiting: Callable[[], AbstractContextManager[None]],
    ) -> str:
        """Why the call may not run; empty when it may."""
        asking = self._asking(tool, arguments)
        decision = self.policy.decide(asking)
        if decision.verdict == "allow":
            return ""
        if decision.verdict == "deny":
            return f"{decision.reason} ({decision.rule})"
        shown = _shown(tool, arguments)
        if len(shown.encode()) > LONGEST_SHOWN:
            return f"{decision.reason} ({decision.rule}), and it is too long for a person to judge: make it shorter"
        digest = self._digest(tool, arguments)
        asked = ApprovalAsked(
            self.clock.new_id(),
            call.id,
            tool.name,
            shown,
            digest,
            self._nonce(),
            decision.rule,
            decision.reason,
            self.clock.now() + EXPIRES_S,
            asking.origins,
        )
        with waiting():
            given = await self.ask(asked)
        if given.verdict == "deny":
            who = f"{given.by} said no" if given.by else f"nobody said yes within {EXPIRES_S:g} s"
            return f"{who}; it was asked because {decision.reason} ({decision.rule}). Do not try it in another way"
        if self._digest(tool, arguments) != digest:
            return "what would run is not what was approved any more"
        return ""

    def origins(self, tool: Tool, arguments: Mapping[str, Any]) -> tuple[Origin, ...]:
        """Whose words the result of a call may hold."""
        match tool.source:
            case "own":
                return (Origin("owner", tool.name),)
            case "workspace" if self._fetches(tool, arguments):
                return (Origin("tool", tool.name),)
            case "workspace":
                path = "" if "execute" in tool.effects else place(arguments)
                return self.stains.on(self.agent.name, path)
            case "outside":
                return (Origin("web", _url(arguments) or tool.name),)
            case None:
                return (Origin("tool", tool.name),)

    def effects(self, tool: Tool, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        """What a call may do here: commands reach what their sandbox reaches, and what is read where strangers listen
        is as good as sent to them."""
        effects = set(tool.effects_of(arguments))
        if self._fetches(tool, arguments):
            effects.add("network")
        if tool.source != "outside" and self.transcript.reading.overheard:
            effects.add("message")
        return frozenset(effects)

    def _fetches(self, tool: Tool, arguments: Mapping[str, Any]) -> bool:
        """Whether it is a command that may bring in whatever the web holds."""
        return self.agent.sandbox.network and "execute" in tool.effects_of(arguments)

    def _asking(self, tool: Tool, arguments: Mapping[str, Any]) -> Asking:
        reading, started = self.transcript.reading, self.transcript.started
        vouching, effects = reading.vouching.all(), self.effects(tool, arguments)
        own = reading.own.all()
        return Asking(
            agent=self.agent.name,
            session=self.session,
            channel=started.channel if started else "",
            tool=tool.name,
            arguments=arguments,
            effects=effects,
            authority=tool.authority,
            origins=reading.origins,
            vouching=vouching,
            own=own,
            links=_read(arguments, reading.outside.all()) if _goes_out(effects) and reading.origins else frozenset(),
            private=bool(vouching or own) or self.agent.private,
        )

    def _digest(self, tool: Tool, arguments: Mapping[str, Any]) -> str:
        bound = (self.agent.name, self.agent.config.sandbox, self.session, tool.name, arguments)
        return hashlib.sha256(msgspec.json.encode(bound, order="deterministic")).hexdigest()

    def _nonce(self) -> str:
        return "".join(_LETTERS[int(self.clock.random() * len(_LETTERS))] for _ in range(6))


def _goes_out(effects: frozenset[Effect]) -> bool:
    return "network" in effects


def _shown(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """The whole call as people see it: nothing in it is invisible, turns the writing, or moves a cursor."""
    lines = [f"{name}: {_legible(value)}" for name, value in arguments.items()]
    return "\n".join([tool.name, *lines])


def _legible(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character if character.isprintable() or character == "\n" else character.encode("unicode_escape").decode()


def _url(arguments: Mapping[str, Any]) -> str:
    url = arguments.get("url")
    return url if isinstance(url, str) else ""


def _read(arguments: Mapping[str, Any], texts: tuple[str, ...]) -> frozenset[str]:
    """The arguments that stand word for word in what was read."""
    return frozenset(leaf for leaf in _leaves(arguments) if any(_stands_in(leaf, text) for text in texts))


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from _leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from _leaves(inner)


def _stands_in(leaf: str, text: str) -> bool:
    """Whether it stands there as a whole, between characters that cannot go on with an address."""
    at = text.find(leaf) if leaf else -1
    while at >= 0:
        end = at + len(leaf)
        if not _goes_on(text[at - 1 : at]) and not _goes_on(text[end : end + 1]):
            return True
        at = text.find(leaf, end)
    return False


def _goes_on(character: str) -> bool:
    return character.isalnum() or (character != "" and character in "-._~%/?#&=+@:$")
