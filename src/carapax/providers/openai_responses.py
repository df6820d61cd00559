"""OpenAI's Responses API, used without state at the vendor: all that a turn needs goes with its request.

The format: https://platform.openai.com/docs/api-reference/responses
"""

import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
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
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.dialect import (
    arguments_object,
    fitting_id,
    fitting_name,
    is_one_of,
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
    read_error,
    refusal,
    unavailable,
)
from carapax.models.server import Server, Wire, bearer, keyed, own
from carapax.models.sse import ServerSentEvent

_CALL_ID = r"[\x21-\x7e]{1,64}"
_FEWEST_TOKENS = 16  # the vendor refuses a lower limit
_BETWEEN = "\n\n"  # pieces of thoughts
_THOUGHTS = ("summary_text", "reasoning_text")
_STOPS: dict[str, StopReason] = {"content_filter": "filtered"}
_WORDS = frozenset({"role", "status", "content", "summary", "call_id", "name", "arguments"})
_OURS = frozenset({"computer_call", "local_shell_call", "shell_call", "apply_patch_call", "custom_tool_call"})
_DELTAS: dict[str, tuple[type[Text] | type[Thinking], str]] = {
    "response.output_text.delta": (Text, "text"),
    "response.refusal.delta": (Text, "refusal"),
    "response.reasoning_summary_text.delta": (Thinking, "summary"),
    "response.reasoning_text.delta": (Thinking, "raw"),
}
_PLACES = {"output_text": "text", "refusal": "refusal", "summary_text": "summary", "reasoning_text": "raw"}
_FINAL = frozenset({"completed", "incomplete", "failed", "cancelled", "done"})
_UNFINISHED = frozenset({"queued", "in_progress", "cancelled", "failed"})
_REFUSED_CODES = re.compile(r"invalid|unsupported|image|policy|not_found")


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that speaks Responses, and its accent.

    key_header: the header that the key goes in; empty for Authorization
    version: what is added to an address that names no version; empty for none
    models_path: where its models are listed
    instructions: the system text of a request that has none, for servers that need one
    stream_only: whether it answers only as a stream; an answer that is asked for whole is then gathered here
    sampling: whether it takes a longest answer and a temperature
    plain_models: patterns of models that cannot think, and refuse to be asked to
    off_effort: the effort that keeps a model from thinking, or nearly, by patterns of models of which the first counts;
        where none fits, nothing is asked
    summary: which summary of its thoughts a model is asked for; empty for none
    item_ids: whether the items of an answer go back with the ids they came with: all, those of thoughts, or none
    """

    key_header: str = ""
    version: str = "v1"
    models_path: str = "/models"
    instructions: str = ""
    stream_only: bool = False
    sampling: bool = True
    plain_models: tuple[str, ...] = ()
    off_effort: dict[str, str] = {}
    summary: Literal["", "auto", "concise", "detailed"] = "auto"
    item_ids: Literal["all", "reasoning", "none"] = "all"


def encode(request: ModelRequest, config: Config) -> dict[str, Any]:
    """The body of a request."""
    plain = is_one_of(request.model, config.plain_models)
    body: dict[str, Any] = {
        "model": request.model,
        "input": [item for message in request.messages for item in _items(message, config, plain)],
        "stream": request.stream or config.stream_only,
        "store": False,
    }
    if instructions := request.system or config.instructions:
        body["instructions"] = instructions
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    effort = "" if plain else _effort(request, config)
    if not plain:
        body["include"] = ["reasoning.encrypted_content"]
    if effort:
        summary = {"summary": config.summary} if config.summary and request.effort != "off" else {}
        body["reasoning"] = {"effort": effort, **summary}
    if config.sampling:
        if request.max_output_tokens is not None:
            body["max_output_tokens"] = max(request.max_output_tokens, _FEWEST_TOKENS)
        if request.temperature is not None and effort in ("", "none"):
            body["temperature"] = request.temperature  # models that think refuse it
    return body


def _tool(tool: ToolSpec) -> dict[str, Any]:
    """Without `strict: false` the vendor rewrites the schema."""
    described = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", **described, "strict": False}


def _effort(request: ModelRequest, config: Config) -> str:
    if request.effort != "off":
        return request.effort
    return told_of(request.model, config.off_effort) or ""


def _items(message: Message, config: Config, plain: bool) -> list[dict[str, Any]]:
    if isinstance(message, UserMessage):
        return [{"role": "user", "content": _content(message)}]
    if isinstance(message, ToolResult):
        call_id = fitting_id(message.call_id, _CALL_ID)
        return [{"type": "function_call_output", "call_id": call_id, "output": message.text}]
    return _answer(message, config, plain)


def _content(message: UserMessage) -> str | list[dict[str, Any]]:
    if not message.attachments:
        return message.text
    words = [{"type": "input_text", "text": message.text}] if message.text else []
    return [*words, *map(_attachment, message.attachments)]


def _attachment(attachment: Attachment) -> dict[str, Any]:
    data = f"data:{attachment.media_type};base64,{b64encode(attachment.data).decode()}"
    if attachment.media_type.startswith("image/"):
        return {"type": "input_image", "image_url": data, "detail": "auto"}
    if attachment.media_type == "application/pdf":
        return {"type": "input_file", "filename": attachment.name, "file_data": data}
    return {"type": "input_text", "text": f"[{attachment.name}, {attachment.media_type}: not shown]"}


def _answer(message: AssistantMessage, config: Config, plain: bool) -> list[dict[str, Any]]:
    """The items of an answer. Thoughts are refused at its end, and what followed thoughts that are left out is refused
    with its id."""
    items = list(_joined(message.parts))
    sent = [item for item in items if _is_taken(item, plain)]
    known = len(sent) == len(items)
    while sent and sent[-1]["type"] == "reasoning":
        sent.pop()
    return [_identified(item, config, known) for item in sent]


def _is_taken(item: dict[str, Any], plain: bool) -> bool:
    """Whether an item can go back: not thoughts that the vendor would have to know, and no call whose result was to
    come from tools that were never offered."""
    if item["type"] == "reasoning":
        return not plain and bool(item.get("encrypted_content") or item.get("content"))
    return item["type"] not in _OURS and item.get("execution") != "client"


def _identified(item: dict[str, Any], config: Config, known: bool) -> dict[str, Any]:
    kept = known and (config.item_ids == "all" or (config.item_ids == "reasoning" and item["type"] == "reasoning"))
    if kept and "id" in item:
        return item
    left_out = ("id", "status") if item["type"] == "message" else ("id",)
    return {key: value for key, value in item.items() if key not in left_out}


def _joined(parts: tuple[Part, ...]) -> Iterator[dict[str, Any]]:
    """The items that the parts are from: an item with several pieces of words had become several parts."""
    last: dict[str, Any] = {}
    for part in parts:
        item = _item(part)
        if item is None:
            continue
        if item["type"] in ("message", "reasoning") and item.get("id") and _is_same(last, item):
            for place in {"summary", "content"} & item.keys():
                last[place] = [*last.get(place, ()), *map(_continued, item[place])]
            continue
        if last:
            yield last
        last = item
    if last:
        yield last


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (one.get("type"), one.get("id")) == (other["type"], other["id"])


def _continued(piece: dict[str, Any]) -> dict[str, Any]:
    return {**piece, "text": piece["text"].removeprefix(_BETWEEN)} if piece["type"] in _THOUGHTS else piece


def _item(part: Part) -> dict[str, Any] | None:
    """None for what no item can be made of: thoughts of others, empty text."""
    item = part.vendor.get("item")
    if isinstance(part, ToolCall):
        return {**(item or {}), **_call(part)}
    if isinstance(part, Thinking):
        return {**item, **_thoughts(part)} if item else None
    if item and item["type"] != "message":
        return dict(item)
    return {**(item or {}), **_said(part)} if part.text else None


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = arguments_object(call)
    plain = "invalid_json" in arguments or not call.arguments
    text = msgspec.json.encode(arguments).decode() if plain else call.arguments
    call_id, name = fitting_id(call.id, _CALL_ID), fitting_name(call.name)
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": text}


def _thoughts(part: Thinking) -> dict[str, Any]:
    if part.vendor.get("raw"):
        return {"summary": [], "content": [{"type": "reasoning_text", "text": part.text}]}
    return {"summary": [{"type": "summary_text", "text": part.text}] if part.text else []}


def _said(part: Text) -> dict[str, Any]:
    piece: dict[str, Any] = {"type": "refusal", "refusal": part.text}
    if not part.vendor.get("refusal"):
        piece = {"type": "output_text", "text": part.text, "annotations": part.vendor.get("annotations", [])}
    return {"type": "message", "role": "assistant", "status": "completed", "content": [piece]}


class _InputDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


def _read_usage(found: object) -> Usage:
    """Counts in whatever form; an answer is not lost for them."""
    try:
        told = msgspec.convert(found, _Usage, strict=False)
    except msgspec.ValidationError:
        return Usage()
    given = told.input_tokens_details or _InputDetails()
    return Usage(
        input=tokens(told.input_tokens),
        output=tokens(told.output_tokens),
        cache_read=tokens(given.cached_tokens),
        cache_write=tokens(given.cache_write_tokens),
        reasoning=tokens((told.output_tokens_details or _OutputDetails()).reasoning_tokens),
    )


class _Incomplete(Struct):
    reason: str | None = None


class _Response(Struct):
    status: str | None = None
    model: str | None = None
    output: list[dict[str, Any]] | None = None
    usage: Any = None
    error: Any = None
    incomplete_details: _Incomplete | None = None


class _Event(Struct):
    type: str | None = None
    sequence_number: int | None = None
    output_index: int | None = None
    item_id: str | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: Any = None
    item: dict[str, Any] | None = None
    response: _Response | None = None
    error: Any = None


_event = msgspec.json.Decoder(_Event, strict=False)
_response = msgspec.json.Decoder(_Response, strict=False)


class _Item:
    """An item of the output in the making: a call, or words in pieces, of which `first` was made room for."""

    __slots__ = ("call", "first", "pieces")

    def __init__(self, first: Words | None = None, call: Call | None = None) -> None:
        self.first = first
        self.call = call
        self.pieces: dict[tuple[str, int], Words] = {}


class Decoder:
    """Fed with the events of one stream, it gives deltas, and the whole message at the end.

    `done` says that the vendor has said all, even if the connection stays open.
    """

    def __init__(self, origin: Origin) -> None:
        self.done = False
        self._origin = origin
        self._model = origin.model
        self._draft = Draft(origin.id)
        self._items: dict[int | str, _Item] = {}
        self._usage = Usage()
        self._status = ""
        self._reason = ""
        self._refused = False
        self._sequence = 0

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Raises a ModelError for an error that came instead of an answer, and for what cannot be read."""
        if not event.data.strip() or event.data.startswith("[DONE]"):
            return []
        try:
            said = _event.decode(event.data)
        except BROKEN_JSON:
            raise no_answer(self._origin, event.data) from None
        kind = said.type or event.event
        if said.error or kind == "error":
            raise self._failed(as_error(said.error) or read_error(event.data) or VendorError(event.data))
        if not self._is_repeated(said.sequence_number):
            self._take(kind, said)
        return self._draft.take_deltas()

    def conclude(self, response: _Response, kind: str) -> None:
        """The whole answer, after its pieces or instead of them."""
        if error := as_error(response.error):
            raise self._failed(error)
        self._backfill(response.output or [])
        self._draft.close_calls()
        self._model = response.model or self._model
        if response.usage:
            self._usage = _read_usage(response.usage)
        self._status = response.status or kind
        self._reason = (response.incomplete_details or _Incomplete()).reason or ""
        self.done = True

    def finish(self) -> AssistantMessage:
        """The whole message. Raises ModelUnavailable when the stream broke off before the model was finished."""
        if not self._status:
            raise unavailable(self._origin, "the answer broke off before its end")
        if self._status in _UNFINISHED:
            raise unavailable(self._origin, f"the answer is {self._status}")
        message = AssistantMessage(
            parts=tuple(self._draft.parts()),
            stop_reason=self._stop_reason(),
            usage=self._usage,
            provider=self._origin.provider,
            model=self._model,
            stop_detail=self._reason or self._status,
        )
        return storable(self._origin, message)

    def _failed(self, error: VendorError) -> ModelError:
        """Errors in a stream have no status. A request that is being answered was not wrong, whatever is said."""
        if not error.status and _REFUSED_CODES.search(error.code):
            error = msgspec.structs.replace(error, status=400)
        failed = refusal(self._origin, error)
        if self._items and isinstance(failed, ModelRejected):
            return unavailable(self._origin, error.message or error.code)
        return failed

    def _stop_reason(self) -> StopReason:
        if self._status == "incomplete":
            return _STOPS.get(self._reason, "length")
        return "filtered" if self._refused else "tool_calls" if self._draft.calls else "end"

    def _is_repeated(self, sequence: int | None) -> bool:
        if sequence is None:
            return False
        repeated = 0 < sequence <= self._sequence
        self._sequence = max(sequence, self._sequence)
        return repeated

    def _take(self, kind: str, said: _Event) -> None:
        if kind in _DELTAS and isinstance(said.delta, str):
            words, place = _DELTAS[kind]
            index = (said.summary_index if place == "summary" else said.content_index) or 0
            self._say(self._known(said, words), words, place, index, said.delta)
        elif kind == "response.function_call_arguments.delta" and isinstance(said.delta, str):
            call = self._known(said, None).call
            if call:
                call.arguments.append(said.delta)
                self._draft.show(call)
        elif said.item is not None:
            key = self._key(said, said.item.get("id"))
            known = self._items.get(key) or self._open(key, said.item)
            if kind == "response.output_item.done":
                self._close(known, said.item)
        elif said.response is not None and kind.removeprefix("response.") in _FINAL:
            self.conclude(said.response, kind.removeprefix("response."))

    def _key(self, said: _Event, item_id: object) -> int | str:
        """Which item is meant. Some servers give it another id with each event."""
        if said.output_index is not None:
            return said.output_index
        return item_id if isinstance(item_id, str) else ""

    def _known(self, said: _Event, kind: type[Text] | type[Thinking] | None) -> _Item:
        """The item of a delta, which should have been announced."""
        key = self._key(said, said.item_id)
        types = {Text: "message", Thinking: "reasoning", None: "function_call"}
        return self._items.get(key) or self._open(key, {"type": types[kind]})

    def _open(self, key: int | str, item: dict[str, Any]) -> _Item:
        kind = item.get("type")
        if kind == "function_call":
            call_id = string(item.get("call_id")) or string(item.get("id"))
            self._items[key] = _Item(call=self._draft.open_call(call_id, string(item.get("name"))))
        elif kind in ("message", "reasoning"):
            self._items[key] = _Item(self._draft.open(Text if kind == "message" else Thinking))
        else:
            self._items[key] = _Item(self._draft.open(Text))
            self._close(self._items[key], item)
        return self._items[key]

    def _say(self, item: _Item, kind: type[Text] | type[Thinking], place: str, index: int, text: str) -> None:
        """More of a piece; pieces of thoughts are set apart."""
        words = item.pieces.get((place, index))
        if words is None:
            if not text:
                return
            fits = not item.pieces and item.first is not None and item.first.kind is kind and not item.first.vendor
            words = item.first if fits and item.first else self._draft.open(kind)
            if item.pieces and kind is Thinking:
                self._draft.add(words, _BETWEEN)
            item.pieces[place, index] = words
            if place in ("refusal", "raw"):
                words.vendor[place] = True
                self._refused = self._refused or place == "refusal"
        self._draft.add(words, text)

    def _close(self, known: _Item, item: dict[str, Any]) -> None:
        """What is certain when an item is whole: words that did not come as deltas, and what is to be sent back."""
        kind = item.get("type")
        if known.call:
            self._close_call(known.call, item)
        elif kind in ("message", "reasoning"):
            self._close_words(known, item, Text if kind == "message" else Thinking)
        elif known.first and isinstance(kind, str):
            known.first.vendor["item"] = item

    def _close_call(self, call: Call, item: dict[str, Any]) -> None:
        call.name = call.name or string(item.get("name")) or "unknown"
        call.arguments.append(_missing(call.text, string(item.get("arguments"))))
        call.vendor["item"] = _rest(item)
        self._draft.show(call)

    def _close_words(self, known: _Item, item: dict[str, Any], kind: type[Text] | type[Thinking]) -> None:
        for place, index, text, annotations in _pieces(item):
            words = known.pieces.get((place, index))
            said = "".join(words.pieces).removeprefix(_BETWEEN if kind is Thinking else "") if words else ""
            self._say(known, kind, place, index, _missing(said, text))
            if annotations and (words := known.pieces.get((place, index))):
                words.vendor["annotations"] = annotations
        rest = _rest(item)
        parts = [words for words in known.pieces.values() if words.kind is kind]
        if not parts and known.first and known.first.kind is kind is Thinking:
            parts = [known.first]
        for words in parts:
            words.vendor["item"] = rest
            rest = {key: rest[key] for key in ("type", "id") if key in rest}

    def _backfill(self, output: list[dict[str, Any]]) -> None:
        """Items that were not whole before the answer was, or never came by themselves."""
        numbers = sorted(key for key in self._items if isinstance(key, int))
        if len(numbers) != len(output):  # else all are known, whatever number the first one has
            numbers = list(range(len(output)))
        for index, item in zip(numbers, output, strict=True):
            item_id = item.get("id")
            known = self._items.get(index) or (self._items.get(item_id) if isinstance(item_id, str) else None)
            if known is None and len(self._items) < len(output):
                known = self._open(index, item)
            if known:
                self._close(known, item)


def _missing(said: str, whole: str) -> str:
    """The rest of what was said in part. What was said otherwise stands as it is."""
    return whole[len(said) :] if whole.startswith(said) else ""


def _rest(item: dict[str, Any]) -> dict[str, Any]:
    """What an item is besides the words that parts hold."""
    return {key: value for key, value in item.items() if key not in _WORDS and value is not None}


def _pieces(item: dict[str, Any]) -> Iterator[tuple[str, int, str, list[Any]]]:
    """The words of a whole item: their place, number, text, and annotations."""
    for field in ("summary", "content"):
        found = item.get(field)
        for index, piece in enumerate(found if isinstance(found, list) else ()):
            if isinstance(piece, dict) and (place := _PLACES.get(string(piece.get("type")))):
                annotations = piece.get("annotations")
                text = string(piece.get("refusal" if place == "refusal" else "text"))
                yield place, index, text, annotations if isinstance(annotations, list) else []


def decode(body: bytes, origin: Origin) -> AssistantMessage:
    """The message of an answer that was not streamed. Raises a ModelError."""
    try:
        response = _response.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    if response.output is None and not response.error:
        raise no_answer(origin, body)
    decoder = Decoder(origin)
    decoder.conclude(response, "completed")
    return decoder.finish()


class _Model(Struct):
    id: str = ""
    slug: str = ""
    context_length: int | None = None
    context_window: int | None = None
    max_model_len: int | None = None

    def read(self) -> ModelInfo:
        name = self.id or self.slug
        size = self.context_length or self.context_window or self.max_model_len
        return ModelInfo(name, size) if size else ModelInfo(name)


class _Models(Struct):
    data: list[_Model] = []
    models: list[_Model] = []


class OpenAIResponses:
    """A vendor or a local server that speaks Responses."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = server
        self._wire = Wire(keyed(config.key_header) if config.key_header else bearer, config.version)

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        mine = msgspec.structs.replace(request, messages=own(request.messages, self.name))
        body = encode(mine, self._config)
        answer = self._server.converse(
            self._wire, request.model, "/responses", body, Decoder, decode, streamed=body["stream"]
        )
        return answer if request.stream else _whole(answer)

    async def models(self) -> list[ModelInfo]:
        told = await self._server.get(self._wire, self._config.models_path, _Models)
        return [model.read() for model in told.data or told.models]


async def _whole(
    answer: AsyncGenerator[Delta | AssistantMessage, None],
) -> AsyncGenerator[Delta | AssistantMessage, None]:
    """An answer without its deltas."""
    async with aclosing(answer):
        async for item in answer:
            if isinstance(item, AssistantMessage):
                yield item


EXTENSION = OpenAIResponses
