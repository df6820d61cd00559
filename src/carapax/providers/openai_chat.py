"""OpenAI's Chat Completions, which most vendors and local servers speak in one accent or another.

The format: https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import msgspec
from msgspec import Struct

from carapax.clock import Clock
from carapax.dialect import (
    Origin,
    VendorError,
    arguments_object,
    as_error,
    ask,
    endpoint,
    fitting_id,
    read_error,
    refusal,
    unavailable,
    unreadable,
)
from carapax.events import Delta, TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.http import Http, Response, ServerSentEvent, SseParser
from carapax.messages import (
    AssistantMessage,
    Message,
    ModelInfo,
    ModelRequest,
    Part,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from carapax.redaction import Secret

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

    base_url: where it is, with or without the version path
    key: the key it wants, if any
    default_model: the model when none is named
    connect_timeout_s: time to reach the server
    idle_timeout_s: longest silence, also before the first word
    max_tokens_field: what it calls the longest answer
    stream_usage: whether it can be asked to count tokens of a streamed answer
    effort_field: how it is told to think: "reasoning_effort" as OpenAI, "reasoning" as OpenRouter, "thinking" as Z.ai
    thinking_field: how it takes its own thoughts back: a field of the message, "chunks" of content, or not at all
    tool_id: the regular expression that ids of tool calls must match
    """

    base_url: str
    key: Secret = Secret("")
    default_model: str = ""
    connect_timeout_s: float = 10
    idle_timeout_s: float = 120
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    effort_field: Literal["", "reasoning_effort", "reasoning", "thinking"] = "reasoning_effort"
    thinking_field: Literal["", "reasoning", "reasoning_content", "reasoning_details", "chunks"] = ""
    tool_id: str = r"[\x21-\x7e]{1,40}"


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
    if request.effort != "off":
        body |= _effort(request.effort, config)
    return body


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _effort(effort: str, config: Config) -> dict[str, Any]:
    if config.effort_field == "reasoning_effort":
        return {"reasoning_effort": effort}
    if config.effort_field == "reasoning":
        return {"reasoning": {"effort": effort}}
    return {"thinking": {"type": "enabled"}} if config.effort_field == "thinking" else {}


def _message(message: Message, config: Config) -> dict[str, Any] | None:
    if isinstance(message, ToolResult):
        return {"role": "tool", "tool_call_id": fitting_id(message.call_id, config.tool_id), "content": message.text}
    if isinstance(message, AssistantMessage):
        return _assistant(message, config)
    return {"role": "user", "content": message.text}


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
    function = {"name": call.name, "arguments": text}
    return {"id": fitting_id(call.id, config.tool_id), "type": "function", "function": function, **call.vendor}


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

    def read(self) -> Usage:
        prompt = self.prompt_tokens_details or _PromptDetails()
        reasoning = (self.completion_tokens_details or _OutputDetails()).reasoning_tokens or 0
        given, output = self.prompt_tokens or 0, self.completion_tokens or 0
        if reasoning and self.total_tokens == given + output + reasoning:
            output += reasoning  # some vendors count what was thought beside what was said
        return Usage(
            input=given,
            output=output,
            cache_read=prompt.cached_tokens or self.prompt_cache_hit_tokens or self.num_cached_tokens or 0,
            cache_write=prompt.cache_write_tokens or 0,
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


class _Chunk(Struct):
    """A piece of content, where content is a list. Inside of `thinking` are more of them."""

    type: str = ""
    text: str | None = None
    thinking: "list[_Chunk] | str | None" = None


class _Said(Struct):
    """A delta of a stream, or the whole message of an answer that was not streamed: they have the same fields."""

    content: str | list[_Chunk] | None = None
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
    usage: _Usage | None = None


class _Groq(Struct):
    usage: _Usage | None = None
    error: Any = None


class _Completion(Struct):
    """A chunk of a stream, or a whole answer."""

    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    x_groq: _Groq | None = None


_completion = msgspec.json.Decoder(_Completion)


class _Tags:
    """Splits thoughts off a text that begins with `<think>`, however it is cut."""

    def __init__(self) -> None:
        self._held = ""
        self._state: Literal["start", "thinking", "after", "text"] = "start"

    @property
    def plain(self) -> bool:
        """Whether all that comes is text."""
        return self._state == "text"

    def feed(self, text: str, last: bool = False) -> tuple[str, str]:
        """What of the thoughts and what of the text is certain by now."""
        text, self._held = self._held + text, ""
        thinking = ""
        if self._state == "start":
            start = text.lstrip()
            if start.startswith("<think>"):
                self._state, text = "thinking", start[7:]
            elif "<think>".startswith(start) and not last:
                self._held = text
                return "", ""
            else:
                self._state = "text"
        if self._state == "thinking":
            thinking, closed, text = text.partition("</think>")
            if closed:
                self._state = "after"
            elif not last:
                keep = next((size for size in range(7, 0, -1) if thinking.endswith("</think>"[:size])), 0)
                self._held = thinking[len(thinking) - keep :]
                thinking = thinking[: len(thinking) - keep]
        if self._state == "after":
            text = text.lstrip()
            if text:
                self._state = "text"
        return thinking, text


class _Call:
    """A tool call in the making."""

    def __init__(self, call_id: str, vendor_id: str | None) -> None:
        self.id = call_id
        self.vendor_id = vendor_id
        self.name = ""
        self.arguments: list[str] = []
        self.shown = 0
        self.announced = False
        self.vendor: dict[str, Any] = {}

    def finish(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.arguments), self.vendor)

    def is_whole(self) -> bool:
        try:
            msgspec.json.decode("".join(self.arguments))
        except msgspec.DecodeError:
            return False
        return True


class _Words:
    """Text or thoughts in the making."""

    def __init__(self, kind: type[Text] | type[Thinking]) -> None:
        self.kind = kind
        self.pieces: list[str] = []

    def finish(self) -> Text | Thinking:
        return self.kind("".join(self.pieces))


class Decoder:
    """Fed with the events of one stream, it gives deltas, and the whole message at the end.

    `done` says that the vendor has said all, even if the connection stays open; `answered` that any answer came.
    """

    def __init__(self, origin: Origin) -> None:
        self.done = False
        self._origin = origin
        self._model = origin.model
        self._parts: list[_Words | _Call] = []
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}
        self._tags = _Tags()
        self._details: list[dict[str, Any]] = []
        self._usage = Usage()
        self._stop = ""
        self._refused = False
        self.answered = False

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Raises a ModelError for an error that came instead of an answer, and for what cannot be read."""
        if event.data == "[DONE]":
            self.done = True
            return []
        if event.event == "error":
            raise refusal(self._origin, read_error(event.data) or VendorError(event.data))
        return self.take(event.data) if event.data.strip() else []

    def take(self, data: bytes | str) -> list[Delta]:
        """One chunk, or a whole answer."""
        try:
            completion = _completion.decode(data)
        except msgspec.DecodeError:
            error = read_error(data)
            raise refusal(self._origin, error) if error else unreadable(self._origin, data) from None
        error = as_error(completion.error or (completion.x_groq and completion.x_groq.error))
        if error:
            raise refusal(self._origin, error)
        if completion.model:
            self._model = completion.model
        usage = completion.usage or (completion.x_groq and completion.x_groq.usage)
        deltas: list[Delta] = []
        for choice in completion.choices or ():
            if not choice.index:
                usage = usage or choice.usage
                self._choose(choice, deltas)
        if usage:
            self._usage = usage.read()
        return deltas

    def finish(self) -> AssistantMessage:
        """The whole message. Raises ModelUnavailable when the stream broke off before the model was finished."""
        self._flush([])
        if not self._stop:
            raise unavailable(
                self._origin, "the answer broke off before its end" if self.answered else "no answer came"
            )
        if self._stop in _FAILED_STOPS:
            raise unavailable(self._origin, f"the model stopped with {self._stop!r}")
        parts: list[Part] = [part for building in self._parts if (part := building.finish()) and _says(part)]
        if self._details:
            self._keep_details(parts)
        return AssistantMessage(
            parts=tuple(parts),
            stop_reason=self._stop_reason(),
            usage=self._usage,
            provider=self._origin.provider,
            model=self._model,
            stop_detail=self._stop,
        )

    def _stop_reason(self) -> StopReason:
        if self._stop in _STOPS:
            return _STOPS[self._stop]
        return "filtered" if self._refused else "tool_calls" if self._calls else "end"

    def _keep_details(self, parts: list[Part]) -> None:
        """Sealed thoughts go with the first thoughts, or stand for them."""
        vendor = {"reasoning_details": self._details}
        for place, part in enumerate(parts):
            if isinstance(part, Thinking):
                parts[place] = Thinking(part.text, vendor)
                return
        parts.insert(0, Thinking("", vendor))

    def _choose(self, choice: _Choice, deltas: list[Delta]) -> None:
        self.answered = True
        said = choice.delta or choice.message
        if said is not None:
            whole = choice.message is not None
            self._think(said, whole, deltas)
            if isinstance(said.content, str):
                if said.content:
                    self._content(said.content, deltas)
            elif said.content:
                self._chunks(said.content, deltas)
            if said.refusal:
                self._refused = True
                self._add(Text, said.refusal, deltas)
            for piece in said.tool_calls or ():
                self._tool_call(piece, whole, deltas)
        if choice.finish_reason:
            self._stop = choice.finish_reason
            self._flush(deltas)
        elif choice.message is not None:
            self._stop = self._stop or "stop"

    def _think(self, said: _Said, whole: bool, deltas: list[Delta]) -> None:
        thought = said.reasoning_content or said.reasoning
        for detail in said.reasoning_details or ():
            self._detail(detail, whole)
        if not thought and said.reasoning_details:
            told = (detail.get("text") or detail.get("summary") for detail in said.reasoning_details)
            thought = "".join(text for text in told if isinstance(text, str))
        if thought:
            self._add(Thinking, thought, deltas)

    def _detail(self, detail: dict[str, Any], whole: bool) -> None:
        """Pieces of a detail have the same type and index: their words are joined, all else is replaced."""
        for known in [] if whole else self._details:
            if all(known.get(key) == detail.get(key) for key in ("type", "index")):
                for key, value in detail.items():
                    joins = key in ("text", "summary") and isinstance(value, str) and isinstance(known.get(key), str)
                    known[key] = known[key] + value if joins else known.get(key) if value is None else value
                return
        self._details.append(detail)

    def _content(self, text: str, deltas: list[Delta]) -> None:
        if self._tags.plain:
            self._add(Text, text, deltas)
            return
        thinking, text = self._tags.feed(text)
        if thinking:
            self._add(Thinking, thinking, deltas)
        if text:
            self._add(Text, text, deltas)

    def _flush(self, deltas: list[Delta]) -> None:
        thinking, text = self._tags.feed("", last=True)
        if thinking:
            self._add(Thinking, thinking, deltas)
        if text:
            self._add(Text, text, deltas)
        for call in self._calls:
            if not any(call.arguments):
                call.arguments.append("{}")
                self._show(call, deltas)

    def _chunks(self, chunks: list[_Chunk], deltas: list[Delta]) -> None:
        for chunk in chunks:
            thoughts = chunk.thinking
            if isinstance(thoughts, list):
                thoughts = "".join(thought.text or "" for thought in thoughts)
            if thoughts:
                self._add(Thinking, thoughts, deltas)
            if chunk.text:
                self._add(Text, chunk.text, deltas)

    def _add(self, kind: type[Text] | type[Thinking], text: str, deltas: list[Delta]) -> None:
        last = self._parts[-1] if self._parts else None
        if not isinstance(last, _Words) or last.kind is not kind:
            last = _Words(kind)
            self._parts.append(last)
        last.pieces.append(text)
        deltas.append(TextDelta(text) if kind is Text else ThinkingDelta(text))

    def _tool_call(self, piece: _ToolCall, whole: bool, deltas: list[Delta]) -> None:
        function = piece.function or _Function()
        call = None if whole else self._slot(piece, function)
        if call is None:
            call = self._open_call(piece)
        if function.name and function.name != call.name:
            call.name += function.name
        if piece.extra_content:
            call.vendor = {"extra_content": piece.extra_content}
        if function.arguments is not None:
            arguments = function.arguments
            call.arguments.append(arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode())
        self._show(call, deltas)

    def _slot(self, piece: _ToolCall, function: _Function) -> _Call | None:
        """The call that a piece goes on with; None when it begins another.

        Most vendors number their calls; some number all of them 0, or none.
        """
        if piece.index is not None:
            call = self._slots.get(piece.index)
        elif piece.id:
            call = next((call for call in self._calls if call.vendor_id == piece.id), None)
        else:
            call = self._calls[-1] if self._calls else None
        if call is None or not function.name:
            return call
        if piece.id and call.vendor_id:
            return call if piece.id == call.vendor_id else None
        return None if call.name and call.is_whole() else call

    def _open_call(self, piece: _ToolCall) -> _Call:
        known = {call.id for call in self._calls}
        made_up = f"call_{self._origin.id}_{len(self._calls)}"
        call = _Call(piece.id if piece.id and piece.id not in known else made_up, piece.id)
        self._calls.append(call)
        self._parts.append(call)
        if piece.index is not None:
            self._slots[piece.index] = call
        return call

    def _show(self, call: _Call, deltas: list[Delta]) -> None:
        """What is new of a call, once its name is known."""
        if not call.name:
            return
        text = "".join(call.arguments[call.shown :])
        if call.announced and not text:
            return
        first = not call.announced
        call.announced, call.shown = True, len(call.arguments)
        index = self._calls.index(call)
        deltas.append(ToolArgumentsDelta(index, text, call.id, call.name) if first else ToolArgumentsDelta(index, text))


def _says(part: Part) -> bool:
    return isinstance(part, ToolCall) or bool(part.text)


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

    def __init__(self, config: Config, http: Http, name: str, clock: Clock) -> None:
        self.name = name
        self.default_model = config.default_model
        self._config = config
        self._http = http
        self._clock = clock

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        origin = Origin(self.name, request.model, self._clock.new_id(), self._config.key)
        body = msgspec.json.encode(encode(request, self._config))
        async with self._ask(origin, "/chat/completions", body) as response:
            if response.content_type != "text/event-stream":
                yield decode(await response.read(), origin)
                return
            parser, decoder = SseParser(), Decoder(origin)
            async for chunk in response.chunks():
                for event in parser.feed(chunk):
                    for delta in decoder.feed(event):
                        yield delta
                if decoder.done:
                    await response.finish()
                    break
            for event in parser.close():
                for delta in decoder.feed(event):
                    yield delta
            yield decoder.finish()

    async def models(self) -> list[ModelInfo]:
        origin = Origin(self.name, self.default_model, key=self._config.key)
        async with self._ask(origin, "/models", None) as response:
            body = await response.read()
        try:
            return [model.read() for model in msgspec.json.decode(body, type=_Models).data]
        except msgspec.DecodeError:
            raise unreadable(origin, body) from None

    def _ask(self, origin: Origin, path: str, body: bytes | None) -> AbstractAsyncContextManager[Response]:
        headers = {"Content-Type": "application/json"}
        if self._config.key:
            headers["Authorization"] = f"Bearer {self._config.key.reveal()}"
        return ask(
            self._http,
            origin,
            endpoint(self._config.base_url, path),
            headers,
            body,
            now=self._clock.now(),
            connect_timeout_s=self._config.connect_timeout_s,
            idle_timeout_s=self._config.idle_timeout_s,
        )


EXTENSION = OpenAIChat
