"""All conversations of a gateway: the door in, and everything that can be done with a session."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Literal
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from carapax.agent.context import Transcript
from carapax.arguments import check_arguments
from carapax.contracts import Asking, Decision
from carapax.errors import Conflict, InvalidRequest, NotFound, RateLimited
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    HistoryCompacted,
    Kept,
    MessageReceived,
    Scope,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from carapax.invisible import named, strip
from carapax.messages import Inbound, Receipt, ToolCall, ToolResult, ToolSpec
from carapax.policy.trial import trial
from carapax.sessions.agents import Agents
from carapax.sessions.instructions import Instruction
from carapax.sessions.intake import Door, check_name
from carapax.sessions.prepare import Agent
from carapax.sessions.session import LEASE_S, Session, Surroundings
from carapax.store import leases
from carapax.store.audit import LOCAL, Actor
from carapax.store.database import Statement, Unexpected
from carapax.store.files import use
from carapax.store.halt import REMEDY, Stop
from carapax.store.journal import Duplicate
from carapax.store.records import SessionInfo
from carapax.telemetry.trace import incoming

RECENT_SESSIONS = 200
TITLE_CHARACTERS = 80
STOP_S = 10.0


class AgentStatus(Struct, frozen=True):
    """An agent as it is now. `title` is what people call it. `sandbox_detail` says why its tools cannot run, and what
    to do, unless `sandbox_ok`. `instructions` are the files of its workspace that tell it what to do, where they were
    looked at."""

    name: str
    description: str
    model: str
    model_reason: str
    sandbox: str
    sandbox_ok: bool
    sandbox_detail: str
    tools: tuple[ToolSpec, ...]
    running: tuple[str, ...]
    title: str = ""
    emoji: str = ""
    manner: str = ""
    instructions: tuple[Instruction, ...] = ()


class Stopped(Struct, frozen=True):
    """What a stop has done.

    stopped: since when, by whom and why nothing runs
    ended: the sessions whose run was ended
    remaining: those of them where it had not ended after ten seconds
    """

    stopped: Stop
    ended: tuple[str, ...]
    remaining: tuple[str, ...]


class Sessions:
    """Every way into a conversation."""

    def __init__(
        self,
        around: Surroundings,
        *,
        door: Door,
        max_waiting: Callable[[], int] = lambda: 256,
    ) -> None:
        self._around = around
        self._audit = around.audit
        self._door = door
        self._max_waiting = max_waiting
        self._live: WeakValueDictionary[str, Session] = WeakValueDictionary()
        self._recent: OrderedDict[str, Session] = OrderedDict()
        self._opening: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        around.journal.observe(self._follow)

    async def recover(self) -> None:
        """Go on with what an earlier process left: runs that were cut short, messages that no run took."""
        for info in await self._around.journal.unfinished():
            (await self._session(info.id)).wake()

    async def keep_leases(self) -> None:
        """Renew the leases of all runs under way, until cancelled; a run whose lease is lost is dropped."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            for session, run in [(session, run) for session in list(self._live.values()) if (run := session.leased)]:
                now = self._around.clock.now()
                try:
                    await self._around.database.transact([leases.renew(session.name, run, now, LEASE_S)])
                except Unexpected:
                    if session.leased == run:
                        session.drop()

    async def create(
        self, *, agent: str = "", channel: str = "api", conversation: str = "", model: str = "", title: str = ""
    ) -> SessionInfo:
        """Start an empty session. Raises NotFound for an agent that is not configured."""
        name, events = self._start(agent, channel, conversation, model)
        if title:
            check_name("title", title)
            events.append(StateChanged("title", strip(title)))
        await self._around.journal.append(name, *events)
        return await self._around.journal.session(name)

    async def submit(self, inbound: Inbound, *, session: str = "", agent: str = "", model: str = "") -> Receipt:
        """Take a message; it is kept and synced when this returns, and never lost from then on.

        Without a `session` it goes to the one of its channel and conversation, or to a new one. A new one has `model`
        for its own; in one that is there, only the run that answers this message uses it. Raises InvalidRequest,
        Forbidden, NotFound, Conflict (the session has ended), RateLimited.
        """
        marks = self._door.check(inbound)
        if model:
            self._check_model(model)
        if session:
            return await self._receive(await self._session(session), inbound, model, marks)
        if not inbound.conversation:
            return await self._open(inbound, agent, model, marks)
        key = (inbound.channel, inbound.conversation)
        opening = self._opening.setdefault(key, asyncio.Lock())
        async with opening:
            found = await self._around.journal.find(*key)
            if found is None:
                return await self._open(inbound, agent, model, marks)
        return await self._receive(await self._session(found), inbound, model, marks)

    async def transcript(self, session: str) -> Transcript:
        """What a session is by now. Raises NotFound."""
        return await (await self._session(session)).transcript()

    async def cancel(self, session: str) -> bool:
        """Stop the run under way. Returns whether there was one. Raises NotFound."""
        return (await self._session(session)).cancel()

    def approvals(self) -> list[tuple[str, ApprovalAsked]]:
        """What waits for a person: the session and the question, the first to expire first."""
        waiting = [(live.name, asked) for live in list(self._live.values()) for asked in live.approvals]
        return sorted(waiting, key=lambda one: one[1].expires_at)

    async def answer(
        self,
        approval: str,
        digest: str,
        verdict: Literal["allow", "deny"],
        who: Actor,
        scope: Scope = "once",
        also: Sequence[Statement] = (),
    ) -> None:
        """Answer what waits for a person, and do what is `also` to be done.

        Raises NotFound when it does not wait any more, InvalidRequest for another digest than that of the call or a
        scope that was not offered, Conflict when somebody else was first.
        """
        for session, asked in self.approvals():
            if asked.id == approval:
                if asked.digest != digest:
                    raise InvalidRequest("the digest is not that of the call", "look at the call again")
                given = ApprovalGiven(approval, verdict, who.name or who.id, scope if verdict == "allow" else "once")
                return await (await self._session(session)).answer(given, who, also)
        raise NotFound(f"nothing waits for an answer to {approval}", "it was answered, or its time is over")

    @property
    def stopped(self) -> Stop | None:
        """Why nothing runs, or None."""
        return self._around.halt.stop

    async def stop(self, who: Actor, reason: str = "") -> Stopped:
        """End all runs and refuse new ones, also after restarts, until `release`; messages are taken and wait.

        Raises InvalidRequest for a reason that is too long, a StoreError when only this process would remember it;
        what runs is ended then too.
        """
        check_name("reason", reason)
        stop = self._around.halt.pull(who.name or who.id, reason)
        running = [session for session in list(self._live.values()) if session.run_id]
        for session in running:
            session.cancel(stop.told())
        await self._around.halt.keep(stop, self._audit.of("agents.stop", who, detail={"reason": reason}))
        try:
            async with asyncio.timeout(STOP_S), asyncio.TaskGroup() as waiting:
                for session in running:
                    waiting.create_task(session.settled())
        except TimeoutError:
            pass  # `remaining` says so
        return Stopped(
            stop,
            tuple(session.name for session in running),
            tuple(session.name for session in running if session.run_id),
        )

    async def release(self, who: Actor) -> Stop | None:
        """Answer what waits, and run again what is asked for; what had stopped the agents. Raises a StoreError."""
        before = await self._around.halt.release(self._audit.of("agents.release", who))
        await self.recover()
        return before

    async def end(self, session: str, reason: str = "", who: Actor = LOCAL) -> SessionInfo:
        """Close a session for good, its run stopped. Raises NotFound, Conflict when it has ended before."""
        check_name("reason", reason)
        live = await self._session(session)
        transcript = await live.transcript()
        if transcript.ended:
            raise Conflict(f"session {session} has ended")
        channel = transcript.started.channel if transcript.started else ""
        also = self._audit.of("session.end", who, channel=channel, session=session)
        await self._around.journal.append(session, SessionEnded(reason), also=also)
        live.cancel()
        return await self._around.journal.session(session)

    async def fork(self, session: str, at: int | None = None, who: Actor = LOCAL) -> SessionInfo:
        """Copy a session's first `at` events, or all, into a new session, which answers messages that waited there.

        Raises NotFound, InvalidRequest.
        """
        info = await self._around.journal.session(session)
        new, upto = self._around.clock.new_id(), info.seq if at is None else at
        also = self._audit.of("session.fork", who, session=session, detail={"new": new, "at": upto})
        copy = await self._around.journal.fork(session, upto, new, also)
        (await self._session(copy.id)).wake()
        return copy

    async def rename(self, session: str, title: str) -> SessionInfo:
        """Give a session a title. Raises NotFound, InvalidRequest."""
        check_name("title", title)
        await self._around.journal.append(session, StateChanged("title", strip(title)))
        return await self._around.journal.session(session)

    async def configure(self, session: str, chosen: Mapping[str, str], who: Actor = LOCAL) -> SessionInfo:
        """Choose the "model", the "effort" or the "agent" of a session for its next runs; of the first two, what is
        empty is the agent's own again. What the session has read stays read, and what was allowed to the agent before
        is not to the next one.

        Raises NotFound for a session, an agent, or a model that nobody offers, and Conflict for a session that has
        ended, or for another agent while a run is under way or to go on.
        """
        if chosen.get("model"):
            self._check_model(chosen["model"])
        live = await self._session(session)
        state = {"agent": live.agent.name, **(await live.transcript()).state}
        events = [StateChanged(key, value) for key, value in chosen.items() if state.get(key, "") != value]
        also = self._audit.of("session.configure", who, session=session, detail=dict(chosen))
        async with AsyncExitStack() as stack:
            if any(event.key == "agent" for event in events):
                self.agent(chosen["agent"])
                await stack.enter_async_context(live.still())
            if events:
                await self._around.journal.append(session, *events, also=also)
        return await self._around.journal.session(session)

    async def compact(self, session: str) -> HistoryCompacted:
        """Sum up a session for its model now. Raises NotFound, Conflict when there is nothing to sum up, something runs
        there or agents are stopped, or a ModelError."""
        return await (await self._session(session)).compact()

    async def execute(
        self,
        tool: str,
        arguments: dict[str, Any],
        *,
        agent: str = "",
        session: str = "",
        by: Actor = LOCAL,
    ) -> tuple[str, ToolResult]:
        """Run a tool as a person, with the agent's permissions and sandbox, and journal it.

        Without a `session` a new one is made. Returns the session and the result. Raises NotFound, InvalidRequest
        for arguments that do not fit, Conflict while a run is under way, or agents are stopped.
        """
        owner = (await self._session(session)).agent if session else self.agent(agent)
        if self.stopped:
            raise Conflict(self.stopped.told(), REMEDY)
        found = owner.toolbox.find(tool)
        if found is None:
            raise NotFound(f"agent {owner.name!r} has no tool {tool!r}", "see tools.list")
        call = ToolCall(self._around.clock.new_id(), tool, msgspec.json.encode(arguments).decode())
        checked = check_arguments(found.parameters, call.arguments)
        session = session or (await self.create(agent=agent, title=f"tool {tool}")).id
        return session, await (await self._session(session)).execute(found, call, checked, by)

    def weigh(
        self, tool: str, arguments: dict[str, Any], *, agent: str = "", tainted: bool = False
    ) -> tuple[Asking, Decision]:
        """What would be decided about a call in a session that has read nothing yet, or with `tainted` a web page.
        Nothing is run. Raises NotFound for an agent or a tool that there is not."""
        owner = self.agent(agent)
        found = owner.toolbox.find(tool)
        if found is None:
            known = ", ".join(spec.name for spec in owner.toolbox.specs())
            raise NotFound(f"agent {owner.name!r} has no tool {tool!r}", f"it has: {known}")
        asking = trial(owner.name, found, arguments, networked=owner.sandbox.network, tainted=tainted)
        return asking, self._around.policy().decide(asking)

    @property
    def configured(self) -> Agents:
        """The agents that are configured now."""
        return self._around.agents

    def agents(self) -> list[AgentStatus]:
        """Every agent as it is now, the default first."""
        return [self.status(agent.name) for agent in self._around.agents]

    def status(self, name: str = "") -> AgentStatus:
        """An agent as it is now, by its name, or the default. Raises NotFound."""
        agent = self.agent(name)
        model, reason = self._around.prepare.models.describe(agent.config.model)
        return AgentStatus(
            agent.name,
            agent.config.description,
            model,
            reason,
            agent.config.sandbox,
            not agent.sandbox_detail,
            agent.sandbox_detail,
            agent.toolbox.specs(),
            self.running(agent.name),
            self._around.prepare.title(agent),
            strip(agent.config.emoji),
            strip(agent.config.manner),
        )

    def agent(self, name: str = "") -> Agent:
        """An agent by name, or the default. Raises NotFound."""
        return self._around.agents.get(name)

    def running(self, agent: str = "") -> tuple[str, ...]:
        """The sessions, of one agent or of all, that have a run under way."""
        return tuple(
            session.name
            for session in list(self._live.values())
            if session.run_id and (not agent or session.agent.name == agent)
        )

    def _start(self, agent: str, channel: str, conversation: str, model: str) -> tuple[str, list[Kept]]:
        for field, value in (("channel", channel), ("conversation", conversation)):
            check_name(field, value)
        if model:
            self._check_model(model)
        name = self._around.clock.new_id()
        return name, [SessionStarted(self.agent(agent).name, channel, conversation, model)]

    async def _open(self, inbound: Inbound, agent: str, model: str, marks: tuple[str, ...]) -> Receipt:
        """A new session that begins with this message, in one commit."""
        name, events = self._start(agent, inbound.channel, inbound.conversation, model)
        live = self._admit(Session(name, self.agent(agent).name, self._around))
        live.open()
        message = self._received(inbound, "", marks)
        return await self._take(live, inbound, message, model, events, [_title(inbound)])

    async def _receive(self, live: Session, inbound: Inbound, model: str, marks: tuple[str, ...]) -> Receipt:
        transcript = await live.transcript()
        if transcript.ended:
            raise Conflict(f"session {live.name} has ended", "start a new one, or fork it")
        if len(transcript.waiting) >= self._max_waiting():
            raise RateLimited(f"{len(transcript.waiting)} messages wait in session {live.name}", 5)
        more = [] if "title" in transcript.state else [_title(inbound)]
        return await self._take(live, inbound, self._received(inbound, model, marks), model, [], more)

    async def _take(
        self,
        live: Session,
        inbound: Inbound,
        message: MessageReceived,
        model: str,
        before: Sequence[Kept],
        after: Sequence[Kept],
    ) -> Receipt:
        """Keep a message, and with it the beginning of its run where nothing else is to be done first."""
        files = self._files(inbound)
        append = partial(self._around.journal.append, live.name, *before, message, *after, also=files)
        beginning = live.begin(message.id, model)
        try:
            envelopes = await (append(begin=beginning) if beginning else append())
        except Duplicate as duplicate:
            if beginning:
                live.not_begun(beginning.run)
            return duplicate.receipt
        except Unexpected:
            if not beginning:
                raise
            live.not_begun(beginning.run)
            envelopes = await append()  # the lease is another's
        except BaseException:
            if beginning:
                live.not_begun(beginning.run, in_doubt=True)
            raise
        return Receipt(live.name, message.id, envelopes[len(before)].seq)

    def _check_model(self, model: str) -> None:
        check_name("model", model)
        self._around.prepare.models.check(model)

    def _received(self, inbound: Inbound, model: str, marks: tuple[str, ...]) -> MessageReceived:
        return MessageReceived(
            self._around.clock.new_id(),
            replace(inbound.sender, name=named(inbound.sender.name)),
            inbound.text,
            inbound.channel,
            inbound.conversation,
            inbound.reply_to,
            inbound.dedupe_key,
            tuple(replace(file, data=b"", name=named(file.name)) for file in inbound.attachments),
            model,
            marks,
            incoming(),
        )

    def _files(self, inbound: Inbound) -> list[Statement]:
        now = self._around.clock.now()
        return [statement for attachment in inbound.attachments for statement in use(attachment, now)]

    def _follow(self, envelope: Envelope) -> None:
        live = self._live.get(envelope.session)
        if live is not None:
            live.follow(envelope)

    async def _session(self, name: str) -> Session:
        live = self._live.get(name)
        if live is None:
            info = await self._around.journal.session(name)
            live = self._live.get(name) or Session(name, info.agent, self._around)
        return self._admit(live)

    def _admit(self, live: Session) -> Session:
        """Keep a session in memory for a while after its last use; there is never more than one of a name."""
        self._live[live.name] = self._recent[live.name] = live
        self._recent.move_to_end(live.name)
        if len(self._recent) > RECENT_SESSIONS:
            self._recent.popitem(last=False)
        return live


def _title(inbound: Inbound) -> StateChanged:
    """A session is called by the first line of its first message until somebody names it."""
    text = strip(inbound.text).strip() or ", ".join(strip(file.name) or file.media_type for file in inbound.attachments)
    return StateChanged("title", text.split("\n")[0][:TITLE_CHARACTERS])
