"""One conversation: its transcript in memory, and one run at a time."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any

from carapax.agent.compaction import compactable
from carapax.agent.context import Transcript
from carapax.agent.loop import invoke, run_agent, unreturned
from carapax.arguments import check_arguments
from carapax.clock import Clock
from carapax.contracts import Decision, Supervise, Tool
from carapax.errors import CarapaxError, Conflict, StoreError
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    HistoryCompacted,
    Kept,
    MessageReceived,
    ModelResponded,
    QueueMode,
    RunFinished,
    RunStarted,
    StateChanged,
    ToolCalled,
    ToolReturned,
)
from carapax.logs.about import About, about, current
from carapax.messages import Origin, ToolCall, ToolResult
from carapax.policy.policy import Policy
from carapax.sessions.agents import Agents
from carapax.sessions.delivery import Delivery
from carapax.sessions.gate import Gate
from carapax.sessions.paths import real_place
from carapax.sessions.prepare import Agent, Prepare, model_of
from carapax.sessions.questions import Questions
from carapax.sessions.workspaces import Workspaces
from carapax.store import leases
from carapax.store.audit import Actor, Audit
from carapax.store.database import Database, Statement, Unexpected
from carapax.store.grants import Grants
from carapax.store.halt import REMEDY, Halt
from carapax.store.journal import Beginning, Journal
from carapax.store.leases import LeaseLost
from carapax.store.stains import Stains
from carapax.store.transcripts import cut_short

log = logging.getLogger(__name__)

ATTEMPTS = 3
LEASE_S = 30.0
PAGE = 500
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
_GONE = "stopped on request"
_TOLD = ModelResponded | RunFinished | ApprovalAsked | ApprovalGiven

Spawn = Callable[[str, Coroutine[object, object, None]], asyncio.Task[None]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sessions of a gateway share. `owner` names this process in leases."""

    database: Database
    journal: Journal
    prepare: Prepare
    delivery: Delivery
    clock: Clock
    supervise: Supervise
    spawn: Spawn
    halt: Halt
    audit: Audit
    agents: Agents
    policy: Callable[[], Policy]
    stains: Stains
    grants: Grants
    workspaces: Workspaces
    owner: str


class Session:
    """A conversation with one agent. Messages that arrive wait in its journal until a run takes them.

    One task serves it while there is something to do (`_serving`). Whatever runs, a run or a person's tool, holds
    `_turn`; from its first event to its last it is `_driving`, which is the task that `cancel` cancels, and
    `_cancelling`, which says why, tells that cancellation from the gateway's own end. While agents are stopped, what
    an earlier process left is closed, and nothing is begun.
    """

    def __init__(self, name: str, agent: str, around: Surroundings) -> None:
        self.name = name
        self._agent_name = agent
        self._running: Agent | None = None
        self.run_id = ""
        """The run under way, or empty."""
        self._around = around
        self._transcript: Transcript | None = None
        self._early: list[Envelope] = []
        self._loading = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._driving: asyncio.Task[object] | None = None
        self._serving = False
        self._cancelling = ""
        self._begun = ""
        self._questions = Questions(name, around.journal, around.audit, around.delivery, around.grants, around.clock)

    @property
    def agent(self) -> Agent:
        """The agent as it is now, or as it was when the run under way began."""
        return self._running or self._around.agents.of(self._agent_name)

    @property
    def busy(self) -> bool:
        """Whether something runs here or is about to."""
        return self._serving or bool(self._begun) or self._turn.locked()

    @property
    def leased(self) -> str:
        """The run under way, once it is kept that it has the session's lease."""
        return self.run_id if self._transcript is not None and self._transcript.run_id == self.run_id else ""

    def open(self) -> None:
        """Nothing has happened here: the transcript begins with what is about to be kept."""
        self._transcript = Transcript()

    def begin(self, message: str, model: str) -> Beginning | None:
        """A run that answers a message which is about to be kept, to begin in the same commit; None when something
        else has to be done here first. When it is not kept, or nobody knows, `not_begun` must follow."""
        transcript = self._transcript
        if self._around.halt.stop or self.busy or transcript is None:
            return None
        if transcript.run or transcript.interrupted or transcript.waiting:
            return None
        self._begun = self._around.clock.new_id()
        start = RunStarted(self.agent.name, self._model(transcript, [model]), (message,))
        return Beginning(self._begun, start, self._claim(self._begun))

    def not_begun(self, run: str, *, in_doubt: bool = False) -> None:
        """A run was not begun, or `in_doubt` perhaps not: then the journal is read anew to see. One that has begun,
        though whoever asked for it is gone, goes on."""
        has_begun = self._transcript is not None and self._transcript.run_id == run
        if self._begun == run and not has_begun:
            self._begun = ""
            self._transcript = None if in_doubt else self._transcript

    async def transcript(self) -> Transcript:
        """The fold of the session's journal, kept up to date from now on."""
        async with self._loading:
            if self._transcript is None:
                self._early.clear()
                transcript = Transcript()
                while page := await self._around.journal.read(self.name, transcript.seq, limit=PAGE):
                    for envelope in page:
                        transcript.apply(envelope)
                self._transcript = transcript
                for envelope in self._early:
                    self.follow(envelope)
            return self._transcript

    def follow(self, envelope: Envelope) -> None:
        """Take what was just kept in this session, whoever kept it; a message is seen to, a reply is sent on."""
        transcript = self._transcript
        if isinstance(envelope.event, StateChanged) and envelope.event.key == "agent":
            self._agent_name = str(envelope.event.value)
        if transcript is None:
            self._early.append(envelope)
        elif envelope.seq == transcript.seq + 1:
            self._questions.follow(transcript, envelope)
            transcript.apply(envelope)
        if isinstance(envelope.event, MessageReceived):
            self.wake()
        elif isinstance(envelope.event, _TOLD) and transcript and transcript.started:
            self._around.delivery.wake(transcript.started.channel)

    @property
    def approvals(self) -> tuple[ApprovalAsked, ...]:
        """What waits here for a person."""
        return self._questions.waiting

    async def answer(self, given: ApprovalGiven, who: Actor, also: Sequence[Statement] = ()) -> None:
        """Keep a person's answer to what waits; the first one counts. Raises NotFound when nothing waits for it any
        more, InvalidRequest for a scope that was not offered, Conflict when somebody else was first."""
        await self._questions.answer(await self.transcript(), given, who, also)

    def wake(self) -> None:
        """Serve what waits, unless that is being done."""
        if not self._serving:
            self._serving = True
            with about(About(self.name, agent=self.agent.name)):
                self._around.spawn(f"session {self.name}", self._serve())

    def cancel(self, why: str = _GONE) -> bool:
        """End the run under way, or about to begin, as cancelled. Returns whether there was one."""
        if self._cancelling or not (self._serving or self._driving):
            return False
        self._cancelling = why
        return self._driving.cancel() if self._driving else True

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Nothing begins here meanwhile; what is said waits. Raises Conflict while a run is under way or to go on."""
        transcript = await self.transcript()
        if self.busy or transcript.run or transcript.interrupted:
            raise Conflict(f"session {self.name} is running", "wait for it, or cancel it")
        async with self._turn:
            yield

    async def settled(self) -> None:
        """Wait until nothing is under way, if only for a moment."""
        async with self._turn:
            pass

    def drop(self) -> None:
        """Stop without a trace, as when the lease is lost: whoever holds it goes on."""
        if self._driving is not None:
            self._driving.cancel()

    async def execute(self, tool: Tool, call: ToolCall, arguments: Mapping[str, Any], by: Actor) -> ToolResult:
        """Run one tool, with arguments that fit it, as a run without a model. It stops when the caller goes away.
        Raises Conflict while something else runs, or agents are stopped."""
        transcript = await self._free()
        async with self._turn:
            self._check_halt()
            result = await self._execute(transcript, tool, call, arguments, by)
        self.wake()
        return result

    async def _execute(
        self, transcript: Transcript, tool: Tool, call: ToolCall, arguments: Mapping[str, Any], by: Actor
    ) -> ToolResult:
        run_id = self._around.clock.new_id()
        with self._under_way(run_id):
            show = partial(self._around.journal.stream, self.name, run_id)
            context = self._around.prepare.context(self.agent, self.name, run_id, tool, call, show)
            try:
                started, called = RunStarted(self.agent.name, ""), ToolCalled(call, tool.rerun)
                also = [self._claim(run_id), *await self._stained(called)]
                await self._keep(started, called, run=run_id, also=also)
                async with self._around.workspaces.shared(self.agent.name):
                    result = await invoke(self.agent.toolbox, tool, call, context, arguments)
                await self._close(run_id, by, call, ToolReturned(result), RunFinished("done"))
            except asyncio.CancelledError:
                result = cut_short(call)
                await self._around.database.transact([])
                if transcript.run_id == run_id:
                    ended = RunFinished("cancelled", self._cancelling or _GONE)
                    await self._close(run_id, by, call, ToolReturned(result), ended)
                if not self._was_cancelled():
                    raise
        return result

    async def compact(self) -> HistoryCompacted:
        """Have the model sum up all but the end, as a run without an answer. Raises Conflict when there is nothing to
        leave out, while something else runs, or agents are stopped; NotFound or a ModelError when the model cannot."""
        transcript = await self._free()
        if not compactable(transcript):
            raise Conflict(f"nothing of session {self.name} can be left out", "it is short enough as it is")
        try:
            async with self._turn:
                self._check_halt()
                return await self._compact(transcript)
        finally:
            self.wake()

    async def _compact(self, transcript: Transcript) -> HistoryCompacted:
        run_id = self._around.clock.new_id()
        end = partial(self._keep, run=run_id, fence=run_id, also=[leases.release(self.name, run_id)])
        with self._under_way(run_id):
            await self._keep(RunStarted(self.agent.name, ""), run=run_id, also=[self._claim(run_id)])
            try:
                compacted = await self._around.prepare.compact(self.agent, self.name, run_id, transcript)
                await end(compacted, RunFinished("done"))
            except asyncio.CancelledError:
                await self._around.database.transact([])
                if transcript.run_id == run_id:
                    await end(RunFinished("cancelled", self._cancelling or _GONE))
                if not self._was_cancelled():
                    raise
                raise Conflict(f"the summary of session {self.name} was stopped") from None
            except (StoreError, LeaseLost):
                raise
            except CarapaxError as error:
                await end(RunFinished("failed", str(error)))
                raise
        return compacted

    async def _free(self) -> Transcript:
        """The transcript, where nothing is under way. Raises Conflict."""
        self._check_halt()
        if self.busy:
            raise Conflict(f"session {self.name} is running", "wait for it, cancel it, or use another session")
        transcript = await self.transcript()
        if transcript.ended:
            raise Conflict(f"session {self.name} has ended", "use another session, or fork it")
        return transcript

    def _check_halt(self) -> None:
        if stop := self._around.halt.stop:
            raise Conflict(stop.told(), REMEDY)

    async def _close(self, run_id: str, by: Actor, call: ToolCall, returned: ToolReturned, end: RunFinished) -> None:
        also = [*self._audited(by, call, returned, run_id), leases.release(self.name, run_id)]
        await self._keep(returned, end, run=run_id, fence=run_id, also=also)

    def _audited(self, who: Actor, call: ToolCall, returned: ToolReturned, run_id: str) -> list[Statement]:
        """What records a call, unless it could only read."""
        tool = self.agent.toolbox.find(call.name)
        if tool is not None and tool.effects <= {"read"}:
            return []
        started = self._transcript.started if self._transcript else None
        detail = {
            "tool": call.name,
            "call": call.id,
            "run": run_id,
            "arguments": hashlib.sha256(call.arguments.encode("utf-8", "surrogatepass")).hexdigest(),
            "sandbox": self.agent.config.sandbox,
            "outcome": _outcome(call, returned),
        }
        channel = started.channel if started else ""
        return self._around.audit.of("tool.called", who, channel=channel, session=self.name, detail=detail)

    @contextmanager
    def _under_way(self, run_id: str) -> Iterator[None]:
        """A run that can be cancelled and keeps its lease for as long as the block runs."""
        self.run_id, self._driving, self._running = run_id, asyncio.current_task(), self.agent
        if stop := self._around.halt.stop:
            self._cancelling = self._cancelling or stop.told()
        if self._cancelling and self._driving:
            self._driving.cancel()
        try:
            with about(About(self.name, run_id, self.agent.name, current().request)), self.agent.used():
                yield
        finally:
            self.run_id, self._driving, self._cancelling, self._running = "", None, "", None

    def _was_cancelled(self) -> bool:
        """Whether the run's task was cancelled by `cancel` and by nobody else, and so may go on."""
        return bool(self._cancelling) and self._driving is not None and not self._driving.uncancel()

    async def _keep(self, *events: Kept, run: str = "", fence: str = "", also: Sequence[Statement] = ()) -> None:
        try:
            await self._around.journal.append(self.name, *events, run=run, fence=fence, also=also)
        except Unexpected as error:
            raise LeaseLost(f"another gateway runs session {self.name}") from error

    def _claim(self, run_id: str) -> Statement:
        return leases.acquire(self.name, run_id, self._around.owner, self._around.clock.now(), LEASE_S)

    async def _serve(self) -> None:
        """Run until nothing waits. A store that fails is asked again; what was begun by then is taken up as after a
        crash."""
        wait = FIRST_WAIT_S
        try:
            while True:
                try:
                    while await self._serve_one():
                        wait = FIRST_WAIT_S
                    return
                except (StoreError, LeaseLost) as error:
                    log.warning("session %s: %s", self.name, error)
                    self._transcript = None
                    await asyncio.sleep(wait)
                    wait = min(LONGEST_WAIT_S, wait * 2)
        finally:
            self._serving, self._cancelling = False, ""

    async def _serve_one(self) -> bool:
        """Do the next thing there is to do; False when there is none."""
        async with self._turn:
            transcript = await self.transcript()
            stop = self._around.halt.stop
            if transcript.run is not None and transcript.run_id == self._begun:
                await self._run(transcript, None, self._begun)
            elif transcript.run is not None:
                await self._settle(transcript, transcript.run)
            elif transcript.interrupted is not None:
                resumed, run = transcript.interrupted
                if transcript.ended or stop:
                    await self._give_up(resumed, transcript, stop.told() if stop else "the session was ended")
                else:
                    start = RunStarted(run.agent, run.model, (), resumed, run.attempt + 1)
                    await self._run(transcript, start, self._around.clock.new_id())
            elif transcript.waiting and not transcript.ended and not stop:
                messages = self._next(transcript)
                model = self._model(transcript, [transcript.waiting[message].model for message in messages])
                await self._run(transcript, RunStarted(self.agent.name, model, messages), self._around.clock.new_id())
            else:
                return False
            return True

    async def _settle(self, transcript: Transcript, run: RunStarted) -> None:
        """Close a run that a crash cut short: calls that may not run again have an unknown outcome."""
        unknown = [
            ToolReturned(cut_short(call))
            for call in transcript.unanswered
            if transcript.running.get(call.id, "pure") not in ("pure", "idempotent")
        ]
        if stop := self._around.halt.stop:
            finished = RunFinished("cancelled", stop.told())
        elif run.attempt >= ATTEMPTS:
            finished = RunFinished("failed", f"the gateway stopped {ATTEMPTS} times during this run; send it again")
        elif not run.model or transcript.ended:
            finished = RunFinished("cancelled", "the gateway was stopped before this was done")
        else:
            finished = RunFinished("interrupted", "the gateway was stopped during this run; it goes on")
        await self._record(transcript, transcript.run_id, (*unknown, finished))

    async def _give_up(self, run_id: str, transcript: Transcript, why: str) -> None:
        """Close an interrupted run that may not go on."""
        try:
            await self._around.database.transact([self._claim(run_id)])
        except Unexpected as error:
            raise LeaseLost(f"another gateway runs session {self.name}") from error
        await self._record(transcript, run_id, (RunFinished("cancelled", why),))

    def _model(self, transcript: Transcript, asked: Sequence[str]) -> str:
        """The model of a run: the last that its messages ask for, else the session's, else the agent's."""
        last = next((model for model in reversed(asked) if model), "")
        chosen = last or model_of(self.agent, transcript)
        return self._around.prepare.models.describe(chosen)[0]

    def _next(self, transcript: Transcript) -> tuple[str, ...]:
        """The messages that the next run begins with: the first, and with `collect` what its sender added."""
        waiting = list(transcript.waiting.values())
        if self.agent.config.queue != "collect":
            return (waiting[0].id,)
        taken: list[str] = []
        for message in waiting:
            if message.sender.id != waiting[0].sender.id:
                break
            taken.append(message.id)
        return tuple(taken)

    def _steering(self, transcript: Transcript) -> tuple[str, ...]:
        """The messages that a run under way may take, in order, up to one that asks for another model: that one starts
        a run of its own."""
        mode: QueueMode = self.agent.config.queue
        waiting = transcript.waiting.values() if mode == "steer" else ()
        return tuple(
            message.id for message in takewhile(lambda message: message.model in ("", transcript.run_model), waiting)
        )

    async def _run(self, transcript: Transcript, start: RunStarted | None, run_id: str) -> None:
        """Drive a run to its end; without `start` its beginning is kept already."""
        self._begun = ""
        with self._under_way(run_id):
            try:
                if start is not None:
                    await self._keep(start, run=run_id, also=[self._claim(run_id)])
                await self._around.supervise(f"run {run_id}", self._drive(transcript, run_id))
            except asyncio.CancelledError:
                why = self._cancelling
                if not self._was_cancelled():
                    raise
                await self._finish(transcript, run_id, RunFinished("cancelled", why))
            except (StoreError, LeaseLost):
                raise
            except CarapaxError as error:
                await self._finish(transcript, run_id, RunFinished("failed", str(error)))

    async def _drive(self, transcript: Transcript, run_id: str) -> None:
        around = self._around

        async def record(*events: Kept) -> None:
            await self._record(transcript, run_id, events)

        show = partial(around.journal.stream, self.name, run_id)

        async def ask(asked: ApprovalAsked) -> ApprovalGiven:
            return await self._questions.ask(transcript, asked, record)

        gate = Gate(
            self.agent,
            self.name,
            transcript,
            around.policy,
            around.stains,
            around.workspaces,
            around.clock,
            ask,
            self._note_refusal,
        )
        run = await around.prepare.run(
            self.agent, self.name, run_id, transcript, record, show, lambda: self._steering(transcript), gate
        )
        await run_agent(run)

    async def _note_refusal(self, call: ToolCall, decision: Decision) -> None:
        detail = {"tool": call.name, "call": call.id, "rule": decision.rule}
        await self._around.audit.note(
            "policy.denied", Actor(f"agent {self.agent.name}"), session=self.name, detail=detail
        )

    async def _finish(self, transcript: Transcript, run_id: str, finished: RunFinished) -> None:
        """End a run from outside, after what it had begun to keep is kept."""
        await self._around.database.transact([])
        if transcript.run_id == run_id:
            await self._record(transcript, run_id, (*unreturned(transcript), finished))

    async def _record(self, transcript: Transcript, run_id: str, events: tuple[Kept, ...]) -> None:
        """Keep events of a run together with the replies they are, and give the lease back at its end."""
        started = transcript.started
        origins = transcript.reading.origins
        replies = self._around.delivery.replies(self.name, started, events, origins) if started else []
        ended = [leases.release(self.name, run_id)] if isinstance(events[-1], RunFinished) else []
        calls = {call.id: call for call in transcript.unanswered if call.id in transcript.running}
        who = Actor(f"agent {self.agent.name}")
        audited = [
            statement
            for event in events
            if isinstance(event, ToolReturned) and event.result.call_id in calls
            for statement in self._audited(who, calls[event.result.call_id], event, run_id)
        ]
        stained = [one for event in events for one in await self._stained(event, transcript.reading.origins)]
        questions = [statement for event in events for statement in self._questions.keeping(transcript, event)]
        await self._keep(*events, run=run_id, fence=run_id, also=[*replies, *audited, *stained, *questions, *ended])

    async def _stained(self, event: Kept, origins: Sequence[Origin] = ()) -> list[Statement]:
        """What marks the files that a call may fill with the words of others, before it does: those that its session
        has read, and those that a command reads from the web, or from other files."""
        tool = self.agent.toolbox.find(event.call.name) if isinstance(event, ToolCalled) else None
        if tool is None or not isinstance(event, ToolCalled):
            return []
        arguments = check_arguments(tool.parameters, event.call.arguments)
        effects = tool.effects_of(arguments)
        reads = "execute" in effects and (self.agent.sandbox.network or self._around.stains.on(self.agent.name, ""))
        if not effects & {"write", "execute"} or not (origins or reads):
            return []
        path = "" if "execute" in effects else await real_place(self.agent.sandbox, arguments)
        return self._around.stains.stain(self.agent.name, path)


def _outcome(call: ToolCall, returned: ToolReturned) -> str:
    if returned.result == cut_short(call):
        return "unknown"
    return "failed" if returned.result.is_error else "done"
