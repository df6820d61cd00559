"""Amazon Bedrock's Converse API, one language for the models of many makers.

The format: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import re
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from carapax.errors import ModelError
from carapax.events import Delta
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
    UserMessage,
)
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
from carapax.models.eventstream import EventStreamParser
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
from carapax.models.server import Server, Wire, own
from carapax.models.sigv4 import authorize
from carapax.models.sse import ServerSentEvent

_WIRE = Wire(authorize, version="", framing=EventStreamParser)
_TOOL_ID = r"[a-zA-Z0-9_.:-]{1,64}"
_CLAUDE_TOOL_ID = r"[a-zA-Z0-9_-]{1,64}"
_CACHE_POINT = {"cachePoint": {"type": "default"}}
_BUDGETS: dict[Effort, int] = {"low": 2_048, "medium": 8_192, "high": 24_576}
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_STOPS: dict[str, StopReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "filtered",
    "content_filtered": "filtered",
}
_EXCEPTIONS = {"validationException": 400, "throttlingException": 429, "modelStreamErrorException": 424}
_MALFORMED = ("malformed_model_output", "malformed_tool_use")

Knob = Literal["budget", "adaptive", "reasoning", "reasoning_effort", "reasoning_config", "reasoningConfig"]


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The models at Bedrock, by patterns of their names.

    cached_models: those that take marks of what to keep in the prompt cache
    knobs: how models are told to think: Anthropic's "budget" of tokens or "adaptive" effort, the fields
        "reasoning_effort" and "reasoning" of OpenAI's, "reasoning_config" of Qwen's and others, "reasoningConfig" of
        Amazon's; the first pattern that fits counts, and without one nothing is said
    json_results: those that take results of tools only as JSON
    results_apart: those that take nothing else in a message with results of tools
    results_unrated: those that are not told whether a call went wrong
    whole_with_tools: those that cannot stream when they have tools; their answers come whole
    """

    cached_models: tuple[str, ...] = ()
    knobs: dict[str, Knob] = {}
    json_results: tuple[str, ...] = ()
    results_apart: tuple[str, ...] = ()
    results_unrated: tuple[str, ...] = ()
    whole_with_tools: tuple[str, ...] = ()


def encode(request: ModelRequest, config: Config) -> dict[str, Any]:
    """The body of a request; the model is named in its path."""
    messages = _merged(request, config)
    body: dict[str, Any] = {"messages": messages}
    if request.system:
        body["system"] = [{"text": request.system}]
    if tools := request.tools or _tools_called(request.messages):
        body["toolConfig"] = {"tools": [_tool(tool) for tool in tools]}
    limits = {"maxTokens": request.max_output_tokens, "temperature": request.temperature}
    if told := {name: value for name, value in limits.items() if value is not None}:
        body["inferenceConfig"] = told
    _think(body, request, config)
    if is_one_of(request.model, config.cached_models):
        _mark(body, after_results=_is_claude(request.model))
    return body


def _is_claude(model: str) -> bool:
    return "anthropic." in model


def _tool(tool: ToolSpec) -> dict[str, Any]:
    description = {"description": tool.description} if tool.description else {}
    return {"toolSpec": {"name": tool.name, **description, "inputSchema": {"json": tool.parameters}}}


def _tools_called(messages: tuple[Message, ...]) -> list[ToolSpec]:
    """The vendor refuses a conversation with calls of tools that are not declared."""
    calls = (call for message in messages if isinstance(message, AssistantMessage) for call in message.tool_calls)
    names = dict.fromkeys(fitting_name(call.name) for call in calls)
    return [ToolSpec(name, "No longer there.", {"type": "object", "properties": {}}) for name in names]


def _think(body: dict[str, Any], request: ModelRequest, config: Config) -> None:
    knob = told_of(request.model, config.knobs)
    effort = request.effort
    fields: dict[str, Any] = {}
    if knob in ("budget", "adaptive"):
        if effort != "off" and _may_think(body["messages"]):
            fields = _claude_thinks(body, effort, adaptive=knob == "adaptive")
    elif knob == "reasoning_effort":
        fields = {"reasoning_effort": "low" if effort == "off" else effort}
    elif effort == "off":
        return
    elif knob == "reasoning":
        fields = {"reasoning": {"effort": effort}}
    elif knob == "reasoning_config":
        fields = {"reasoning_config": effort}
    elif knob == "reasoningConfig":
        # The highest effort is refused beside a limit of tokens or a temperature.
        at_most = "medium" if effort == "high" and "inferenceConfig" in body else effort
        fields = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": at_most}}
    if fields:
        body["additionalModelRequestFields"] = fields


def _claude_thinks(body: dict[str, Any], effort: Effort, *, adaptive: bool) -> dict[str, Any]:
    """Temperature is left out: it cannot be set together with thinking."""
    limits = body.get("inferenceConfig", {})
    limits.pop("temperature", None)
    if adaptive:
        return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": effort}}
    if "maxTokens" in limits:
        limits["maxTokens"] += _BUDGETS[effort]
    return {"thinking": {"type": "enabled", "budget_tokens": _BUDGETS[effort]}}


def _may_think(messages: list[dict[str, Any]]) -> bool:
    """A turn that was begun without thoughts, and waits for results of tools, cannot be gone on with by thinking."""
    begun: dict[str, Any] | None = None
    for message in reversed(messages):
        if message["role"] == "assistant":
            begun = message
        elif not _has_result(message):
            break
    return begun is None or "reasoningContent" in begun["content"][0]


def _has_result(message: dict[str, Any]) -> bool:
    return any("toolResult" in block for block in message["content"])


def _mark(body: dict[str, Any], *, after_results: bool) -> None:
    """What comes before a mark is cached: tools and system text, and the conversation so far, or as far as to the last
    message whose end may be marked."""
    if "system" in body:
        body["system"].append(_CACHE_POINT)
    for message in reversed(body["messages"]):
        if message["role"] == "user" and (after_results or "toolResult" not in message["content"][-1]):
            message["content"].append(_CACHE_POINT)
            break


def _merged(request: ModelRequest, config: Config) -> list[dict[str, Any]]:
    """Messages with the roles in turn: neighbours of the same role become one, empty ones none."""
    merged: list[dict[str, Any]] = []
    documents: Counter[str] = Counter()
    apart = is_one_of(request.model, config.results_apart)
    for message in request.messages:
        role = "assistant" if isinstance(message, AssistantMessage) else "user"
        blocks = _blocks(message, request.model, config, documents)
        if apart and isinstance(message, UserMessage) and blocks and merged and _has_result(merged[-1]):
            merged.append({"role": "assistant", "content": [{"text": "."}]})
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        elif blocks:
            merged.append({"role": role, "content": blocks})
    return merged


def _blocks(message: Message, model: str, config: Config, documents: Counter[str]) -> list[dict[str, Any]]:
    tool_id = _CLAUDE_TOOL_ID if _is_claude(model) else _TOOL_ID
    if isinstance(message, AssistantMessage):
        same = message.model == model
        return [block for part in message.parts if (block := _block(part, tool_id, same_model=same))]
    if isinstance(message, ToolResult):
        return [{"toolResult": _result(message, tool_id, model, config)}]
    return _said(message, documents)


def _said(message: UserMessage, documents: Counter[str]) -> list[dict[str, Any]]:
    """Files come before the text; a message with a document must have one."""
    blocks = [_attached(attachment, documents) for attachment in message.attachments]
    if message.text.strip():
        blocks.append({"text": message.text})
    elif any("document" in block for block in blocks):
        blocks.append({"text": ", ".join(attachment.name for attachment in message.attachments)})
    return blocks


def _attached(attachment: Attachment, documents: Counter[str]) -> dict[str, Any]:
    source = {"bytes": b64encode(attachment.data).decode()}
    if image := _IMAGES.get(attachment.media_type):
        return {"image": {"format": image, "source": source}}
    if document := _DOCUMENTS.get(attachment.media_type):
        return {"document": {"name": _document_name(attachment.name, documents), "format": document, "source": source}}
    return {"text": f"[{attachment.name}, {attachment.media_type}: not shown]"}


def _document_name(name: str, documents: Counter[str]) -> str:
    """The vendor takes few characters, no two spaces beside each other, and no name twice."""
    fitting = (
        " ".join(re.sub(r"[^a-zA-Z0-9\s()\[\]-]", " ", name.rpartition(".")[0] or name).split())[:180] or "document"
    )
    documents[fitting] += 1
    return fitting if documents[fitting] == 1 else f"{fitting} [{documents[fitting]}]"


def _block(part: Part, tool_id: str, *, same_model: bool) -> dict[str, Any] | None:
    """None for what the vendor refuses: empty text, thoughts that are not signed or are another model's."""
    vendor = part.vendor if same_model else {}
    if isinstance(part, Text):
        if "block" in vendor:
            return dict(vendor["block"])
        if not part.text.strip():
            return None
        if "citations" in vendor:
            return {"citationsContent": {"content": [{"text": part.text}], "citations": vendor["citations"]}}
        return {"text": part.text}
    if isinstance(part, Thinking):
        if "redacted" in vendor:
            return {"reasoningContent": {"redactedContent": vendor["redacted"]}}
        signature = vendor.get("signature")
        return (
            {"reasoningContent": {"reasoningText": {"text": part.text, "signature": signature}}} if signature else None
        )
    use = {"toolUseId": fitting_id(part.id, tool_id), "name": fitting_name(part.name), "input": arguments_object(part)}
    return {"toolUse": use}


def _result(result: ToolResult, tool_id: str, model: str, config: Config) -> dict[str, Any]:
    said = result.text if result.text.strip() else "(nothing)"
    content = {"json": {"result": said}} if is_one_of(model, config.json_results) else {"text": said}
    told: dict[str, Any] = {"toolUseId": fitting_id(result.call_id, tool_id), "content": [content]}
    if not is_one_of(model, config.results_unrated):
        told["status"] = "error" if result.is_error else "success"
    return told


class _Usage(Struct):
    inputTokens: int | None = None
    outputTokens: int | None = None
    cacheReadInputTokens: int | None = None
    cacheWriteInputTokens: int | None = None

    def read(self) -> Usage:
        cached, written = tokens(self.cacheReadInputTokens), tokens(self.cacheWriteInputTokens)
        return Usage(
            input=tokens(self.inputTokens) + cached + written,
            output=tokens(self.outputTokens),
            cache_read=cached,
            cache_write=written,
        )


class _Reasoning(Struct):
    """A piece of thoughts in a stream, or all of them in `reasoningText`."""

    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None
    reasoningText: "_Reasoning | None" = None


class _Delta(Struct):
    text: str | None = None
    reasoningContent: _Reasoning | None = None
    citation: dict[str, Any] | None = None
    toolUse: dict[str, Any] | None = None
    toolResult: Any = None


class _Event(Struct):
    contentBlockIndex: int = 0
    start: dict[str, Any] | None = None
    delta: _Delta | None = None
    stopReason: str | None = None
    usage: Any = None


class _Content(Struct):
    content: list[dict[str, Any]]


class _Output(Struct):
    message: _Content


class _Answer(Struct):
    output: _Output | None = None
    stopReason: str | None = None
    usage: Any = None


_event = msgspec.json.Decoder(_Event, strict=False)
_answer = msgspec.json.Decoder(_Answer, strict=False)


class _Foreign:
    """A block we have no part for, such as a tool that ran at the vendor's: kept to be sent back."""

    def __init__(self, kind: str, told: dict[str, Any], words: Words) -> None:
        self._told = told
        self._input: list[str] = []
        words.vendor["block"] = {kind: told}

    def add(self, delta: _Delta) -> None:
        if delta.toolUse and isinstance(piece := delta.toolUse.get("input"), str):
            self._input.append(piece)
        if isinstance(delta.toolResult, list):
            content = self._told.get("content")
            if not isinstance(content, list):
                content = self._told["content"] = []
            content += delta.toolResult

    def close(self) -> None:
        if self._input:
            try:
                self._told["input"] = msgspec.json.decode("".join(self._input))
            except BROKEN_JSON:
                self._told["input"] = {}


class Decoder:
    """Fed with the events of one stream, it gives deltas, and the whole message at the end.

    `done` says that the vendor has said all, even if the connection stays open.
    """

    def __init__(self, origin: Origin) -> None:
        self.done = False
        self._origin = origin
        self._draft = Draft(origin.id)
        self._blocks: dict[int, Words | Call | _Foreign] = {}
        self._usage = Usage()
        self._counted = False
        self._stop = ""

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Raises a ModelError for an error that came instead of an answer, and for what cannot be read."""
        if event.event == "error":
            raise _failure(self._origin, event.data)
        if not event.data.strip():
            return []
        try:
            said = _event.decode(event.data)
        except BROKEN_JSON:
            raise no_answer(self._origin, event.data) from None
        if said.delta:
            self._add(said.contentBlockIndex, said.delta)
        elif said.start:
            self._start(said.contentBlockIndex, said.start)
        elif event.event == "contentBlockStop":
            self._end(said.contentBlockIndex)
        else:
            self._about(said.stopReason, said.usage)
        return self._draft.take_deltas()

    def whole(self, answer: _Answer, content: list[dict[str, Any]]) -> AssistantMessage:
        """The same of an answer that was not streamed."""
        for index, block in enumerate(content):
            self._take(index, block)
            self._end(index)
        self._about(answer.stopReason, answer.usage)
        self._stop = self._stop or "end_turn"
        return self.finish()

    def finish(self) -> AssistantMessage:
        """The whole message. Raises ModelUnavailable when the stream broke off before the model was finished, and when
        the model wrote what the vendor could not read."""
        if not self._stop:
            raise unavailable(self._origin, "the answer broke off before its end")
        if self._stop in _MALFORMED:
            raise unavailable(
                self._origin, f"the vendor could not read what the model wrote: {self._stop}", "try again"
            )
        self._end_all()
        message = AssistantMessage(
            parts=tuple(self._draft.parts()),
            stop_reason=_STOPS.get(self._stop) or ("tool_calls" if self._draft.calls else "end"),
            usage=self._usage,
            provider=self._origin.provider,
            model=self._origin.model,
            stop_detail=self._stop,
        )
        return storable(self._origin, message)

    def _about(self, stop: str | None, usage: object) -> None:
        if stop:
            self._stop = stop
            self._end_all()
        if usage:
            self._counted = True
            with suppress(msgspec.ValidationError):  # an answer is not lost for its counts
                self._usage = msgspec.convert(usage, _Usage, strict=False).read()
        self.done = self._counted and bool(self._stop)

    def _take(self, index: int, block: dict[str, Any]) -> None:
        """A block of an answer that was not streamed."""
        cited = block.get("citationsContent")
        if isinstance(cited, dict):
            words = self._draft.open(Text)
            pieces = cited.get("content")
            for piece in pieces if isinstance(pieces, list) else ():
                self._draft.add(words, string(piece.get("text")) if isinstance(piece, dict) else "")
            words.vendor["citations"] = cited.get("citations") or []
        elif "text" in block or "reasoningContent" in block:
            try:
                self._add(index, msgspec.convert(block, _Delta, strict=False))
            except msgspec.ValidationError:
                raise unreadable(self._origin, json_text(block)) from None
        else:
            self._start(index, block)

    def _start(self, index: int, start: dict[str, Any]) -> None:
        if index in self._blocks:
            return  # said twice: a call must not become two
        use = start.get("toolUse")
        if isinstance(use, dict) and use.get("type") != "server_tool_use":
            call = self._draft.open_call(string(use.get("toolUseId")), string(use.get("name")) or "unknown")
            if use.get("input"):
                call.arguments.append(json_text(use["input"]))
            self._draft.show(call)
            self._blocks[index] = call
        else:
            kind, told = next(iter(start.items()), ("", None))
            if isinstance(told, dict):
                self._blocks[index] = _Foreign(kind, told, self._draft.open(Text))

    def _add(self, index: int, delta: _Delta) -> None:
        part = self._blocks.get(index)
        if isinstance(part, Call):
            if delta.toolUse and (piece := string(delta.toolUse.get("input"))):
                part.arguments.append(piece)
                self._draft.show(part)
        elif isinstance(part, _Foreign):
            part.add(delta)
        elif delta.reasoningContent:
            self._think(index, delta.reasoningContent)
        elif delta.text is not None:
            self._draft.add(self._words(index, Text), delta.text)
        elif delta.citation:
            self._words(index, Text).vendor.setdefault("citations", []).append(delta.citation)

    def _think(self, index: int, said: _Reasoning) -> None:
        words = self._words(index, Thinking)
        told = said.reasoningText or said
        self._draft.add(words, told.text or "")
        if told.signature:
            words.vendor["signature"] = told.signature
        if said.redactedContent:
            words.vendor["redacted"] = said.redactedContent

    def _words(self, index: int, kind: type[Text] | type[Thinking]) -> Words:
        words = self._blocks.get(index)
        if not isinstance(words, Words) or words.kind is not kind:
            self._blocks[index] = words = self._draft.open(kind)
        return words

    def _end_all(self) -> None:
        for index in list(self._blocks):
            self._end(index)

    def _end(self, index: int) -> None:
        part = self._blocks.pop(index, None)
        if isinstance(part, _Foreign):
            part.close()
        elif isinstance(part, Call) and not part.text:
            part.arguments.append("{}")
            self._draft.show(part)


def _failure(origin: Origin, data: str) -> ModelError:
    """The exception for an error in a stream, whose kind is told there by its name, not by a status."""
    try:
        error = as_error(msgspec.json.decode(data)) or VendorError(data)
    except BROKEN_JSON:
        error = VendorError(data)
    return refusal(origin, msgspec.structs.replace(error, status=_EXCEPTIONS.get(error.code, error.status)))


def decode(body: bytes, origin: Origin) -> AssistantMessage:
    """The message of an answer that was not streamed. Raises a ModelError."""
    try:
        answer = _answer.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    if answer.output is None:
        raise no_answer(origin, body)
    return Decoder(origin).whole(answer, answer.output.message.content)


class _Model(Struct):
    modelId: str
    outputModalities: tuple[str, ...] = ()
    inferenceTypesSupported: tuple[str, ...] = ()


class _Models(Struct):
    modelSummaries: list[_Model]


class _Member(Struct):
    modelArn: str = ""


class _Profile(Struct):
    inferenceProfileId: str
    models: tuple[_Member, ...] = ()


class _Profiles(Struct):
    inferenceProfileSummaries: list[_Profile]


class Bedrock:
    """The models of Amazon Bedrock in one region."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = server
        self._catalogue = replace(server, base_url=server.base_url.replace("//bedrock-runtime", "//bedrock", 1))

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        mine = msgspec.structs.replace(request, messages=own(request.messages, self.name))
        body = encode(mine, self._config)
        whole = "toolConfig" in body and is_one_of(request.model, self._config.whole_with_tools)
        streamed = request.stream and not whole
        # A colon stays as it is: a client may write it so in any case, and what is signed must be what is sent.
        path = f"/model/{quote(request.model, safe=':')}/converse{'-stream' if streamed else ''}"
        return self._server.converse(_WIRE, request.model, path, body, Decoder, decode, streamed=streamed)

    async def models(self) -> list[ModelInfo]:
        """The models for conversation that can be asked by their own name, and the inference profiles of all."""
        models = (await self._catalogue.get(_WIRE, "/foundation-models", _Models)).modelSummaries
        profiles = await self._catalogue.get(_WIRE, "/inference-profiles?maxResults=1000", _Profiles)
        talking = {model.modelId: model for model in models if "TEXT" in model.outputModalities}
        names = [name for name, model in talking.items() if "ON_DEMAND" in model.inferenceTypesSupported]
        for profile in profiles.inferenceProfileSummaries:
            if any(member.modelArn.rpartition("/")[2] in talking for member in profile.models):
                names.append(profile.inferenceProfileId)
        return [ModelInfo(name) for name in names]


EXTENSION = Bedrock
