"""A run as spans, with the names of OpenTelemetry's conventions for generative AI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/)."""

import hashlib
import re
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    ModelResponded,
    RunFinished,
    RunStarted,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Text, ToolCall
from carapax.telemetry.runs import Run
from carapax.telemetry.trace import span_of
from carapax.telemetry.vendors import called

Value = str | int | float | tuple[str, ...]
_WORD = re.compile(r"[\w.:/@|+-]{1,120}", re.ASCII)
_FAILED = ("failed", "limit", "loop", "interrupted")


class Span(Struct, frozen=True):
    """Something that took time. `trace`, `id` and `parent` are in hexadecimal, times in seconds since 1970; `error` is
    whether it failed."""

    trace: str
    id: str
    parent: str
    name: str
    kind: Literal["internal", "client"]
    began_at: float
    ended_at: float
    attributes: dict[str, Value]
    error: bool = False


def spans(run: Run, *, content: bool = False) -> list[Span]:
    """The spans of a run that has a root and is over, the run itself first. With `content` they hold what was said,
    called and returned; without, none of it."""
    return list(_Telling(run, content).all())


class _Telling:
    def __init__(self, run: Run, content: bool) -> None:
        self.run = run
        self.content = content
        start = run.events[0]
        assert run.root is not None
        assert isinstance(start.event, RunStarted)
        self.root = run.root
        self.start: RunStarted = start.event
        self.began_at, self.ended_at = start.at, run.events[-1].at
        self.about: dict[str, Value] = {
            "gen_ai.conversation.id": run.session,
            "gen_ai.agent.name": self.start.agent,
        }

    def all(self) -> Iterator[Span]:
        yield self.whole()
        yield from self.calls() if self.run.calls else self.answers()
        yield from self.tools()
        yield from self.approvals()

    def whole(self) -> Span:
        end = self.run.events[-1].event
        reason = end.reason if isinstance(end, RunFinished) else "interrupted"
        usages = [each.event.message.usage for each in self.run.events if isinstance(each.event, ModelResponded)]
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            **self.about,
            "gen_ai.request.model": self.start.model,
            "gen_ai.usage.input_tokens": sum(usage.input for usage in usages),
            "gen_ai.usage.output_tokens": sum(usage.output for usage in usages),
            "carapax.run.id": self.run.name,
            "carapax.run.reason": reason,
            "carapax.run.attempt": self.start.attempt,
            "carapax.run.resumes": self.start.resumes,
            "carapax.run.skipped_events": self.run.skipped,
            "error.type": reason if reason in _FAILED else "",
        }
        if self.content:
            said = [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in self.run.said]
            attributes["gen_ai.input.messages"] = msgspec.json.encode(said).decode()
        return self.span(
            span_of(self.run.name),
            self.root.parent,
            f"invoke_agent {self.start.agent}",
            self.began_at,
            self.ended_at,
            attributes,
            error=reason in _FAILED,
        )

    def calls(self) -> Iterator[Span]:
        """As this process made them, each try of each model."""
        for number, call in enumerate(self.run.calls):
            yield self.chat(
                span_of(self.run.name, "call", number),
                call.provider,
                call.model,
                call.began_at,
                call.began_at + call.took_s,
                call.answer,
                {"error.type": call.error, "carapax.first_token_s": call.first_s or 0.0},
            )

    def answers(self) -> Iterator[Span]:
        """As they are known from the journal: only those that answered, from the event before to the answer."""
        before = self.began_at
        for each in self.run.events:
            if isinstance(each.event, ModelResponded):
                message = each.event.message
                provider, model = message.provider, self.word(message.model, self.start.model.partition("/")[2])
                yield self.chat(span_of(self.run.name, each.seq), provider, model, before, each.at, message, {})
            before = each.at

    def chat(
        self,
        name: str,
        provider: str,
        model: str,
        began_at: float,
        ended_at: float,
        answer: AssistantMessage | None,
        more: dict[str, Value],
    ) -> Span:
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            **self.about,
            "gen_ai.provider.name": called(provider),
            "gen_ai.request.model": model,
            **more,
        }
        if answer is not None:
            attributes |= {
                "gen_ai.response.model": self.word(answer.model, model),
                "gen_ai.response.finish_reasons": (self.word(answer.stop_detail, answer.stop_reason),),
                "gen_ai.usage.input_tokens": answer.usage.input,
                "gen_ai.usage.output_tokens": answer.usage.output,
                "gen_ai.usage.cache_read.input_tokens": answer.usage.cache_read,
                "gen_ai.usage.cache_creation.input_tokens": answer.usage.cache_write,
            }
            if self.content:
                attributes["gen_ai.output.messages"] = _written(answer)
        return self.child(name, f"chat {model}", "client", began_at, ended_at, attributes)

    def tools(self) -> Iterator[Span]:
        returned = {each.event.result.call_id: each for each in self.run.events if isinstance(each.event, ToolReturned)}
        for each in self.run.events:
            if isinstance(each.event, ToolCalled):
                yield self.tool(each, each.event.call, returned.pop(each.event.call.id, None))
        for each in returned.values():  # what never ran; its name may be one that a model made up
            assert isinstance(each.event, ToolReturned)
            yield self.tool(each, ToolCall(each.event.result.call_id, "unknown", ""), each)

    def tool(self, began: Envelope, call: ToolCall, end: Envelope | None) -> Span:
        returned = end.event if end is not None and isinstance(end.event, ToolReturned) else None
        ended_at = end.at if end is not None else self.ended_at
        began_at = ended_at - returned.elapsed_s if returned and returned.elapsed_s else began.at
        error = "interrupted" if returned is None else "tool_error" if returned.result.is_error else ""
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            **self.about,
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": self.id(call.id),
            "error.type": error,
        }
        if self.content:
            attributes["gen_ai.tool.call.arguments"] = call.arguments
            attributes["gen_ai.tool.call.result"] = returned.result.text if returned else ""
        name = span_of(self.run.name, "tool", call.id)
        return self.child(name, f"execute_tool {call.name}", "internal", began_at, ended_at, attributes)

    def approvals(self) -> Iterator[Span]:
        """The time that a person took to answer."""
        given = {each.event.id: each for each in self.run.events if isinstance(each.event, ApprovalGiven)}
        for each in self.run.events:
            if isinstance(each.event, ApprovalAsked):
                end = given.get(each.event.id)
                answer = end.event if end is not None and isinstance(end.event, ApprovalGiven) else None
                attributes: dict[str, Value] = {
                    **self.about,
                    "gen_ai.tool.name": each.event.tool,
                    "gen_ai.tool.call.id": self.id(each.event.call_id),
                    "carapax.approval.rule": each.event.rule,
                    "carapax.approval.verdict": answer.verdict if answer and answer.by else "expired",
                }
                name, ended_at = span_of(self.run.name, "approval", each.event.id), end.at if end else self.ended_at
                yield self.child(name, f"approval {each.event.tool}", "internal", each.at, ended_at, attributes)

    def word(self, text: str, instead: str) -> str:
        """What the server of a model wrote, if it is a word or content is told; else what stands for it."""
        return text if (self.content and text) or _WORD.fullmatch(text) else instead

    def id(self, call: str) -> str:
        """What a call is known by; one that is no word by its hash."""
        return self.word(call, hashlib.sha256(call.encode("utf-8", "replace")).hexdigest()[:16])

    def child(
        self,
        name: str,
        title: str,
        kind: Literal["internal", "client"],
        began_at: float,
        ended_at: float,
        attributes: dict[str, Value],
    ) -> Span:
        parent, error = span_of(self.run.name), bool(attributes.get("error.type"))
        return self.span(name, parent, title, began_at, ended_at, attributes, kind=kind, error=error)

    def span(
        self,
        name: str,
        parent: str,
        title: str,
        began_at: float,
        ended_at: float,
        attributes: dict[str, Value],
        *,
        kind: Literal["internal", "client"] = "internal",
        error: bool,
    ) -> Span:
        told = {key: value for key, value in attributes.items() if value not in ("", 0)}
        return Span(self.root.trace, name, parent, title, kind, began_at, max(began_at, ended_at), told, error)


def _written(answer: AssistantMessage) -> str:
    """An answer as the conventions write messages; what the model thought is left out."""
    parts = [
        {"type": "text", "content": part.text}
        if isinstance(part, Text)
        else {"type": "tool_call", "id": part.id, "name": part.name, "arguments": part.arguments}
        for part in answer.parts
        if isinstance(part, Text | ToolCall)
    ]
    return msgspec.json.encode([{"role": "assistant", "parts": parts, "finish_reason": answer.stop_reason}]).decode()
