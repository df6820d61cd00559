"""Decides about each call of a run before it starts: by policy and, where that asks, by a person."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from carapax.agent.context import Transcript
from carapax.clock import Clock
from carapax.contracts import Asking, Decision, Effect, Tool
from carapax.errors import InvalidRequest, Unavailable
from carapax.events import ApprovalAsked, ApprovalGiven, Offer
from carapax.messages import Origin, ToolCall
from carapax.policy.binding import Binding, named_files
from carapax.policy.grants import offers
from carapax.policy.legible import shown
from carapax.policy.policy import Policy
from carapax.policy.provenance import leaves, only_names, said_all, written
from carapax.sessions.paths import real_place
from carapax.sessions.prepare import Agent
from carapax.sessions.workspaces import Workspaces
from carapax.store.grants import Granted
from carapax.store.stains import Stains

LONGEST_SHOWN = 4096
MOST_REFUSED = 3
CHANGED = "what would run is not what was approved any more"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

Waiting = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate of one run. `ask` asks a person for the answer, or for the one that nobody gave in time; `note` records
    that policy refused a call."""

    agent: Agent
    session: str
    transcript: Transcript
    policy: Callable[[], Policy]
    stains: Stains
    workspaces: Workspaces
    clock: Clock
    ask: Callable[[ApprovalAsked], Awaitable[ApprovalGiven]]
    note: Callable[[ToolCall, Decision], Awaitable[None]]

    @asynccontextmanager
    async def admit(
        self, tool: Tool, call: ToolCall, arguments: Mapping[str, Any], waiting: Waiting
    ) -> AsyncIterator[str]:
        """Why the call may not run; empty when it may, which is so in this block only: while one that was approved
        runs, nothing else changes the files that it names."""
        try:
            decision, asking = await self._decide(tool, arguments)
        except (InvalidRequest, Unavailable) as error:  # what cannot be looked at cannot be approved
            yield f"nobody can say yes to it: {error}"
            return
        bound = self._bound(tool, call, arguments, asking.files)
        refused = await self._refusal(tool, call, decision, asking, bound, waiting)
        if refused:
            yield refused
            return
        async with self._held(tool, arguments, alone=bool(bound.files)):
            by_person = decision.verdict == "ask" or bool(bound.files)
            yield await self._changed(tool, call, arguments, bound) if by_person else ""

    async def _decide(self, tool: Tool, arguments: Mapping[str, Any]) -> tuple[Decision, Asking]:
        """What policy says; where a person has said yes, or will be asked, the files count that the call names."""
        asking = self._asking(tool, arguments)
        may_replace = bool(asking.origins) and _writes_file(tool, asking)
        if may_replace or any(granted.grant.files is not None for granted in asking.grants):
            asking = replace(asking, files=await named_files(self.agent.sandbox, arguments))
        if may_replace and arguments["path"] not in asking.files:
            asking = replace(asking, effects=asking.effects - {"destroy"})
        decision = self.policy().decide(asking)
        if decision.verdict == "ask" and not asking.files:
            asking = replace(asking, files=await named_files(self.agent.sandbox, arguments))
        return decision, asking

    def _offered(self, tool: Tool, asking: Asking) -> tuple[Offer, ...]:
        """What a yes may be given for besides the call: only what would then let it run without a question."""
        kept = []
        for offer in offers(tool, asking.arguments, asking.files):
            given = Granted("", asking.agent, offer.grant, "", 0.0)
            if self.policy().decide(replace(asking, grants=(given,))).verdict == "allow":
                kept.append(offer)
        return tuple(kept)

    async def _refusal(
        self, tool: Tool, call: ToolCall, decision: Decision, asking: Asking, bound: Binding, waiting: Waiting
    ) -> str:
        """Why it may not run; a person is asked where policy does not know."""
        if decision.verdict == "allow":
            return ""
        if forbidden := await self._forbidden(call, decision):
            return forbidden
        text = shown(tool.name, asking.arguments)
        if unasked := _unasked(self.transcript.refused, text):
            await self.note(call, decision)
            return f"{decision.reason} ({decision.rule}), and {unasked}"
        if len(text.encode()) > LONGEST_SHOWN:
            return f"{decision.reason} ({decision.rule}), and it is too long for a person to judge: make it shorter"
        asked = ApprovalAsked(
            self.clock.new_id(),
            call.id,
            tool.name,
            text,
            bound.digest(),
            self._nonce(),
            decision.rule,
            decision.reason,
            self.clock.now() + self.policy().expires_s,
            asking.origins,
            self._offered(tool, asking),
        )
        with waiting():
            given = await self.ask(asked)
        if given.verdict == "allow":
            return await self._forbidden(call, self.policy().decide(asking))
        who = f"{given.by} said no" if given.by else f"nobody said yes within {self.policy().expires_s:g} s"
        return f"{who}; it was asked because {decision.reason} ({decision.rule}). Do not try it in another way"

    async def _forbidden(self, call: ToolCall, decision: Decision) -> str:
        """Why policy refuses it, also after a person has said yes to it; empty if it does not."""
        if decision.verdict != "deny":
            return ""
        await self.note(call, decision)
        return f"{decision.reason} ({decision.rule})"

    def _held(self, tool: Tool, arguments: Mapping[str, Any], *, alone: bool) -> AbstractAsyncContextManager[None]:
        """The right to change files, if that is what the call may do, or `alone` to do so."""
        if alone:
            return self.workspaces.alone(self.agent.name)
        if self.effects(tool, arguments) & {"write", "execute"}:
            return self.workspaces.shared(self.agent.name)
        return nullcontext()

    async def _changed(self, tool: Tool, call: ToolCall, arguments: Mapping[str, Any], bound: Binding) -> str:
        """Whether it is still what was approved; empty when it is."""
        try:
            files = await named_files(self.agent.sandbox, arguments)
        except (InvalidRequest, Unavailable) as error:
            return f"{CHANGED}: {error}"
        return "" if self._bound(tool, call, arguments, files).digest() == bound.digest() else CHANGED

    async def origins(self, tool: Tool, arguments: Mapping[str, Any], text: str) -> tuple[Origin, ...]:
        """Whose words the result of a call may hold."""
        match tool.source:
            case "own":
                return (Origin("owner", tool.name),)
            case "names" if only_names(text):
                return ()
            case "workspace" if self._fetches(tool, arguments):
                return (Origin("tool", tool.name),)
            case "workspace":
                is_sure = "execute" not in tool.effects and self.stains.listed(self.agent.name)
                path = await real_place(self.agent.sandbox, arguments) if is_sure else ""
                return self.stains.on(self.agent.name, path)
            case "outside" | "found" | "names":
                return (Origin("web", _url(arguments) or tool.name),)
            case None:
                return (Origin("tool", tool.name),)

    def found(self, tool: Tool, arguments: Mapping[str, Any]) -> bool:
        """Whether it is a search in which nobody had a hand but those who may give orders: nothing of others was read
        before it, or each of its words was said by them."""
        reading = self.transcript.reading
        return tool.source == "found" and (not reading.origins or said_all(reading.vouching.all(), arguments))

    def effects(self, tool: Tool, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        """What a call may do here: commands reach what their sandbox reaches, and what is read where strangers listen
        is as good as sent to them."""
        effects = set(tool.effects_of(arguments))
        if self._fetches(tool, arguments):
            effects.add("network")
        if tool.source not in ("outside", "found") and self.transcript.reading.overheard:
            effects.add("message")
        return frozenset(effects)

    def _fetches(self, tool: Tool, arguments: Mapping[str, Any]) -> bool:
        """Whether it is a command that may bring in whatever the web holds."""
        return self.agent.sandbox.network and "execute" in tool.effects_of(arguments)

    def _asking(self, tool: Tool, arguments: Mapping[str, Any]) -> Asking:
        reading, started = self.transcript.reading, self.transcript.started
        vouching, effects = reading.vouching.all(), self.effects(tool, arguments)
        own = reading.own.all()
        words = _texts(arguments) if "network" in effects and reading.origins else frozenset()
        had_another = "agent" in self.transcript.state  # whose reach this one has by what the session tells it
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
            things=_things(arguments, reading.things),
            links=_read(words, reading.outside.all()),
            found=_found(words, reading.found.all()),
            followed=reading.followed,
            private=bool(vouching or own) or self.agent.private or had_another,
            grants=tuple(one for one in self.transcript.grants.values() if one.grant.tool == tool.name),
        )

    def _bound(self, tool: Tool, call: ToolCall, arguments: Mapping[str, Any], files: Mapping[str, str]) -> Binding:
        agent = self.agent
        where = (agent.config.sandbox, str(agent.sandbox.network), repr(agent.tool_settings.get(tool.name)))
        reading, run = self.transcript.reading, self.transcript.run_id
        return Binding(agent.name, self.session, run, call.id, reading.asker, where, tool.name, arguments, files)

    def _nonce(self) -> str:
        return "".join(_LETTERS[int(self.clock.random() * len(_LETTERS))] for _ in range(6))


def _unasked(refused: Sequence[str], text: str) -> str:
    """Why people are not asked about a call; empty when they are. Who is asked again and again says yes one day."""
    if text in refused:
        return "a person has not said yes to just that before: do something else, or ask in words"
    if len(refused) >= MOST_REFUSED:
        return f"{MOST_REFUSED} questions got no yes by now: no more are asked before somebody says what to do"
    return ""


def _writes_file(tool: Tool, asking: Asking) -> bool:
    """Whether it writes one file of the workspace, in place of what may be there."""
    is_file = tool.source == "workspace" and isinstance(asking.arguments.get("path"), str)
    return is_file and {"write", "destroy"} <= asking.effects


def _url(arguments: Mapping[str, Any]) -> str:
    url = arguments.get("url")
    return url if isinstance(url, str) else ""


def _texts(arguments: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(leaf for leaf in leaves(arguments) if isinstance(leaf, str))


def _read(words: frozenset[str], texts: tuple[str, ...]) -> frozenset[str]:
    """The words that stand as they are in what was read."""
    return frozenset(word for word in words if any(_stands_in(word, text) for text in texts))


def _things(arguments: Mapping[str, Any], things: Mapping[str, Mapping[str, None]]) -> dict[str, tuple[str, ...]]:
    """Those of all things whose id stands among the arguments."""
    ids = {written(leaf) for leaf in leaves(arguments)}
    return {name: tuple(things[name]) for name in ids & things.keys()}


def _found(words: frozenset[str], texts: tuple[str, ...]) -> frozenset[str]:
    """The words that stand alone on a line of what was found."""
    return frozenset(word for word in words if any(f"\n{word}\n" in f"\n{text}\n" for text in texts))


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
