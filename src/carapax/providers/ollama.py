"""Ollama's own API. It tells more than its imitation of others: how long a prompt may be, and whether it was cut.

The format: https://docs.ollama.com/api/chat
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import Struct

from carapax.errors import ModelError, ModelRejected
from carapax.events import Delta
from carapax.messages import (
    AssistantMessage,
    Effort,
    Message,
    ModelInfo,
    ModelRequest,
    StopReason,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.dialect import arguments_object, counted, fitting_name, json_text, storable
from carapax.models.draft import Draft, ThinkTags
from carapax.models.ndjson import NdjsonParser
from carapax.models.refusal import BROKEN_JSON, Origin, as_error, no_answer, refusal, unavailable, unreadable
from carapax.models.server import Server, Wire, own, rooted
from carapax.models.sse import ServerSentEvent

_WIRE = Wire(version="", framing=NdjsonParser)
_STOPS: dict[str, StopReason] = {"length": "length"}
_FAILED_STOPS = frozenset({"load", "unload"})
_LEAST_CONTEXT = 8_192
_ANSWER_TOKENS, _THINKING_TOKENS, _IMAGE_TOKENS = 4_096, 8_192, 2_048
_BYTES_A_TOKEN = 3
_ASKED_AT_ONCE = 8


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """An Ollama server.

    num_ctx: tokens of context that models are loaded with; 0 is as many as a request needs
    keep_alive: how long a model stays loaded after an answer, such as "10m"; empty leaves it to the server
    """

    num_ctx: int = 0
    keep_alive: str = ""


class Model(Struct, frozen=True):
    """What the server says of a model. `context_tokens` is what it was trained for, `least_tokens` what it is loaded
    with at least; 0 and nothing for what is not known."""

    context_tokens: int = 0
    least_tokens: int = 0
    capabilities: tuple[str, ...] = ()
    family: str = ""


_UNKNOWN = Model()


def encode(request: ModelRequest, config: Config, model: Model = _UNKNOWN) -> dict[str, Any]:
    """The body of a request. A prompt that is too long is refused, which the server would cut without a word."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
    messages += [encoded for message in request.messages if (encoded := _message(message, model))]
    body: dict[str, Any] = {"model": request.model, "messages": messages, "stream": request.stream}
    body |= {"truncate": False, "shift": False}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if "thinking" in model.capabilities:
        body["think"] = _think(request.effort, model)
    if config.keep_alive:
        body["keep_alive"] = config.keep_alive
    options: dict[str, Any] = {"num_ctx": config.num_ctx or _context(body, request, model)}
    if request.max_output_tokens is not None:
        options["num_predict"] = request.max_output_tokens
    if request.temperature is not None:
        options["temperature"] = request.temperature
    return {**body, "options": options}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _think(effort: Effort, model: Model) -> bool | str:
    """Only one family of models takes a level, and that one cannot be stopped from thinking."""
    if model.family.replace("-", "") == "gptoss":
        return "low" if effort == "off" else effort
    return effort != "off"


def _context(body: dict[str, Any], request: ModelRequest, model: Model) -> int:
    """Tokens for the prompt and its answer, generously. Powers of two, since each new size loads the model anew."""
    images = [image for message in body["messages"] for image in message.get("images", ())]
    prompt = len(msgspec.json.encode((body["messages"], body.get("tools")))) - sum(map(len, images))
    answer = request.max_output_tokens or _ANSWER_TOKENS
    thinking = _THINKING_TOKENS if body.get("think") else 0
    needed = prompt // _BYTES_A_TOKEN + len(images) * _IMAGE_TOKENS + answer + thinking
    size = max(1 << (needed - 1).bit_length(), model.least_tokens, _LEAST_CONTEXT)
    return min(size, model.context_tokens) if model.context_tokens else size


def _message(message: Message, model: Model) -> dict[str, Any] | None:
    if isinstance(message, UserMessage):
        return _user(message, model)
    if isinstance(message, ToolResult):
        name = fitting_name(message.name)
        return {"role": "tool", "content": message.text, "tool_name": name, "tool_call_id": message.call_id}
    encoded: dict[str, Any] = {"role": "assistant", "content": message.text}
    if message.tool_calls:
        encoded["tool_calls"] = [_call(call) for call in message.tool_calls]
    elif not message.text:
        return None
    return {**encoded, "thinking": message.thinking} if message.thinking else encoded


def _user(message: UserMessage, model: Model) -> dict[str, Any]:
    texts, images = [message.text] if message.text else [], []
    sees = "vision" in model.capabilities or not model.capabilities
    for file in message.attachments:
        if sees and file.media_type.startswith("image/"):
            images.append(b64encode(file.data).decode())
        else:
            texts.append(f"[{file.name}, {file.media_type}: not shown]")
    encoded: dict[str, Any] = {"role": "user", "content": "\n\n".join(texts)}
    return {**encoded, "images": images} if images else encoded


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "function": {"name": fitting_name(call.name), "arguments": arguments_object(call)}}


class _Function(Struct):
    name: str | None = None
    arguments: Any = None


class _ToolCall(Struct):
    id: str | None = None
    function: _Function | None = None


class _Said(Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Chunk(Struct):
    """A line of a stream, or a whole answer."""

    model: str | None = None
    message: _Said | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk, strict=False)


class Decoder:
    """Fed with the lines of one stream, it gives deltas, and the whole message at the end.

    `done` says that the model has said all, even if the connection stays open; `answered` that any answer came.
    """

    def __init__(self, origin: Origin) -> None:
        self.done = False
        self.answered = False
        self._origin = origin
        self._model = origin.model
        self._draft = Draft(origin.id)
        self._tags = ThinkTags()
        self._last_calls: bytes | str = ""
        self._ids: set[str] = set()
        self._usage = Usage()
        self._stop = ""

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Raises a ModelError for an error that came instead of an answer, and for what cannot be read."""
        return self.take(event.data)

    def take(self, data: bytes | str) -> list[Delta]:
        """One line, or a whole answer."""
        try:
            chunk = _chunk.decode(data)
        except BROKEN_JSON:
            raise no_answer(self._origin, data) from None
        if error := as_error(chunk.error):
            raise refusal(self._origin, error)
        self._model = chunk.model or self._model
        if said := chunk.message:
            self.answered = True
            if said.thinking:
                self._draft.think(said.thinking)
            if said.content:
                self._content(said.content)
            if said.tool_calls and data != self._last_calls:
                self._last_calls = data
                for call in said.tool_calls:
                    self._call(call)
        if chunk.done:
            self._end(chunk)
        return self._draft.take_deltas()

    def finish(self) -> AssistantMessage:
        """The whole message. Raises ModelUnavailable when the stream broke off before the model was finished."""
        if not self.done:
            raise unavailable(
                self._origin, "the answer broke off before its end" if self.answered else "no answer came"
            )
        parts = tuple(self._draft.parts())
        if self._stop in _FAILED_STOPS and not parts:
            raise unavailable(self._origin, f"the server did no more than {self._stop} the model")
        message = AssistantMessage(
            parts=parts,
            stop_reason=_STOPS.get(self._stop, "tool_calls" if self._draft.calls else "end"),
            usage=self._usage,
            provider=self._origin.provider,
            model=self._model,
            stop_detail=self._stop,
        )
        return storable(self._origin, message)

    def _content(self, text: str, last: bool = False) -> None:
        thinking = ""
        if not self._tags.plain:
            thinking, text = self._tags.feed(text, last)
        if thinking:
            self._draft.think(thinking)
        if text:
            self._draft.say(text)

    def _call(self, piece: _ToolCall) -> None:
        """Calls come whole. Servers of old give them no ids."""
        if piece.id and piece.id in self._ids:
            return  # said twice: a call must not become two
        if piece.id:
            self._ids.add(piece.id)
        function = piece.function or _Function()
        call = self._draft.open_call(piece.id, function.name or "unknown")
        arguments = function.arguments
        call.arguments.append(arguments if arguments and isinstance(arguments, str) else json_text(arguments or {}))
        self._draft.show(call)

    def _end(self, chunk: _Chunk) -> None:
        self.done = True
        self._stop = chunk.done_reason or "stop"
        self._usage = Usage(counted(chunk.prompt_eval_count), counted(chunk.eval_count))
        self._content("", last=True)


def decode(body: bytes, origin: Origin) -> AssistantMessage:
    """The message of an answer that was not streamed. Raises a ModelError."""
    decoder = Decoder(origin)
    decoder.take(body)
    if not decoder.answered:
        raise unreadable(origin, body)
    return decoder.finish()


class _Details(Struct):
    family: str | None = None


class _Shown(Struct):
    """What /api/show tells."""

    capabilities: list[str] | None = None
    details: _Details | None = None
    model_info: dict[str, Any] | None = None
    parameters: str | None = None

    def read(self) -> Model:
        info = self.model_info or {}
        sizes = [counted(size) for key, size in info.items() if key.endswith(".context_length")]
        least = re.search(r"^num_ctx\s+(\d{1,9})\s*$", self.parameters or "", re.M)
        return Model(
            context_tokens=max(sizes, default=0),
            least_tokens=int(least[1]) if least else 0,
            capabilities=tuple(self.capabilities or ()),
            family=(self.details and self.details.family) or str(info.get("general.architecture", "")),
        )


class _Tag(Struct):
    name: str


class _Tags(Struct):
    models: list[_Tag]


class Ollama:
    """An Ollama server, on this machine or another."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = rooted(server, "api|v1")
        self._models: dict[str, Model] = {}

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        model = await self._model(request.model)
        mine = msgspec.structs.replace(request, messages=own(request.messages, self.name))
        body = encode(mine, self._config, model)
        if request.model in self._models:  # asked with less, the server would load it anew
            grown = msgspec.structs.replace(model, least_tokens=body["options"]["num_ctx"])
            self._models[request.model] = grown
        answer = self._server.converse(
            _WIRE, request.model, "/api/chat", body, Decoder, decode, streamed=request.stream
        )
        async with aclosing(answer):
            async for item in answer:
                yield item

    async def models(self) -> list[ModelInfo]:
        """Those that are for conversation."""
        names = [tag.name for tag in (await self._server.get(_WIRE, "/api/tags", _Tags)).models]
        limit = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def ask(name: str) -> Model:
            async with limit:
                try:
                    return await self._model(name)
                except ModelError:
                    return _UNKNOWN

        async with asyncio.TaskGroup() as group:
            asked = {name: group.create_task(ask(name)) for name in names}
        known = {name: task.result() for name, task in asked.items()}
        return [
            ModelInfo(name, model.context_tokens) if model.context_tokens else ModelInfo(name)
            for name, model in known.items()
            if not model.capabilities or "completion" in model.capabilities
        ]

    async def _model(self, name: str) -> Model:
        """What is known of a model; nothing of one that the server does not know, which it will say when asked."""
        if name not in self._models:
            try:
                shown = await self._server.post(_WIRE, name, "/api/show", {"model": name}, _Shown)
            except ModelRejected:
                return _UNKNOWN
            self._models[name] = shown.read()
        return self._models[name]


EXTENSION = Ollama
