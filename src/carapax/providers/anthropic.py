"""Anthropic's Messages API, and other servers that speak it.

The format: https://docs.anthropic.com/en/api/messages
"""

from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from carapax.events import Delta
from carapax.mediatype import IMAGES, PDF
from carapax.messages import (
    AssistantMessage,
    Attachment,
    Effort,
    Message,
    ModelInfo,
    ModelRequest,
    Part,
    StopReason,
    Text,
    Thinking,
    ToolResult,
    ToolSpec,
    Usage,
)
from carapax.models.credential import Credential
from carapax.models.dialect import (
    arguments_object,
    fitting_id,
    fitting_name,
    is_one_of,
    json_text,
    storable,
    string,
    tokens,
    told_of,
)
from carapax.models.draft import Call, Draft, Words
from carapax.models.refusal import (
    BROKEN_JSON,
    Origin,
    VendorError,
    as_error,
    no_answer,
    refusal,
    unavailable,
    unreadable,
)
from carapax.models.server import Sent, Server, Wire, bearer, own
from carapax.models.sse import ServerSentEvent

_VERSION = "2023-06-01"
_BINDING_BETA = "thinking-binding-controls-2026-08-01"
_TOOL_ID = r"[a-zA-Z0-9_-]{1,64}"
_EPHEMERAL = {"type": "ephemeral"}
_THOUGHTS = ("thinking", "redacted_thinking")
_CONTEXT_TOKENS = 200_000
_BUDGETS: dict[Effort, int] = {"low": 2_048, "medium": 8_192, "high": 24_576}
_STOPS: dict[str, StopReason] = {
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "filtered",
    "pause_turn": "paused",
}


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that speaks the Messages API.

    max_output_tokens: longest answer when the request does not say; thinking comes on top
    cache: whether to mark what the vendor should keep in its prompt cache
    adaptive_models: patterns of models that decide themselves how long to think; others get a budget
    least_thinking: by patterns of models that take no temperature, of which the first that fits counts: how they are
        told not to think, as a type of thinking; "low", an effort, for those that always do; "" for nothing at all
    bound_models: patterns of models that take their thoughts back only after the very conversation they came from;
        where it has changed since, as by a summary, the vendor is told to leave them out
    bearer: whether the key goes as a bearer token, as that of a login does
    system_prefix: what the system text must begin with, which some logins demand
    """

    max_output_tokens: int = 8_192
    cache: bool = True
    adaptive_models: tuple[str, ...] = ()
    least_thinking: dict[str, str] = {}
    bound_models: tuple[str, ...] = ()
    bearer: bool = False
    system_prefix: str = ""


def encode(request: ModelRequest, config: Config) -> dict[str, Any]:
    """The body of a request."""
    messages = _merged(request.messages)
    body: dict[str, Any] = {"model": request.model, "messages": messages, "stream": request.stream}
    body["max_tokens"] = request.max_output_tokens or config.max_output_tokens
    if system := [text for text in (config.system_prefix, request.system) if text]:
        body["system"] = [{"type": "text", "text": text} for text in system]
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    least = told_of(request.model, config.least_thinking)
    if is_one_of(request.model, config.adaptive_models):
        _decide(body, request, config, least or "")
    elif request.effort != "off" and _may_think(messages):
        body["thinking"] = {"type": "enabled", "budget_tokens": _BUDGETS[request.effort]}
        body["max_tokens"] += _BUDGETS[request.effort]
    if request.temperature is not None and least is None and "thinking" not in body:
        body["temperature"] = request.temperature
    if config.cache:
        _mark(body)
    return body


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}


def _decide(body: dict[str, Any], request: ModelRequest, config: Config, least: str) -> None:
    """Have a model decide itself how long to think, which comes on top of the answer."""
    effort: Effort = "low" if request.effort == "off" and least == "low" else request.effort
    bound = is_one_of(request.model, config.bound_models)
    if effort == "off":
        if least:
            body["thinking"] = {"type": least}
        if bound:
            body["messages"] = _unthought(body["messages"])
        return
    shown = {} if request.effort == "off" else {"display": "summarized"}
    binding = {"block_binding": {"prefix_mismatch_behavior": "drop_block"}} if bound else {}
    body["thinking"] = {"type": "adaptive", **shown, **binding}
    body["output_config"] = {"effort": effort}
    body["max_tokens"] += _BUDGETS[effort]


def _unthought(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without thoughts, which cannot be told to be left out while thinking is off."""
    bare = [
        {**message, "content": [block for block in message["content"] if block["type"] not in _THOUGHTS]}
        for message in messages
    ]
    return [message for message in bare if message["content"]]


def _may_think(messages: list[dict[str, Any]]) -> bool:
    """A turn that was begun without thoughts, and waits for results of tools, cannot be gone on with by thinking."""
    begun: dict[str, Any] | None = None
    for message in reversed(messages):
        if message["role"] == "assistant":
            begun = message
        elif not any(block["type"] == "tool_result" for block in message["content"]):
            break
    return begun is None or begun["content"][0]["type"] in _THOUGHTS


def _mark(body: dict[str, Any]) -> None:
    """What comes before a mark is cached, and found again by a mark at the same place: tools, which change least, the
    system text, the conversation so far, and what it was when it was last asked about. The vendor takes four marks."""
    asked = [message["content"] for message in body["messages"] if message["role"] == "user"]
    for blocks in (body.get("tools"), body.get("system"), *asked[-2:]):
        if blocks:
            blocks[-1]["cache_control"] = _EPHEMERAL


def _merged(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages with the roles in turn: neighbours of the same role become one, empty ones none."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if isinstance(message, AssistantMessage) else "user"
        blocks = _blocks(message)
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        elif blocks:
            merged.append({"role": role, "content": blocks})
    return merged


def _blocks(message: Message) -> list[dict[str, Any]]:
    if isinstance(message, AssistantMessage):
        return [block for part in message.parts if (block := _block(part))]
    if isinstance(message, ToolResult):
        return [_result(message)]
    text = [{"type": "text", "text": message.text}] if message.text.strip() else []
    return [*map(_attached, message.attachments), *text]


def _attached(file: Attachment) -> dict[str, Any]:
    kind = "image" if file.media_type in IMAGES else "document" if file.media_type == PDF else ""
    if not kind or not file.data:
        return {"type": "text", "text": f"[{file.name}, {file.media_type}: not shown]"}
    source = {"type": "base64", "media_type": file.media_type, "data": b64encode(file.data).decode()}
    return {"type": kind, "source": source}


def _block(part: Part) -> dict[str, Any] | None:
    """None for what the vendor refuses: empty text, thoughts that it has not signed."""
    if isinstance(part, Text):
        if "type" in part.vendor.get("block", ()):
            return dict(part.vendor["block"])
        citations = {"citations": part.vendor["citations"]} if "citations" in part.vendor else {}
        return {"type": "text", "text": part.text, **citations} if part.text.strip() else None
    if isinstance(part, Thinking):
        if "redacted_thinking" in part.vendor:
            return {"type": "redacted_thinking", "data": part.vendor["redacted_thinking"]}
        signature = part.vendor.get("signature")
        return {"type": "thinking", "thinking": part.text, "signature": signature} if signature else None
    block = {"type": "tool_use", "id": fitting_id(part.id, _TOOL_ID), "name": fitting_name(part.name)}
    caller = {"caller": part.vendor["caller"]} if "caller" in part.vendor else {}
    return {**block, "input": arguments_object(part), **caller}


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": fitting_id(result.call_id, _TOOL_ID)}
    if result.text.strip():
        block["content"] = result.text
    return {**block, "is_error": True} if result.is_error else block


class _OutputDetails(Struct):
    thinking_tokens: int | None = None


class _Usage(Struct):
    """Counts grow while an answer is streamed; what a later report leaves out stays as it was."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None

    def update(self, later: object) -> None:
        """Counts in whatever form; an answer is not lost for them."""
        try:
            told = msgspec.convert(later, _Usage, strict=False)
        except msgspec.ValidationError:
            return
        for field in self.__struct_fields__:
            if (value := getattr(told, field)) is not None:
                setattr(self, field, value)

    def read(self) -> Usage:
        cached, written = tokens(self.cache_read_input_tokens), tokens(self.cache_creation_input_tokens)
        return Usage(
            input=tokens(self.input_tokens) + cached + written,
            output=tokens(self.output_tokens),
            cache_read=cached,
            cache_write=written,
            reasoning=tokens((self.output_tokens_details or _OutputDetails()).thinking_tokens),
        )


class _Message(Struct):
    content: list[dict[str, Any]] | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Any = None
    type: str = ""
    error: Any = None


class _Delta(Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: dict[str, Any] | None = None
    content: str | None = None
    stop_reason: str | None = None


class _Event(Struct):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: _Message | None = None
    usage: Any = None
    error: Any = None


_event = msgspec.json.Decoder(_Event, strict=False)
_message = msgspec.json.Decoder(_Message, strict=False)


class _Foreign:
    """A block we have no part for, such as a tool that ran at the vendor's: kept to be sent back."""

    def __init__(self, block: dict[str, Any], words: Words) -> None:
        self._block = block
        self._input: list[str] = []
        self._content: list[str] = []
        words.vendor["block"] = block

    def add(self, delta: _Delta) -> None:
        if delta.partial_json:
            self._input.append(delta.partial_json)
        if delta.content:
            self._content.append(delta.content)

    def close(self) -> None:
        if self._content:
            self._block["content"] = "".join([string(self._block.get("content")), *self._content])
        if self._input:
            try:
                self._block["input"] = msgspec.json.decode("".join(self._input))
            except BROKEN_JSON:
                self._block["input"] = {}


class Decoder:
    """Fed with the events of one stream, it gives deltas, and the whole message at the end.

    `done` says that the vendor has said all, even if the connection stays open.
    """

    def __init__(self, origin: Origin) -> None:
        self.done = False
        self._origin = origin
        self._model = origin.model
        self._draft = Draft(origin.id)
        self._blocks: dict[int, Words | Call | _Foreign] = {}
        self._usage = _Usage()
        self._stop = ""

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Raises a ModelError for an error that came instead of an answer, and for what cannot be read."""
        if not event.data.strip() or event.data.startswith("[DONE]"):
            return []
        try:
            said = _event.decode(event.data)
        except BROKEN_JSON:
            raise no_answer(self._origin, event.data) from None
        if said.type == "error" or said.error:
            raise refusal(self._origin, as_error(said.error) or VendorError(event.data))
        if said.type == "content_block_delta" and said.delta:
            self._add(said.index, said.delta)
        elif said.type == "content_block_start" and said.content_block:
            self._start(said.index, said.content_block)
        elif said.type == "content_block_stop":
            self._end(said.index)
        elif said.type == "message_stop":
            self.done = True
        else:
            self._about(said.message, said.usage, said.delta)
        return self._draft.take_deltas()

    def whole(self, message: _Message) -> AssistantMessage:
        """The same of an answer that was not streamed."""
        for index, block in enumerate(message.content or ()):
            self._start(index, block)
            self._end(index)
        self._about(message, message.usage, None)
        self._stop = self._stop or "end_turn"
        return self.finish()

    def finish(self) -> AssistantMessage:
        """The whole message. Raises ModelUnavailable when the stream broke off before the model was finished."""
        if not self._stop:
            raise unavailable(self._origin, "the answer broke off before its end")
        for index in list(self._blocks):
            self._end(index)
        stop = _STOPS.get(self._stop, "end")
        message = AssistantMessage(
            parts=tuple(self._draft.parts()),
            stop_reason="tool_calls" if stop == "end" and self._draft.calls else stop,
            usage=self._usage.read(),
            provider=self._origin.provider,
            model=self._model,
            stop_detail=self._stop,
        )
        return storable(self._origin, message)

    def _about(self, message: _Message | None, usage: object, delta: _Delta | None) -> None:
        if message:
            self._model = message.model or self._model
            self._stop = message.stop_reason or self._stop
            if message.usage:
                self._usage.update(message.usage)
        if usage:
            self._usage.update(usage)
        if delta:
            self._stop = delta.stop_reason or self._stop

    def _start(self, index: int, block: dict[str, Any]) -> None:
        if index in self._blocks:
            return  # said twice: a call must not become two
        kind = block.get("type")
        if kind == "text":
            self._blocks[index] = words = self._draft.open(Text)
            self._draft.add(words, string(block.get("text")))
            if isinstance(citations := block.get("citations"), list) and citations:
                words.vendor["citations"] = list(citations)
        elif kind == "thinking":
            self._blocks[index] = words = self._draft.open(Thinking)
            self._draft.add(words, string(block.get("thinking")))
            if signature := string(block.get("signature")):
                words.vendor["signature"] = signature
        elif kind == "redacted_thinking":
            self._blocks[index] = words = self._draft.open(Thinking)
            words.vendor["redacted_thinking"] = string(block.get("data"))
        elif kind == "tool_use":
            self._blocks[index] = self._start_call(block)
        else:
            self._blocks[index] = _Foreign(block, self._draft.open(Text))

    def _start_call(self, block: dict[str, Any]) -> Call:
        call = self._draft.open_call(string(block.get("id")), string(block.get("name")) or "unknown")
        caller = block.get("caller")
        if isinstance(caller, dict) and caller.get("type") != "direct":
            call.vendor["caller"] = caller
        if block.get("input"):
            call.arguments.append(json_text(block["input"]))
        self._draft.show(call)
        return call

    def _add(self, index: int, delta: _Delta) -> None:
        part = self._blocks.get(index)
        if isinstance(part, Words):
            self._draft.add(part, delta.text or delta.thinking or "")
            if delta.signature:
                part.vendor["signature"] = delta.signature
            if delta.citation:
                part.vendor.setdefault("citations", []).append(delta.citation)
        elif isinstance(part, Call):
            if delta.partial_json:
                part.arguments.append(delta.partial_json)
                self._draft.show(part)
        elif part:
            part.add(delta)

    def _end(self, index: int) -> None:
        part = self._blocks.pop(index, None)
        if isinstance(part, _Foreign):
            part.close()
        elif isinstance(part, Call) and not part.text:
            part.arguments.append("{}")
            self._draft.show(part)


def decode(body: bytes, origin: Origin) -> AssistantMessage:
    """The message of an answer that was not streamed. Raises a ModelError."""
    try:
        message = _message.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    if error := as_error(message.error):
        raise refusal(origin, error)
    if message.content is None:
        raise unreadable(origin, body)
    return Decoder(origin).whole(message)


class _Model(Struct):
    id: str
    max_input_tokens: int | None = None


class _Models(Struct):
    data: list[_Model]


def _headers(config: Config, *betas: str) -> Callable[[Credential, Sent], Mapping[str, str]]:
    """What shows who asks: a login by its own headers, a key by the one or the other. Betas of a login are kept."""

    def authorize(credential: Credential, sent: Sent) -> Mapping[str, str]:
        told = {name.lower(): value for name, value in credential.headers.items()}
        headers = {"anthropic-version": _VERSION}
        if asked := [beta for beta in (told.get("anthropic-beta"), *betas) if beta]:
            headers["anthropic-beta"] = ",".join(asked)
        if "authorization" in told or not credential.key:
            return headers
        return {**headers, **(bearer(credential, sent) if config.bearer else {"x-api-key": credential.key.reveal()})}

    return authorize


class Anthropic:
    """Anthropic, or a server that speaks its language."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = server
        self._wire = Wire(_headers(config))
        self._binding_wire = Wire(_headers(config, _BINDING_BETA))

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        mine = msgspec.structs.replace(request, messages=own(request.messages, self.name))
        body = encode(mine, self._config)
        wire = self._binding_wire if is_one_of(request.model, self._config.bound_models) else self._wire
        return self._server.converse(wire, request.model, "/messages", body, Decoder, decode, streamed=request.stream)

    async def models(self) -> list[ModelInfo]:
        models = (await self._server.get(self._wire, "/models", _Models)).data
        return [ModelInfo(model.id, model.max_input_tokens or _CONTEXT_TOKENS) for model in models]


EXTENSION = Anthropic
