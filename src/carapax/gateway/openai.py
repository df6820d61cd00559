"""Agents as models of the Chat Completions API, for clients that are written for it.

The model `carapax` is the default agent, `carapax/NAME` any other, and `PROVIDER/MODEL` the default agent with that
model. A request stands for itself: its last user message
is what the agent is asked, in a new session, with the caller's messages before it quoted. Answers and results of tools
among those may hold words of anybody: with them the conversation comes as a file, which gives no orders. With a `user`
in the body, or with the header `X-Carapax-Session`, the session goes on instead, and only the last user message is
read. Sampling fields
are the agent's own business and are not read; a client's own `tools`, pictures and several choices are refused.
"""

import asyncio
from base64 import b64decode
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from aiohttp import web
from msgspec import Struct

from carapax.agent.attached import LONGEST_TEXT, MOST_BYTES
from carapax.api.reply import Answering, follow
from carapax.api.services import Services
from carapax.errors import CarapaxError, InvalidRequest, NotFound, Unavailable
from carapax.events import Envelope
from carapax.gateway.completion import Answer
from carapax.gateway.errors import MethodNotAllowed, kind_of, problem
from carapax.gateway.responses import error_headers, respond, respond_json
from carapax.gateway.rest import read_json
from carapax.gateway.sse import open_stream, pulse
from carapax.messages import Attachment, Inbound, Receipt
from carapax.store.files import attachment
from carapax.store.halt import REMEDY

PREFIX = "/v1/"
COMPLETIONS, MODELS, EMBEDDINGS = "/v1/chat/completions", "/v1/models", "/v1/embeddings"
OPERATION = {COMPLETIONS: "session.message", EMBEDDINGS: "session.message", MODELS: "agent.list"}
"""The operation that each path is another form of, or as good as, and whose scope it needs."""
EARLIER = "earlier messages.txt"
SESSION_HEADER = "X-Carapax-Session"
_encode = msgspec.json.Encoder().encode
_OWN = ("system", "developer", "user")
"""Whose messages are the caller's own words."""
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


class ImageUrl(Struct, frozen=True):
    url: str


class FilePart(Struct, frozen=True):
    file_data: str = ""
    filename: str = ""


class ContentPart(Struct, frozen=True):
    type: str
    text: str = ""
    image_url: ImageUrl | None = None
    file: FilePart | None = None


class ChatMessage(Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None


class StreamOptions(Struct, frozen=True):
    include_usage: bool = False


class ChatRequest(Struct, frozen=True):
    """What is read of a request; other fields have no meaning for an agent."""

    model: str
    messages: list[ChatMessage]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    user: str | None = None
    n: int | None = 1
    tools: list[Any] | None = None


class ModelEntry(Struct, frozen=True):
    id: str
    created: int
    object: str = "model"
    owned_by: str = "carapax"


class ModelList(Struct, frozen=True):
    data: list[ModelEntry]
    object: str = "list"


class ErrorBody(Struct, frozen=True):
    message: str
    type: str
    code: str
    param: str | None = None


class ErrorReply(Struct, frozen=True):
    error: ErrorBody


def serves(path: str) -> bool:
    return path.startswith(PREFIX)


def operation_of(request: web.BaseRequest) -> str:
    """The operation whose scope a request needs. Raises NotFound, MethodNotAllowed."""
    if request.path not in OPERATION:
        raise NotFound(f"there is nothing at {request.path}", f"there are {', '.join(OPERATION)}")
    method = "GET" if request.path == MODELS else "POST"
    if request.method != method:
        raise MethodNotAllowed(f"{request.method} is not for {request.path}", (method,))
    return OPERATION[request.path]


def refusal(error: CarapaxError) -> web.Response:
    """An error in the shape that clients of this API read."""
    return respond(_error(error), problem(error).status, headers=error_headers(error))


async def respond_models(services: Services) -> web.Response:
    """The agents, the default first under the short name."""
    created = int(services.started_at)
    names = ["carapax", *(f"carapax/{agent.name}" for agent in services.sessions.agents())]
    return respond_json(ModelList([ModelEntry(name, created) for name in names]))


async def respond_completion(request: web.BaseRequest, services: Services) -> web.StreamResponse:
    """Ask an agent and answer with what it says, as it says it or as a whole. A caller that leaves stops the run."""
    limits = services.config.limits
    asked = _read(
        await read_json(request, limits, limits.body_bytes + min(limits.attachment_bytes, MOST_BYTES) * 4 // 3)
    )
    name, model = _who(asked.model)
    agent = services.sessions.agent(name).name
    session = request.headers.get(SESSION_HEADER, "")
    inbound = _inbound(request, services, asked, agent)
    if stop := services.sessions.stopped:
        raise Unavailable(stop.told(), REMEDY)
    receipt = await services.sessions.submit(inbound, session=session, agent=agent, model=model)
    answering = Answering(receipt.message)
    answer = Answer(f"chatcmpl-{receipt.message}", int(services.clock.now()), asked.model, receipt.session)
    try:
        if asked.stream:
            return await _stream(request, services, asked, receipt, answering, answer)
        return await _whole(services, receipt, answering, answer)
    finally:
        if not answering.done():
            await _abandon(services, receipt, answering, goes_on=bool(session or asked.user))


async def _whole(services: Services, receipt: Receipt, answering: Answering, answer: Answer) -> web.Response:
    async for envelope in follow(services.journal, receipt, answering):
        if _is_ours(envelope, answering):
            answer.feed(envelope)
    response = respond_json(answer.whole(answering.usage))
    response.headers[SESSION_HEADER] = receipt.session
    return response


async def _stream(
    request: web.BaseRequest,
    services: Services,
    asked: ChatRequest,
    receipt: Receipt,
    answering: Answering,
    answer: Answer,
) -> web.StreamResponse:
    response = await open_stream(request, {SESSION_HEADER: receipt.session})
    async with asyncio.TaskGroup() as group:
        beat = group.create_task(pulse(response))
        try:
            await response.write(_data(answer.begin()))
            async for envelope in follow(services.journal, receipt, answering):
                if _is_ours(envelope, answering):
                    for chunk in answer.feed(envelope):
                        await response.write(_data(chunk))
            await response.write(_data(answer.end()))
            if asked.stream_options is not None and asked.stream_options.include_usage:
                await response.write(_data(answer.usage_chunk(answering.usage)))
            await response.write(b"data: [DONE]\n\n")
        except CarapaxError as error:
            await response.write(b"data: " + _error(error) + b"\n\n")
        except ConnectionError:
            pass
        finally:
            beat.cancel()
    return response


async def _abandon(services: Services, receipt: Receipt, answering: Answering, *, goes_on: bool) -> None:
    """Stop what nobody waits for any more; a session that was made for this request ends with it."""
    if not goes_on:
        await services.sessions.end(receipt.session, "the caller went away")
    elif answering.run:
        await services.sessions.cancel(receipt.session)


def _read(body: dict[str, object]) -> ChatRequest:
    try:
        asked = msgspec.convert(body, ChatRequest)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from error
    if asked.tools:
        raise InvalidRequest("tools: an agent uses its own tools", "leave out tools")
    if asked.n not in (1, None):
        raise InvalidRequest("n: an agent gives one answer", "leave out n")
    if not asked.messages or asked.messages[-1].role != "user":
        raise InvalidRequest("messages: the last one must be of the user")
    return asked


def _who(model: str) -> tuple[str, str]:
    """The agent that is meant, and the model that is to answer for it; either may be the default, which is empty."""
    product, slash, name = model.partition("/")
    if slash and product != "carapax":
        return "", model
    if product != "carapax" or (slash and not name):
        raise NotFound(f"there is no model {model!r}", 'GET /v1/models lists them; others are "provider/model"')
    return name, ""


def _inbound(request: web.BaseRequest, services: Services, asked: ChatRequest, agent: str) -> Inbound:
    caller = services.caller
    conversation = f"openai/{caller.id}/{agent}/{asked.user}" if asked.user else ""
    alone = not asked.user and SESSION_HEADER not in request.headers
    key = request.headers.get("Idempotency-Key")
    read = asked.messages if alone else asked.messages[-1:]
    return Inbound(
        "api",
        conversation,
        caller.sender(),
        _text(read),
        dedupe_key=f"openai/{key}" if key else None,
        attachments=(*_earlier(read), *_files(read, services.config.limits.attachment_bytes)),
    )


def _files(messages: list[ChatMessage], longest: int) -> tuple[Attachment, ...]:
    """The images and files in messages, which must stand in them as data URIs (RFC 2397) in base64."""
    found: list[Attachment] = []
    for message in messages:
        for part in message.content if isinstance(message.content, list) else ():
            url = part.image_url.url if part.image_url else part.file.file_data if part.file else ""
            if part.type in ("image_url", "file"):
                found.append(_file(url, part.file.filename if part.file else "", longest))
    return tuple(found)


def _file(url: str, name: str, longest: int) -> Attachment:
    kind, comma, encoded = url.removeprefix("data:").partition(",")
    if not url.startswith("data:") or not comma or not kind.endswith(";base64"):
        raise InvalidRequest("messages: a file must be a data URI in base64", "send the file itself, not its address")
    try:
        data = b64decode(encoded, validate=True)
    except ValueError as error:
        raise InvalidRequest(f"messages: a file is not base64: {error}") from error
    if not data or len(data) > longest:
        raise InvalidRequest(f"messages: a file has {len(data)} bytes; it must have 1 to {longest}")
    return attachment(name, data, kind.removesuffix(";base64"))


def _text(messages: list[ChatMessage]) -> str:
    """The last message, after a quotation of the caller's own before it."""
    *earlier, last = messages
    lines = _said(message for message in earlier if message.role in _OWN).splitlines()
    if not lines:
        return _content(last)
    quoted = "\n".join(f"> {line}" for line in lines)
    return f"Earlier in this conversation:\n{quoted}\n\n{_content(last)}"


def _earlier(messages: list[ChatMessage]) -> tuple[Attachment, ...]:
    """The conversation before the last message, as a file, where others than the caller take part in it. Of a long one
    only the end, as much as models are shown of a file."""
    if all(message.role in _OWN for message in messages):
        return ()
    said = _said(messages[:-1]).encode(errors="replace")
    return (attachment(EARLIER, said[-LONGEST_TEXT:], "text/plain"),)


def _said(messages: Iterable[ChatMessage]) -> str:
    return "\n".join(f"{message.role}: {_content(message)}" for message in messages)


def _content(message: ChatMessage) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    for part in message.content:
        if part.type not in ("text", "image_url", "file"):
            raise InvalidRequest(f"messages: a part of type {part.type!r} cannot be read", "send text, images or files")
    return "".join(part.text for part in message.content)


def _is_ours(envelope: Envelope, answering: Answering) -> bool:
    return bool(answering.run) and envelope.run == answering.run


def _data(value: Struct) -> bytes:
    return b"data: " + _encode(value) + b"\n\n"


def _error(error: CarapaxError) -> bytes:
    told = problem(error)
    kind = _TYPES.get(told.status, "rate_limit_error" if told.status == 429 else "api_error")
    return _encode(ErrorReply(ErrorBody(str(error), kind, kind_of(error))))
