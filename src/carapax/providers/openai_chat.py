"""OpenAI's Chat Completions, which most vendors and local servers speak in one accent or another.

The format: https://platform.openai.com/docs/api-reference/chat
"""

from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Any, Literal

import msgspec
from msgspec import Struct

from carapax.errors import ModelError, ModelRejected
from carapax.events import Delta
from carapax.messages import (
    AssistantMessage,
    Attachment,
    Message,
    ModelInfo,
    ModelRequest,
    Part,
    StopReason,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.dialect import arguments_object, fitting_id, fitting_name, json_text, storable, tokens, told_of
from carapax.models.draft import Call, Draft, ThinkTags
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
from carapax.models.server import Server, Wire, bearer, keyed, own
from carapax.models.sse import ServerSentEvent

_NO_THOUGHTS = {"type": "disabled"}
_STOPS: dict[str, StopReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "filtered",
    "sensitive": "filtered",
    "refusal": "filtered",
}
_FAILED_STOPS = frozenset({"error", "network_error", "insufficient_system_resource"})


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that speaks Chat Completions, and its accent.

    max_tokens_field: what it calls the longest answer
    stream_usage: whether it can be asked to count tokens of a streamed answer
    effort_field: how it is told to think: "reasoning_effort" as OpenAI, "reasoning" as OpenRouter, "thinking" as Z.ai,
        "thinking+reasoning_effort" as DeepSeek, "enable_thinking" as Qwen
    switch_off: whether it thinks unless it is told not to
    off_effort: the effort that keeps a model from thinking, or nearly, by patterns of models of which the first counts;
        where none fits, nothing is asked
    thinking_field: how it takes its own thoughts back: a field of the message, "chunks" of content, or not at all
    tool_id: the regular expression that ids of tool calls must match
    document_part: how it takes a PDF: "file" as OpenAI, "document_url" as Mistral, or not at all
    key_header: the header that the key goes in; empty for Authorization
    version: what is added to an address that names no version; empty for none
    """

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    effort_field: Literal[
        "", "reasoning_effort", "reasoning", "thinking", "thinking+reasoning_effort", "enable_thinking"
    ] = "reasoning_effort"
    switch_off: bool = False
    off_effort: dict[str, str] = {}
    thinking_field: Literal["", "reasoning", "reasoning_content", "reasoning_details", "chunks"] = ""
    tool_id: str = r"[\x21-\x7e]{1,40}"
    document_part: Literal["", "file", "document_url"] = "file"
    key_header: str = ""
    version: str = "v1"


def encode(request: ModelRequest, config: Config) -> dict[str, Any]:
    """The body of a request."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
    messages += [encoded for message in request.messages if (encoded := _message(message, config))]
    body: dict[str, Any] = {"model": request.model, "messages": messages, "stream": request.stream}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.stream and config.stream_usage:
        body["stream_options"] = {"include_usage": True}
    if request.max_output_tokens is not None:
        body[config.max_tokens_field] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if effort := _level(request, config):
        body |= _effort(effort, config)
    elif config.switch_off:
        body |= {"enable_thinking": False} if config.effort_field == "enable_thinking" else {"thinking": _NO_THOUGHTS}
    return body


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _level(request: ModelRequest, config: Config) -> str:
    """The effort to ask for; empty for none."""
    if request.effort != "off":
        return request.effort
    return told_of(request.model, config.off_effort) or ""


def _effort(effort: str, config: Config) -> dict[str, Any]:
    if config.effort_field == "reasoning_effort":
        return {"reasoning_effort": effort}
    if config.effort_field == "reasoning":
        return {"reasoning": {"effort": effort}}
    if config.effort_field == "enable_thinking":
        return {"enable_thinking": True}
    thoughts = {"thinking": {"type": "enabled"}} if config.effort_field.startswith("thinking") else {}
    return thoughts | ({"reasoning_effort": effort} if config.effort_field == "thinking+reasoning_effort" else {})


def _message(message: Message, config: Config) -> dict[str, Any] | None:
    if isinstance(message, ToolResult):
        return {"role": "tool", "tool_call_id": fitting_id(message.call_id, config.tool_id), "content": message.text}
    if isinstance(message, AssistantMessage):
        return _assistant(message, config)
    return {"role": "user", "content": _content(message, config)}


def _content(message: UserMessage, config: Config) -> str | list[dict[str, Any]]:
    if not message.attachments:
        return message.text
    words = [{"type": "text", "text": message.text}] if message.text else []
    return [*words, *(_attachment(attachment, config) for attachment in message.attachments)]


def _attachment(attachment: Attachment, config: Config) -> dict[str, Any]:
    data = f"data:{attachment.media_type};base64,{b64encode(attachment.data).decode()}"
    if attachment.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": data}}
    if attachment.media_type == "application/pdf" and config.document_part == "document_url":
        return {"type": "document_url", "document_url": data}
    if attachment.media_type == "application/pdf" and config.document_part:
        return {"type": "file", "file": {"filename": attachment.name, "file_data": data}}
    return {"type": "text", "text": f"[{attachment.name}, {attachment.media_type}: not shown]"}


def _assistant(message: AssistantMessage, config: Config) -> dict[str, Any] | None:
    """None for an answer without words and calls, which vendors refuse."""
    text, thinking = message.text, message.thinking
    encoded: dict[str, Any] = {"role": "assistant", "content": text or None}
    if message.tool_calls:
        encoded["tool_calls"] = [_call(call, config) for call in message.tool_calls]
    elif not text:
        return None
    if config.thinking_field == "reasoning_details":
        details = [part.vendor["reasoning_details"] for part in message.parts if "reasoning_details" in part.vendor]
        if details:
            encoded["reasoning_details"] = [detail for group in details for detail in group]
    elif config.thinking_field == "chunks" and thinking:
        words = [{"type": "text", "text": text}] if text else []
        encoded["content"] = [{"type": "thinking", "thinking": [{"type": "text", "text": thinking}]}, *words]
    elif config.thinking_field and thinking:
        encoded[config.thinking_field] = thinking
    return encoded


def _call(call: ToolCall, config: Config) -> dict[str, Any]:
    arguments = arguments_object(call)
    text = (
        msgspec.json.encode(arguments).decode() if "invalid_json" in arguments or not call.arguments else call.arguments
    )
    function = {"name": fitting_name(call.name), "arguments": text}
    extra = {name: call.vendor[name] for name in ("extra_content",) if name in call.vendor}
    return {"id": fitting_id(call.id, config.tool_id), "type": "function", "function": function, **extra}


class _PromptDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    num_cached_tokens: int | None = None


def _read_usage(found: object) -> Usage:
    """Counts in whatever form; an answer is not lost for them."""
    try:
        told = msgspec.convert(found, _Usage, strict=False)
    except msgspec.ValidationError:
        return Usage()
    prompt = told.prompt_tokens_details or _PromptDetails()
    reasoning = tokens((told.completion_tokens_details or _OutputDetails()).reasoning_tokens)
    given, output = tokens(told.prompt_tokens), tokens(told.completion_tokens)
    beside = tokens(told.total_tokens) - given - output
    if beside > 0 and reasoning in (
        0,
        beside,
    ):  # some vendors count what was thought beside what was said, or not at all
        output, reasoning = output + beside, beside
    return Usage(
        input=given,
        output=output,
        cache_read=tokens(prompt.cached_tokens or told.prompt_cache_hit_tokens or told.num_cached_tokens),
        cache_write=tokens(prompt.cache_write_tokens),
        reasoning=reasoning,
    )


class _Function(Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    extra_content: dict[str, Any] | None = None


class _Piece(Struct):
    """A piece of content, where content is a list. Inside of `thinking` are more of them."""

    type: str = ""
    text: str | None = None
    thinking: "list[_Piece] | str | None" = None


class _Said(Struct):
    """A delta of a stream, or the whole message of an answer that was not streamed: they have the same fields."""

    content: str | list[_Piece] | None = None
    tool_calls: list[_ToolCall] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    refusal: str | None = None


class _Choice(Struct):
    index: int | None = None
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None
    usage: Any = None


class _Groq(Struct):
    usage: Any = None
    error: Any = None


class _Completion(Struct):
    """A chunk of a stream, or a whole answer."""

    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: _Groq | None = None


_completion = msgspec.json.Decoder(_Completion, strict=False)


class Decoder:
    """Fed with the events of one stream, it gives deltas, and the whole message at the end.

    `done` says that the vendor has said all, even if the connection stays open; `answered` that any answer came.
    """

    def __init__(self, origin: Origin) -> None:
        self.done = False
        self.answered = False
        self._origin = origin
        self._model = origin.model
        self._draft = Draft(origin.id)
        self._slots: dict[int, Call] = {}
        self._vendor_ids: dict[str, Call] = {}
        self._tags = ThinkTags()
        self._identified: set[Call] = set()
        self._details: list[dict[str, Any]] = []
        self._known_details: dict[tuple[str, str], dict[str, Any]] = {}
        self._usage = Usage()
        self._stop = ""
        self._refused = False

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Raises a ModelError for an error that came instead of an answer, and for what cannot be read."""
        if event.data.startswith("[DONE]"):
            self.done = True
            return []
        if event.event == "error":
            raise self._failed(read_error(event.data) or VendorError(event.data))
        return self.take(event.data) if event.data.strip() else []

    def take(self, data: bytes | str) -> list[Delta]:
        """One chunk, or a whole answer."""
        try:
            completion = _completion.decode(data)
        except BROKEN_JSON:
            raise no_answer(self._origin, data) from None
        groq = completion.x_groq or _Groq()
        if error := as_error(completion.error or groq.error):
            raise self._failed(error)
        if completion.model:
            self._model = completion.model
        usage = completion.usage or groq.usage
        for choice in completion.choices or ():
            if not choice.index:
                usage = usage or choice.usage
                self._choose(choice)
        if usage:
            self._usage = _read_usage(usage)
        return self._draft.take_deltas()

    def _failed(self, error: VendorError) -> ModelError:
        """A request that is being answered was not wrong, whatever a router says of its vendor's failure."""
        failed = refusal(self._origin, error)
        if self.answered and isinstance(failed, ModelRejected):
            return unavailable(self._origin, error.message or error.code)
        return failed

    def finish(self) -> AssistantMessage:
        """The whole message. Raises ModelUnavailable when the stream broke off before the model was finished."""
        if not self._stop:
            raise unavailable(
                self._origin, "the answer broke off before its end" if self.answered else "no answer came"
            )
        if self._stop in _FAILED_STOPS:
            raise unavailable(self._origin, f"the model stopped with {self._stop!r}")
        message = AssistantMessage(
            parts=self._parts(),
            stop_reason=self._stop_reason(),
            usage=self._usage,
            provider=self._origin.provider,
            model=self._model,
            stop_detail=self._stop,
        )
        return storable(self._origin, message)

    def _stop_reason(self) -> StopReason:
        if self._stop in _STOPS:
            return _STOPS[self._stop]
        return "filtered" if self._refused else "tool_calls" if self._draft.calls else "end"

    def _parts(self) -> tuple[Part, ...]:
        """Sealed thoughts go with the first thoughts, or stand for them."""
        parts = self._draft.parts()
        if self._details:
            vendor = {"reasoning_details": self._details}
            place = next((at for at, part in enumerate(parts) if isinstance(part, Thinking)), None)
            if place is None:
                parts.insert(0, Thinking("", vendor))
            else:
                parts[place] = msgspec.structs.replace(parts[place], vendor=vendor)
        return tuple(parts)

    def _choose(self, choice: _Choice) -> None:
        self.answered = True
        said = choice.delta or choice.message
        if said is not None:
            self._say(said, whole=choice.message is not None)
        if choice.finish_reason or choice.message is not None:
            self._stop = choice.finish_reason or self._stop or "stop"
            self._content("", last=True)
            self._draft.close_calls()

    def _say(self, said: _Said, whole: bool) -> None:
        self._think(said, whole)
        if isinstance(said.content, str):
            self._content(said.content)
        elif said.content:
            self._pieces(said.content)
        if said.refusal:
            self._refused = True
            self._draft.say(said.refusal)
        for piece in said.tool_calls or ():
            self._tool_call(piece, whole)

    def _think(self, said: _Said, whole: bool) -> None:
        thought = said.reasoning_content or said.reasoning
        for detail in said.reasoning_details or ():
            self._detail(detail, whole)
        if not thought and said.reasoning_details:
            told = (detail.get("text") or detail.get("summary") for detail in said.reasoning_details)
            thought = "".join(text for text in told if isinstance(text, str))
        if thought:
            self._draft.think(thought)

    def _detail(self, detail: dict[str, Any], whole: bool) -> None:
        """Pieces of a detail have the same type and index: their words are joined, all else is replaced."""
        known = self._known_details.setdefault((str(detail.get("type")), str(detail.get("index"))), detail)
        if whole or known is detail:
            self._details.append(detail)
            return
        for key, value in detail.items():
            joins = key in ("text", "summary") and isinstance(value, str) and isinstance(known.get(key), str)
            known[key] = known[key] + value if joins else known.get(key) if value is None else value

    def _content(self, text: str, last: bool = False) -> None:
        thinking = ""
        if not self._tags.plain:
            thinking, text = self._tags.feed(text, last)
        if thinking:
            self._draft.think(thinking)
        if text:
            self._draft.say(text)

    def _pieces(self, pieces: list[_Piece]) -> None:
        for piece in pieces:
            thoughts = piece.thinking
            if isinstance(thoughts, list):
                thoughts = "".join(thought.text or "" for thought in thoughts)
            if thoughts:
                self._draft.think(thoughts)
            if piece.text:
                self._draft.say(piece.text)

    def _tool_call(self, piece: _ToolCall, whole: bool) -> None:
        function = piece.function or _Function()
        call = None if whole else self._known(piece, function)
        if call is None:
            call = self._open(piece)
        if function.name and function.name != call.name:
            call.name += function.name
        if piece.extra_content:
            call.vendor = {"extra_content": piece.extra_content}
        arguments = function.arguments
        if arguments:
            call.arguments.append(arguments if isinstance(arguments, str) else json_text(arguments))
        self._draft.show(call)

    def _known(self, piece: _ToolCall, function: _Function) -> Call | None:
        """The call that a piece goes on with; None when it begins another.

        Most vendors number their calls; some number all of them 0, or none.
        """
        calls = self._draft.calls
        if piece.index is not None:
            call = self._slots.get(piece.index)
        elif piece.id:
            call = self._vendor_ids.get(piece.id)
        else:
            call = calls[-1] if calls else None
        if call is None or not function.name:
            return call
        if piece.id and call in self._identified:
            return call if self._vendor_ids.get(piece.id) is call else None
        return None if call.name and call.is_whole() else call

    def _open(self, piece: _ToolCall) -> Call:
        call = self._draft.open_call(piece.id)
        if piece.id:
            self._vendor_ids[piece.id] = call
            self._identified.add(call)
        if piece.index is not None:
            self._slots[piece.index] = call
        return call


def decode(body: bytes, origin: Origin) -> AssistantMessage:
    """The message of an answer that was not streamed. Raises a ModelError."""
    decoder = Decoder(origin)
    decoder.take(body)
    if not decoder.answered:
        raise unreadable(origin, body)
    return decoder.finish()


class _Meta(Struct):
    n_ctx_train: int | None = None


class _Model(Struct):
    id: str
    context_length: int | None = None
    context_window: int | None = None
    max_context_length: int | None = None
    max_model_len: int | None = None
    meta: _Meta | None = None

    def read(self) -> ModelInfo:
        known = (self.context_length, self.context_window, self.max_context_length, self.max_model_len)
        size = next((size for size in known if size), None) or (self.meta and self.meta.n_ctx_train)
        return ModelInfo(self.id, size) if size else ModelInfo(self.id)


class _Models(Struct):
    data: list[_Model]


class OpenAIChat:
    """A vendor or a local server that speaks Chat Completions."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = server
        self._wire = Wire(keyed(config.key_header) if config.key_header else bearer, config.version)

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        mine = msgspec.structs.replace(request, messages=own(request.messages, self.name))
        body = encode(mine, self._config)
        return self._server.converse(
            self._wire, request.model, "/chat/completions", body, Decoder, decode, streamed=request.stream
        )

    async def models(self) -> list[ModelInfo]:
        return [model.read() for model in (await self._server.get(self._wire, "/models", _Models)).data]


EXTENSION = OpenAIChat
