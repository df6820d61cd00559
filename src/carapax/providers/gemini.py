"""The Gemini API (https://ai.google.dev/api/generate-content) of Google AI Studio or, by its base URL, of Vertex AI."""

import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import quote

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
from carapax.models.credential import Credential
from carapax.models.dialect import arguments_object, fitting_name, json_text, storable, string, tokens, told_of
from carapax.models.draft import Draft, Words
from carapax.models.refusal import BROKEN_JSON, Origin, as_error, no_answer, refusal, unavailable, unreadable
from carapax.models.server import Sent, Server, Wire, own
from carapax.models.sse import ServerSentEvent

_CONTEXT_TOKENS, _MOST_PAGES = 1_048_576, 20
_BUDGETS: dict[Effort, int] = {"low": 2_048, "medium": 8_192, "high": 24_576}
_SHOWN = re.compile(r"image/(png|jpeg|webp|heic|heif)|application/pdf|(audio|video)/.+")

# What an event has that is not said a second time in the same words: a call, or how many tokens there are by now.
_COUNTED = re.compile(r'"(functionCall|candidatesTokenCount)"')

_SIGNATURE = "thoughtSignature"

# Lets calls stand that the model did not make itself: https://ai.google.dev/gemini-api/docs/thought-signatures
_UNSIGNED = b64encode(b"skip_thought_signature_validator").decode()

_FILTERED = re.compile("(IMAGE_)?(SAFETY|RECITATION|PROHIBITED_CONTENT)|LANGUAGE|BLOCKLIST|SPII|MODEL_ARMOR|ESCALATION")
_FAILED = re.compile(r"(MALFORMED|UNEXPECTED|TOO_MANY|MISSING)_\w+|OTHER")


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that speaks the Gemini API.

    least_thinking: by patterns of models, of which the first that fits counts: how little they can be told to think,
        as a number of tokens or as a level (minimal, low); models that no pattern fits are told nothing
    """

    least_thinking: dict[str, int | str] = {}


def encode(request: ModelRequest, config: Config) -> dict[str, Any]:
    """The body of a request."""
    least = told_of(request.model, config.least_thinking)
    body: dict[str, Any] = {"contents": _contents(request.messages, signed=isinstance(least, str))}
    if request.system:
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_tool(tool) for tool in request.tools]}]
    generation: dict[str, Any] = {}
    if request.temperature is not None:
        generation["temperature"] = request.temperature
    if request.max_output_tokens:
        generation["maxOutputTokens"] = request.max_output_tokens
    if least is not None:
        _think(generation, request.effort, least)
    if generation:
        body["generationConfig"] = generation
    return body


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}


def _think(generation: dict[str, Any], effort: Effort, least: int | str) -> None:
    """A budget comes on top of the longest answer, which counts thoughts too."""
    shown = {} if effort == "off" else {"includeThoughts": True}
    if isinstance(least, str):
        level = least if effort == "off" else effort
        generation["thinkingConfig"] = {"thinkingLevel": level.upper(), **shown}
        return
    budget = least if effort == "off" else _BUDGETS[effort]
    generation["thinkingConfig"] = {"thinkingBudget": budget, **shown}
    if "maxOutputTokens" in generation:
        generation["maxOutputTokens"] += budget


def _contents(messages: tuple[Message, ...], *, signed: bool) -> list[dict[str, Any]]:
    """Messages with the roles in turn: neighbours of the same role become one, empty ones none. Results of tools have
    a content of their own, as many as there were calls. With `signed`, the first of these must have a signature."""
    contents: list[dict[str, Any]] = []
    ids: dict[str, str] = {}
    last: type[Message] | None = None
    for message in messages:
        if isinstance(message, AssistantMessage):
            role, parts = "model", _said(message, ids, signed=signed)
        else:
            role, parts = "user", _asked(message, ids)
        if parts and last is not type(message):
            contents.append({"role": role, "parts": []})
            last = type(message)
        if parts:
            contents[-1]["parts"] += parts
    return contents


def _asked(message: UserMessage | ToolResult, ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """`ids` are the vendor's, of the calls that have one."""
    if isinstance(message, ToolResult):
        response = {"error" if message.is_error else "output": message.text}
        result = {"name": fitting_name(message.name), "response": response}
        return [{"functionResponse": {"id": ids[message.call_id], **result} if message.call_id in ids else result}]
    text = [{"text": message.text}] if message.text.strip() else []
    return [*map(_attached, message.attachments), *text]


def _attached(attachment: Attachment) -> dict[str, Any]:
    if attachment.data and _SHOWN.fullmatch(attachment.media_type):
        data = b64encode(attachment.data).decode()
        return {"inlineData": {"mimeType": attachment.media_type, "data": data}}
    return {"text": f"[{attachment.name}, {attachment.media_type}: not shown]"}


def _said(message: AssistantMessage, ids: dict[str, str], *, signed: bool) -> list[dict[str, Any]]:
    """The parts as they came; the vendor's ids of calls are added to `ids`."""
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        signature = {_SIGNATURE: part.vendor[_SIGNATURE]} if _SIGNATURE in part.vendor else {}
        if isinstance(part, ToolCall):
            call = {"name": fitting_name(part.name), "args": arguments_object(part)}
            if "id" in part.vendor:
                ids[part.id] = part.vendor["id"]
                call = {"id": part.vendor["id"], **call}
            if signed and not signature:
                signature = {_SIGNATURE: _UNSIGNED}
            signed = False
            parts.append({"functionCall": call, **signature})
        elif "part" in part.vendor:
            parts.append(dict(part.vendor["part"]))
        elif isinstance(part, Thinking):
            if part.vendor:
                parts.append({"text": part.text, "thought": True, **signature})
        elif part.text or signature:
            parts.append({"text": part.text, **signature})
    return parts


class _Content(Struct):
    parts: list[dict[str, Any]] | None = None


class _Candidate(Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: Any = None
    url_context_metadata: Any = None
    citation_metadata: Any = None


class _Chunk(Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: dict[str, Any] | None = None
    usage_metadata: Any = None
    model_version: str | None = None
    error: Any = None


class _Counts(Struct, rename="camel"):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None


_chunk = msgspec.json.Decoder(_Chunk, strict=False)
_body = msgspec.json.Decoder(_Chunk | list[_Chunk], strict=False)


def _usage(told: object) -> Usage:
    """Counts in whatever form; an answer is not lost for them. Thoughts and what tools gave are counted apart from the
    answer and the prompt."""
    try:
        counts = msgspec.convert(told or {}, _Counts, strict=False)
    except msgspec.ValidationError:
        counts = _Counts()
    tool, reasoning = tokens(counts.tool_use_prompt_token_count), tokens(counts.thoughts_token_count)
    return Usage(
        input=tokens(counts.prompt_token_count) + tool,
        output=tokens(counts.candidates_token_count) + reasoning,
        cache_read=tokens(counts.cached_content_token_count),
        reasoning=reasoning,
        tool=tool,
    )


class Decoder:
    """Fed with the events of one stream, it gives deltas, and the whole message at the end.

    A stream says that it is complete by a reason to finish, which some servers give with every event: it ends with the
    connection, and `done` stays false.
    """

    def __init__(self, origin: Origin) -> None:
        self.done = False
        self._origin = origin
        self._model = origin.model
        self._draft = Draft(origin.id)
        self._open: Words | None = None
        self._made: set[tuple[str, str, str]] = set()
        self._usage: Any = None
        self._about: dict[str, Any] = {}
        self._stop = ""
        self._why = ""
        self._blocked = False
        self._last = ""

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Raises a ModelError for an error that came instead of an answer, and for what cannot be read."""
        if not event.data.strip() or event.data.startswith("[DONE]"):
            return []
        if event.data == self._last and _COUNTED.search(event.data):
            return []
        self._last = event.data
        try:
            chunk = _chunk.decode(event.data)
        except BROKEN_JSON:
            raise no_answer(self._origin, event.data) from None
        self.take(chunk)
        return self._draft.take_deltas()

    def finish(self, stop: str = "") -> AssistantMessage:
        """The whole message, finished by `stop` if it does not say how. Raises ModelUnavailable when it broke off
        before its end, and when the model failed at what it began."""
        self._stop = self._stop or stop
        if not self._stop:
            raise unavailable(self._origin, "the answer broke off before its end")
        if not self._blocked and _FAILED.fullmatch(self._stop):
            raise unavailable(self._origin, f"the model stopped with {self._stop} {self._why}", "try again")
        if self._about:
            (self._open or self._draft.open(Text)).vendor.update(self._about)
        message = AssistantMessage(
            parts=tuple(self._draft.parts()),
            stop_reason=self._reason(),
            usage=_usage(self._usage),
            provider=self._origin.provider,
            model=self._model,
            stop_detail=self._stop,
        )
        return storable(self._origin, message)

    def _reason(self) -> StopReason:
        if self._blocked or _FILTERED.fullmatch(self._stop):
            return "filtered"
        if self._stop == "MAX_TOKENS":
            return "length"
        return "tool_calls" if self._draft.calls else "end"

    def take(self, chunk: _Chunk) -> None:
        """An event as it was read, or the answer as a whole."""
        if error := as_error(chunk.error):
            raise refusal(self._origin, error)
        self._model = chunk.model_version or self._model
        self._usage = chunk.usage_metadata or self._usage
        if blocked := string((chunk.prompt_feedback or {}).get("blockReason")):
            self._blocked, self._stop = True, blocked
        if not chunk.candidates:
            return
        candidate = chunk.candidates[0]
        parts = (candidate.content and candidate.content.parts) or []
        for part in parts:
            self._add(part)
        self._stop = candidate.finish_reason or ("" if parts else self._stop)  # some give one before the end, too
        self._why = candidate.finish_message or self._why
        for field in ("grounding_metadata", "url_context_metadata", "citation_metadata"):
            if told := getattr(candidate, field):
                self._about[field] = told

    def _add(self, part: dict[str, Any]) -> None:
        signature, text, call = string(part.get(_SIGNATURE)), part.get("text"), part.get("functionCall")
        if isinstance(call, dict):
            self._call(call, signature)
        elif isinstance(text, str) or part.keys() <= {"thought", _SIGNATURE}:
            self._say(Thinking if part.get("thought") else Text, string(text), signature)
        else:
            self._open = None
            self._draft.open(Text).vendor["part"] = part

    def _say(self, kind: type[Text] | type[Thinking], text: str, signature: str) -> None:
        """A signed part stays by itself: its signature is for just this text."""
        if not text and not signature:
            return
        words = self._open
        if words is None or words.kind is not kind or signature:
            words = self._draft.open(kind)
            if kind is Thinking:
                words.vendor["thought"] = True
        self._draft.add(words, text)
        if signature:
            words.vendor[_SIGNATURE] = signature
        self._open = None if signature else words

    def _call(self, said: dict[str, Any], signature: str) -> None:
        self._open = None
        vendor_id, name = string(said.get("id")), string(said.get("name")) or "unknown"
        arguments = json_text(said.get("args") or {})
        if vendor_id and (vendor_id, name, arguments) in self._made:
            return
        self._made.add((vendor_id, name, arguments))
        call = self._draft.open_call(vendor_id, name)
        call.arguments.append(arguments)
        call.vendor.update((key, value) for key, value in (("id", vendor_id), (_SIGNATURE, signature)) if value)
        self._draft.show(call)


def decode(body: bytes, origin: Origin) -> AssistantMessage:
    """The message of an answer that was not streamed, or of a stream that was sent as a list. Raises a ModelError."""
    try:
        found = _body.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    chunks = found if isinstance(found, list) else [found]
    if not any(chunk.candidates or chunk.prompt_feedback or chunk.error for chunk in chunks):
        raise unreadable(origin, body)
    decoder = Decoder(origin)
    for chunk in chunks:
        decoder.take(chunk)
    return decoder.finish("STOP")


class _Model(Struct, rename="camel"):
    name: str
    input_token_limit: int | None = None
    supported_generation_methods: list[str] | None = None


class _Models(Struct, rename="camel"):
    models: list[_Model] = []
    publisher_models: list[_Model] = []
    next_page_token: str = ""


def _authorize(credential: Credential, sent: Sent) -> Mapping[str, str]:
    return {"x-goog-api-key": credential.key.reveal()} if credential.key else {}


_WIRE = Wire(_authorize, version="v1beta")


class Gemini:
    """Google's models."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = server

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        mine = msgspec.structs.replace(request, messages=own(request.messages, self.name))
        method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
        path = f"/{_path(request.model)}:{method}"
        body = encode(mine, self._config)
        return self._server.converse(_WIRE, request.model, path, body, Decoder, decode, streamed=request.stream)

    async def models(self) -> list[ModelInfo]:
        found: list[_Model] = []
        token = ""
        for _ in range(_MOST_PAGES):
            page = f"&pageToken={quote(token, safe='')}" if token else ""
            listed = await self._server.get(_WIRE, f"/models?pageSize=1000{page}", _Models)
            found += listed.models + listed.publisher_models
            if not (token := listed.next_page_token):
                break
        return [
            ModelInfo(model.name.rpartition("/")[2], model.input_token_limit or _CONTEXT_TOKENS)
            for model in found
            if model.supported_generation_methods is None or "generateContent" in model.supported_generation_methods
        ]


def _path(model: str) -> str:
    """Where a model is: one of the vendor's own has no folder in its name."""
    return quote(model if "/" in model else f"models/{model}", safe="/-._~@")


EXTENSION = Gemini
