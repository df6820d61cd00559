"""The agent loop: ask the model, run the tools it calls, until it has nothing more to call."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

from carapax.agent.compaction import FULL_AT, compact, trim
from carapax.agent.context import Transcript
from carapax.agent.deadline import Deadline
from carapax.agent.guard import LoopGuard, Verdict
from carapax.agent.results import keep
from carapax.agent.toolbox import unknown
from carapax.arguments import check_arguments
from carapax.contracts import Provider, Tool, Toolbox, ToolContext
from carapax.errors import CarapaxError, ContextOverflow, InvalidRequest, ModelError, ModelUnavailable
from carapax.events import (
    Kept,
    ModelResponded,
    RunFinished,
    Steered,
    Streamed,
    StreamReset,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import (
    AssistantMessage,
    Effort,
    Message,
    ModelRequest,
    Origin,
    Part,
    ToolCall,
    ToolResult,
    UserMessage,
)
from carapax.store.transcripts import cut_short

REPEATED = "\n[The same call was made before with the same arguments. Use its result or do something else.]"
AT_ONCE = 16
_READING = frozenset({"read", "network"})


class Record(Protocol):
    """Keeps events of the run, in this order, and returns when they are synced and folded into its transcript."""

    def __call__(self, *events: Kept) -> Awaitable[None]: ...


class Gate(Protocol):
    """Decides about each call before it starts."""

    def admit(
        self,
        tool: Tool,
        call: ToolCall,
        arguments: Mapping[str, Any],
        waiting: Callable[[], AbstractContextManager[None]],
    ) -> AbstractAsyncContextManager[str]:
        """Why the call may not run, as the model is told; empty when it may, and then in this block only. What a person
        takes to answer is spent `waiting`."""
        ...

    async def origins(self, tool: Tool, arguments: Mapping[str, Any], text: str) -> tuple[Origin, ...]:
        """Whose words the result of a call may hold, which is this text."""
        ...

    def found(self, tool: Tool, arguments: Mapping[str, Any]) -> bool:
        """Whether the call is a search in which nobody had a hand but those who may give orders."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` and `iterations` bound a run; `context_tokens` bounds one request."""

    iterations: int
    seconds: float
    context_tokens: int
    output_tokens: int | None = None


@dataclass(slots=True)
class Run:
    """Everything one run needs. `steering` names received messages that the run may take between tool calls."""

    transcript: Transcript
    provider: Provider
    model: str
    system: str
    toolbox: Toolbox
    gate: Gate
    limits: Limits
    record: Record
    show: Callable[[Streamed], None]
    steering: Callable[[], tuple[str, ...]]
    context: Callable[[Tool, ToolCall], ToolContext]
    monotonic: Callable[[], float]
    temperature: float | None = None
    effort: Effort = "off"
    guard: LoopGuard = field(default_factory=LoopGuard)
    deadline: Deadline = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = Deadline(self.limits.seconds)


async def run_agent(run: Run) -> None:
    """Drive the run to its end and record why it ended. Only cancellation and a failing `record` get out.

    A transcript whose last calls are unanswered, as a crash leaves it, goes on with those.
    """
    try:
        async with run.deadline.kept():
            for _ in range(run.limits.iterations):
                if not run.transcript.unanswered:
                    if waiting := run.steering():
                        await run.record(Steered(waiting))
                    answer = await _ask(run)
                    if not answer.tool_calls and answer.stop_reason != "paused":
                        await run.record(ModelResponded(answer), _ending(answer))
                        return
                    await run.record(ModelResponded(answer))
                if await _call_tools(run) == "end":
                    await _finish(run, RunFinished("loop", "the agent kept making the same call; it was stopped"))
                    return
        await _finish(run, RunFinished("limit", f"the run reached its limit of {run.limits.iterations} answers"))
    except TimeoutError:
        await _finish(run, RunFinished("limit", f"the run reached its limit of {run.limits.seconds:g} s"))
    except ModelError as error:
        await _finish(run, RunFinished("failed", str(error)))


async def _ask(run: Run) -> AssistantMessage:
    """One answer: compacted first when the conversation is nearly full, or when the model says it is."""
    if run.transcript.size() >= run.limits.context_tokens * FULL_AT:
        messages = await _compacted(run)
    else:
        messages = run.transcript.messages
    try:
        return await _answer(run, messages)
    except ContextOverflow:
        run.show(StreamReset("the conversation is too long for the model and is being shortened"))
        return await _answer(run, await _compacted(run))


async def _answer(run: Run, messages: list[Message]) -> AssistantMessage:
    """Stream one answer."""
    request = ModelRequest(
        run.model,
        tuple(_named(messages)),
        run.system,
        run.toolbox.specs(),
        run.limits.output_tokens,
        run.temperature,
        run.effort,
    )
    async with aclosing(run.provider.stream(request)) as stream:
        async for item in stream:
            if isinstance(item, AssistantMessage):
                return _with_unique_calls(item)
            run.show(item)
    raise ModelUnavailable(f"{run.provider.name} ended without an answer", model=run.model)


async def _compacted(run: Run) -> list[Message]:
    """The conversation compacted for good; when that fails, trimmed for this one request."""
    try:
        await run.record(await compact(run.transcript, run.provider, run.model, run.limits.context_tokens))
    except ModelError:
        return trim(run.transcript.messages, run.limits.context_tokens)
    if run.transcript.size() >= run.limits.context_tokens * FULL_AT:
        return trim(run.transcript.messages, run.limits.context_tokens)
    return run.transcript.messages


async def _call_tools(run: Run) -> Verdict:
    """Run the unanswered calls: neighbours that only read at the same time, all others one after the other."""
    for reading, calls in itertools.groupby(run.transcript.unanswered, lambda call: _only_reads(run, call)):
        if reading:
            batch = list(calls)
            verdicts = [run.guard.judge(call) for call in batch]
            await _together(_call_tool(run, call, verdict) for call, verdict in zip(batch, verdicts, strict=True))
        else:
            verdicts = []
            for call in calls:
                verdicts.append(run.guard.judge(call))
                await _call_tool(run, call, verdicts[-1])
        if "end" in verdicts:
            return "end"
    return "allow"


async def _together(work: Iterable[Coroutine[object, object, None]]) -> None:
    """Await all, so many at the same time; the first failure cancels the rest and is raised itself."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def in_turn(one: Coroutine[object, object, None]) -> None:
        async with gate:
            await one

    waiting = list(work)
    try:
        async with asyncio.TaskGroup() as group:
            for one in waiting:
                group.create_task(in_turn(one))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        for one in waiting:
            one.close()


async def _call_tool(run: Run, call: ToolCall, verdict: Verdict) -> None:
    """Check one call, record that it starts, run it, and record what it gave."""
    tool = run.toolbox.find(call.name)
    if tool is None:
        return await run.record(_refusal(call, unknown(run.toolbox, call.name)))
    if verdict in ("block", "end"):
        return await run.record(_refusal(call, "not run: the same call was made again and again; do something else"))
    try:
        arguments = check_arguments(tool.parameters, call.arguments)
    except InvalidRequest as error:
        return await run.record(_refusal(call, f"not run: {error}"))
    async with run.gate.admit(tool, call, arguments, run.deadline.stopped) as refused:
        if refused:
            return await run.record(_refusal(call, f"not run: {refused}"))
        return await _run_tool(run, tool, call, arguments, verdict)


async def _run_tool(run: Run, tool: Tool, call: ToolCall, arguments: Mapping[str, Any], verdict: Verdict) -> None:
    await run.record(ToolCalled(call, tool.rerun))
    started = run.monotonic()
    found = run.gate.found(tool, arguments)
    result = await invoke(run.toolbox, tool, call, run.context(tool, call), arguments)
    if verdict == "warn":
        result = ToolResult(result.call_id, result.name, result.text + REPEATED, result.is_error)
    origins = await run.gate.origins(tool, arguments, result.text)
    await run.record(ToolReturned(result, round(run.monotonic() - started, 3), origins, found))


async def invoke(
    toolbox: Toolbox, tool: Tool, call: ToolCall, context: ToolContext, arguments: Mapping[str, Any]
) -> ToolResult:
    """Run a checked call; what goes wrong becomes a result with `is_error`."""
    try:
        text, failed = await toolbox.call(tool, context, arguments), False
    except CarapaxError as error:
        text, failed = str(error), True
    return ToolResult(call.id, call.name, keep(text), failed)


async def _finish(run: Run, finished: RunFinished) -> None:
    """Record the end, and that calls which were still running have an unknown outcome."""
    await run.record(*unreturned(run.transcript), finished)


def unreturned(transcript: Transcript) -> list[ToolReturned]:
    """What to record for calls that were started and will not return."""
    return [ToolReturned(cut_short(call)) for call in transcript.unanswered if call.id in transcript.running]


def _ending(answer: AssistantMessage) -> RunFinished:
    if answer.stop_reason == "length":
        return RunFinished("limit", "the answer reached the model's output limit and is cut")
    if answer.stop_reason == "filtered":
        return RunFinished("failed", "the model's vendor refused to answer")
    return RunFinished("done")


def _refusal(call: ToolCall, text: str) -> ToolReturned:
    return ToolReturned(ToolResult(call.id, call.name, text, is_error=True))


def _only_reads(run: Run, call: ToolCall) -> bool:
    tool = run.toolbox.find(call.name)
    return tool is not None and tool.effects <= _READING


def _named(messages: list[Message]) -> list[Message]:
    """With several people in the conversation, each message says whose it is."""
    people = {message.sender for message in messages if isinstance(message, UserMessage)}
    if len(people) < 2:
        return messages
    return [
        UserMessage(f"{message.sender}: {message.text}", message.sender)
        if isinstance(message, UserMessage) and message.sender
        else message
        for message in messages
    ]


def _with_unique_calls(answer: AssistantMessage) -> AssistantMessage:
    """Give calls of one answer that share an id, or have none, ids of their own."""
    ids = [call.id for call in answer.tool_calls]
    if len(set(ids)) == len(ids) and "" not in ids:
        return answer
    taken, seen = set(ids), {""}
    parts: list[Part] = []
    for part in answer.parts:
        if isinstance(part, ToolCall):
            if part.id in seen:
                part = ToolCall(_free(part.id or "call", taken), part.name, part.arguments, part.vendor)
                taken.add(part.id)
            seen.add(part.id)
        parts.append(part)
    return AssistantMessage(
        tuple(parts), answer.stop_reason, answer.usage, answer.provider, answer.model, answer.stop_detail
    )


def _free(name: str, taken: set[str]) -> str:
    return next(free for number in itertools.count(2) if (free := f"{name}_{number}") not in taken)
