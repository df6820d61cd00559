"""Cohere's Chat API, version 2.

The format: https://docs.cohere.com/reference/chat
"""

from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from carapax.events import Delta
from carapax.messages import (
    AssistantMessage,
    Attachment,
    Effort,
    Message,
    ModelInfo,
    ModelRequest,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.dialect import arguments_object, counted, fitting_name, is_one_of, json_text, storable
from carapax.models.draft import Call, Draft, Words
from carapax.models.refusal import (
    BROKEN_JSON,
    Origin,
    VendorError,
    as_error,
    no_answer,
    read_error,
    refusal,
    unavailable,
    unreadable,
)
from carapax.models.server import Server, Wire, own, rooted
from carapax.models.sse import ServerSentEvent

_WIRE = Wire(version="")
_BUDGETS: dict[Effort, int] = {"low": 2_048, "medium": 8_192, "high": 24_576}
_STOPS: dict[str, StopReason] = {"MAX_TOKENS": "length", "ERROR_LIMIT": "length", "ERROR_TOXIC": "filtered"}
_FAILED_STOPS = frozenset({"ERROR", "TIMEOUT", "USER_CANCEL"})


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that speaks Cohere's Chat API.

    thinking_models: patterns of models that think unless they are told not to; others are told nothing of it
    """

    thinking_models: tuple[str, ...] = ("*reasoning*",)


def encode(request: ModelRequest, config: Config) -> dict[str, Any]:
    """The body of a request."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
    messages += [encoded for message in request.messages if (encoded := _message(message))]
    body: dict[str, Any] = {"model": request.model, "messages": messages, "stream": request.stream}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.max_output_tokens is not None:
        body["max_tokens"] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if is_one_of(request.model, config.thinking_models):
        _think(body, request.effort)
    return body


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _think(body: dict[str, Any], effort: Effort) -> None:
    """What is thought counts as output: room for it comes on top."""
    if effort == "off":
        body["thinking"] = {"type": "disabled"}
        return
    body["thinking"] = {"type": "enabled", "token_budget": _BUDGETS[effort]}
    if "max_tokens" in body:
        body["max_tokens"] += _BUDGETS[effort]


def _message(message: Message) -> dict[str, Any] | None:
    """None for an answer without words and calls."""
    if isinstance(message, UserMessage):
        return {"role": "user", "content": _content(message)}
    if isinstance(message, ToolResult):
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    encoded: dict[str, Any] = {"role": "assistant"}
    thoughts = [part for part in message.parts if isinstance(part, Thinking)]
    content = [{"type": "thinking", "thinking": part.text} for part in thoughts if part.vendor.get("kind") == "content"]
    content += [{"type": "text", "text": part.text} for part in message.parts if isinstance(part, Text) and part.text]
    if content:
        encoded["content"] = content
    if message.tool_calls:
        encoded["tool_calls"] = [_call(call) for call in message.tool_calls]
        if plan := "".join(part.text for part in thoughts if part.vendor.get("kind") == "plan"):
            encoded["tool_plan"] = plan
    return encoded if message.text or message.tool_calls else None


def _content(message: UserMessage) -> str | list[dict[str, Any]]:
    if not message.attachments:
        return message.text
    words = [{"type": "text", "text": message.text}] if message.text else []
    return [*words, *map(_attached, message.attachments)]


def _attached(file: Attachment) -> dict[str, Any]:
    if not file.media_type.startswith("image/"):
        return {"type": "text", "text": f"[{file.name}, {file.media_type}: not shown]"}
    url = f"data:{file.media_type};base64,{b64encode(file.data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = json_text(arguments_object(call))
    return {"id": call.id, "type": "function", "function": {"name": fitting_name(call.name), "arguments": arguments}}


class _Counts(Struct):
    input_tokens: Any = None
    output_tokens: Any = None


class _Usage(Struct):
    """What was read and written, and what of it is charged for: without what the vendor itself put in."""

    tokens: _Counts | None = None
    billed_units: _Counts | None = None
    cached_tokens: Any = None


def _read_usage(found: object) -> Usage:
    """Counts in whatever form; an answer is not lost for them."""
    try:
        told = msgspec.convert(found, _Usage, strict=False)
    except msgspec.ValidationError:
        return Usage()
    counts = told.tokens or told.billed_units or _Counts()
    return Usage(counted(counts.input_tokens), counted(counts.output_tokens), cache_read=counted(told.cached_tokens))


class _Block(Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct):
    id: str | None = None
    function: _Function | None = None


T = TypeVar("T", _Block, _ToolCall)


class _Said(Struct):
    """What a delta says: a block or a call at a time, or in a whole answer all of them."""

    content: list[_Block] | _Block | str | None = None
    tool_plan: str | None = None
    tool_calls: list[_ToolCall] | _ToolCall | None = None


class _Delta(Struct):
    message: _Said | None = None
    finish_reason: str | None = None
    usage: Any = None
    error: Any = None


class _Event(Struct):
    """An event of a stream, or a whole answer, which has the fields of a delta itself."""

    type: str = ""
    index: int | None = None
    delta: _Delta | None = None
    message: _Said | str | None = None
    finish_reason: str | None = None
    usage: Any = None
    error: Any = None


_event = msgspec.json.Decoder(_Event, strict=False)


class Decoder:
    """Fed with the events of one stream, it gives deltas, and the whole message at the end.

    `done` says that the vendor has said all, even if the connection stays open.
    """

    def __init__(self, origin: Origin) -> None:
        self.done = False
        self._origin = origin
        self._draft = Draft(origin.id)
        self._blocks: dict[int, Words] = {}
        self._plan: Words | None = None
        self._calls: dict[int, Call] = {}
        self._usage = Usage()
        self._stop = ""
        self._error: VendorError | None = None

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Raises a ModelError for an error that came instead of an answer, and for what cannot be read."""
        if not event.data.strip() or event.data.startswith("[DONE]"):
            return []
        try:
            said = _event.decode(event.data)
        except BROKEN_JSON:
            raise no_answer(self._origin, event.data) from None
        if said.error or said.type == "error" or (not said.type and not said.delta):
            raise no_answer(self._origin, event.data)
        if said.delta:
            self._take(said.type, said.index or 0, said.delta)
        self.done = self.done or said.type == "message-end"
        return self._draft.take_deltas()

    def whole(self, message: _Said, answer: _Event) -> AssistantMessage:
        """The same of an answer that was not streamed."""
        self._plan_on(message.tool_plan)
        for index, block in enumerate(_blocks(message.content)):
            self._block(index, block)
        for index, call in enumerate(_listed(message.tool_calls)):
            self._open_call(index, call)
        self._end(_Delta(finish_reason=answer.finish_reason or "COMPLETE", usage=answer.usage))
        return self.finish()

    def finish(self) -> AssistantMessage:
        """The whole message. Raises ModelUnavailable when the stream broke off before the model was finished."""
        if not self._stop:
            raise unavailable(self._origin, "the answer broke off before its end")
        if self._error:
            raise refusal(self._origin, self._error)
        if self._stop in _FAILED_STOPS:
            raise unavailable(self._origin, f"the model stopped with {self._stop!r}")
        self._draft.close_calls()
        message = AssistantMessage(
            parts=tuple(self._draft.parts()),
            stop_reason=_STOPS.get(self._stop, "tool_calls" if self._draft.calls else "end"),
            usage=self._usage,
            provider=self._origin.provider,
            model=self._origin.model,
            stop_detail=self._stop,
        )
        return storable(self._origin, message)

    def _take(self, kind: str, index: int, delta: _Delta) -> None:
        said = delta.message or _Said()
        if kind in ("content-start", "content-delta"):
            for block in _blocks(said.content):
                self._block(index, block)
        elif kind == "tool-plan-delta":
            self._plan_on(said.tool_plan)
        elif kind == "tool-call-start":
            for call in _listed(said.tool_calls):
                self._open_call(index, call)
        elif kind == "tool-call-delta":
            for call in _listed(said.tool_calls):
                self._call_on(index, call)
        elif kind == "tool-call-end":
            if ended := self._calls.get(index):
                self._close(ended)
        elif kind == "message-end":
            self._end(delta)

    def _block(self, index: int, block: _Block) -> None:
        thinks = block.type == "thinking" or bool(block.thinking)
        words = self._blocks.get(index)
        if words is None or words.kind is not (Thinking if thinks else Text):
            if not (block.type or block.text or block.thinking):
                return
            words = self._blocks[index] = self._draft.open(Thinking if thinks else Text)
        text = block.thinking if thinks else block.text
        if thinks and text:
            words.vendor["kind"] = "content"
        self._draft.add(words, text or "")

    def _plan_on(self, text: str | None) -> None:
        """What the model says it will do with tools is a thought, which goes back as what it was."""
        if text:
            self._plan = self._plan or self._draft.open(Thinking)
            self._plan.vendor["kind"] = "plan"
            self._draft.add(self._plan, text)

    def _open_call(self, index: int, piece: _ToolCall) -> None:
        known = self._calls.get(index)
        if known and (not piece.id or known.id == piece.id):
            return  # said twice: a call must not become two
        self._calls[index] = self._draft.open_call(piece.id, (piece.function and piece.function.name) or "unknown")
        self._call_on(index, piece)

    def _call_on(self, index: int, piece: _ToolCall) -> None:
        call = self._calls.get(index)
        if call and piece.function and piece.function.arguments:
            call.arguments.append(piece.function.arguments)
            self._draft.show(call)

    def _close(self, call: Call) -> None:
        if not call.text:
            call.arguments.append("{}")
            self._draft.show(call)

    def _end(self, delta: _Delta) -> None:
        self._stop = delta.finish_reason or self._stop or ("ERROR" if delta.error else "COMPLETE")
        self._error = as_error(delta.error)
        if delta.usage:
            self._usage = _read_usage(delta.usage)
        self._draft.close_calls()


def _listed(found: list[T] | T | None) -> list[T]:
    """One, several or none of a kind, as a list."""
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _blocks(content: list[_Block] | _Block | str | None) -> list[_Block]:
    return [_Block("text", content)] if isinstance(content, str) else _listed(content)


def decode(body: bytes, origin: Origin) -> AssistantMessage:
    """The message of an answer that was not streamed. Raises a ModelError."""
    try:
        answer = _event.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    if error := as_error(answer.error):
        raise refusal(origin, error)
    if not isinstance(answer.message, _Said):
        raise refusal(origin, error) if (error := read_error(body)) else unreadable(origin, body)
    return Decoder(origin).whole(answer.message, answer)


class _Model(Struct):
    name: str
    context_length: Any = None
    endpoints: list[str] | None = None
    is_deprecated: bool | None = None


class _Models(Struct):
    models: list[_Model]


class Cohere:
    """Cohere, or a server that speaks its language."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = rooted(server, "(compatibility/)?v[12]")

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        mine = msgspec.structs.replace(request, messages=own(request.messages, self.name))
        body = encode(mine, self._config)
        return self._server.converse(_WIRE, request.model, "/v2/chat", body, Decoder, decode, streamed=request.stream)

    async def models(self) -> list[ModelInfo]:
        """Those that are for conversation."""
        listed = await self._server.get(_WIRE, "/v1/models?endpoint=chat&page_size=1000", _Models)
        return [
            ModelInfo(model.name, size) if (size := counted(model.context_length)) else ModelInfo(model.name)
            for model in listed.models
            if "chat" in (model.endpoints or ["chat"]) and not model.is_deprecated
        ]


EXTENSION = Cohere
