"""A server of models: where it is, with what it is asked, and how its answers are read."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from carapax.clock import Clock
from carapax.errors import ModelRejected, ModelUnauthorized, Unavailable
from carapax.events import Delta
from carapax.http import Http, NotReached, Response
from carapax.messages import AssistantMessage, Message
from carapax.models.credential import Credential, Credentials, Fixed
from carapax.models.dialect import told_apart
from carapax.models.refusal import BROKEN_JSON, Origin, failure, no_answer, unavailable
from carapax.models.sse import MAX_EVENT, ServerSentEvent, SseParser
from carapax.redaction import without_userinfo

T = TypeVar("T")

_ENDPOINTS = re.compile(
    r"/(chat/completions|completions|messages|responses|embeddings|models|api/chat|v2/chat|(web/)?search)$"
)

_LONGEST_ANSWER = 128 << 20  # ten times what the longest answers of today take as a stream

_LONGEST_REFUSAL = 1 << 20
_REFUSAL_S = 5

_DOCUMENT = re.compile(rb"\s*[{\[<]")


class StreamDecoder(Protocol):
    """Turns the events of a stream into deltas; `done` when the vendor has said all."""

    done: bool

    def feed(self, event: ServerSentEvent) -> list[Delta]: ...

    def finish(self) -> AssistantMessage: ...


def is_stream(response: Response, asked: bool) -> bool:
    """Whether to read an answer as a stream. Some servers cannot stream and some call their streams something else."""
    return asked and response.content_type not in ("application/json", "text/html")


class Framing(Protocol):
    """Cuts the bytes of a streamed answer into events. Raises Unavailable for what is too long or damaged."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]: ...

    def close(self) -> list[ServerSentEvent]: ...


class StreamReader:
    """Reads a streamed answer of at most `max_bytes` through a decoder; reading raises Unavailable for a longer one.

    `document` is what came when it was no stream but a document, such as an error under the wrong content type.
    """

    def __init__(
        self, response: Response, decoder: StreamDecoder, framing: Framing, max_bytes: int = _LONGEST_ANSWER
    ) -> None:
        self._response = response
        self._left = max_bytes
        self._decoder = decoder
        self._framing = framing
        self._ended = False
        self._unread: bytearray | None = bytearray()

    @property
    def document(self) -> bytes:
        return bytes(self._unread) if self._unread and _DOCUMENT.match(self._unread) else b""

    async def deltas(self) -> list[Delta] | None:
        """What came next, which may be nothing yet; None when the answer has ended."""
        if self._ended:
            return None
        chunk = b"" if self._decoder.done else await self._response.chunk()
        self._left -= len(chunk)
        if self._left < 0:
            raise Unavailable("the answer goes on and on")
        if chunk:
            events = self._framing.feed(chunk)
        else:
            self._ended = True
            await self._response.finish()
            events = self._framing.close()
        if self._unread is not None:
            self._unread += chunk
            if events or len(self._unread) > MAX_EVENT:
                self._unread = None
        return [delta for event in events for delta in self._decoder.feed(event)]


class Sent(Struct, frozen=True):
    """A request about to be sent, for whoever signs it."""

    method: str
    url: str
    body: bytes
    at: float


def bearer(credential: Credential, sent: Sent) -> Mapping[str, str]:
    """The headers of https://www.rfc-editor.org/rfc/rfc6750#section-2.1."""
    return {"Authorization": f"Bearer {credential.key.reveal()}"} if credential.key else {}


def keyed(header: str) -> Callable[[Credential, Sent], Mapping[str, str]]:
    """The key as it is, in a header of this name."""
    return lambda credential, sent: {header: credential.key.reveal()} if credential.key else {}


class Wire(Struct, frozen=True):
    """How the requests and answers of a dialect look on the way.

    authorize: headers that show who asks
    version: the part of an address that is added to one that names no version; empty for none
    framing: what cuts a streamed answer into events
    """

    authorize: Callable[[Credential, Sent], Mapping[str, str]] = bearer
    version: str = "v1"
    framing: Callable[[], Framing] = SseParser


@dataclass(frozen=True, slots=True)
class Server:
    """A server of models under the `name` it has in the configuration, and all that is needed to ask it.

    `base_url` may end with or without slash, with or without the version path. `connect_timeout_s` bounds reaching it,
    `idle_timeout_s` every silence, also before the first word.
    """

    name: str
    http: Http
    clock: Clock
    base_url: str = ""
    default_model: str = ""
    credentials: Credentials = field(default_factory=Fixed)
    connect_timeout_s: float = 10
    idle_timeout_s: float = 120

    async def converse(
        self,
        wire: Wire,
        model: str,
        path: str,
        body: object,
        decoder: Callable[[Origin], StreamDecoder],
        decode: Callable[[bytes, Origin], AssistantMessage],
        *,
        streamed: bool,
    ) -> AsyncGenerator[Delta | AssistantMessage, None]:
        """Ask for an answer, and yield its deltas and the whole message as a Provider does. Raises a ModelError."""
        async with self._ask(wire, model, path, msgspec.json.encode(body)) as (response, origin):
            if not is_stream(response, streamed):
                yield decode(await response.read(), origin)
                return
            decoding = decoder(origin)
            reader = StreamReader(response, decoding, wire.framing())
            while (deltas := await reader.deltas()) is not None:
                for delta in deltas:
                    yield delta
            yield decode(reader.document, origin) if reader.document else decoding.finish()

    async def ask(self, wire: Wire, model: str, path: str, body: object, decode: Callable[[bytes, Origin], T]) -> T:
        """POST a body, or GET where that is None, and have the answer decoded. Raises a ModelError."""
        encoded = None if body is None else msgspec.json.encode(body)
        async with self._ask(wire, model, path, encoded) as (response, origin):
            return decode(await response.read(_LONGEST_ANSWER), origin)

    async def get(self, wire: Wire, path: str, kind: type[T]) -> T:
        """GET what is described by `kind`. Raises a ModelError."""
        return await self._read(wire, path, None, kind)

    async def post(self, wire: Wire, model: str, path: str, body: object, kind: type[T]) -> T:
        """POST a body, and read the answer that is described by `kind`. Raises a ModelError."""
        return await self._read(wire, path, msgspec.json.encode(body), kind, model)

    async def _read(self, wire: Wire, path: str, body: bytes | None, kind: type[T], model: str = "") -> T:
        async with self._ask(wire, model or self.default_model, path, body) as (response, origin):
            answer = await response.read()
        try:
            return msgspec.json.decode(answer, type=kind, strict=False)
        except BROKEN_JSON:
            raise no_answer(origin, answer) from None

    @asynccontextmanager
    async def _ask(
        self, wire: Wire, model: str, path: str, body: bytes | None
    ) -> AsyncIterator[tuple[Response, Origin]]:
        """Yield the answer if it is a 200. A credential that is refused is renewed once, where that can be. Raises a
        ModelError for all else, also for what breaks while the answer is being read."""
        if {".", ".."} & set(path.partition("?")[0].split("/")):
            raise ModelRejected(f"{model!r} is no name of a model", "check it", vendor=self.name, model=model)
        credential = await self.credentials.get()
        origin = Origin(self.name, model, self.clock.new_id(), credential.key)
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(self._request(wire, path, body, credential))
                if response.status == 401 and (renewed := await self.credentials.renew(credential)):
                    origin = msgspec.structs.replace(origin, key=renewed.key)
                    response = await stack.enter_async_context(self._request(wire, path, body, renewed))
                if response.status != 200:
                    said = await response.beginning(_LONGEST_REFUSAL, _REFUSAL_S)
                    raise failure(origin, response.status, response.headers, said, self.clock.now())
                yield response, origin
            except Unavailable as error:
                asked = not isinstance(error, NotReached)
                raise unavailable(origin, error.message, error.hint, asked=asked) from error

    @asynccontextmanager
    async def _request(
        self, wire: Wire, path: str, body: bytes | None, credential: Credential
    ) -> AsyncIterator[Response]:
        base_url = self._base(credential)
        try:
            url = endpoint(base_url, path, wire.version)
        except ValueError:
            raise NotReached(f"{without_userinfo(base_url)} is not an address", "check the base_url") from None
        sent = Sent("GET" if body is None else "POST", url, body or b"", self.clock.now())
        headers = {"Content-Type": "application/json", **credential.headers, **wire.authorize(credential, sent)}
        async with self.http.request(
            sent.method,
            url,
            headers=headers,
            body=body,
            connect_timeout_s=self.connect_timeout_s,
            idle_timeout_s=self.idle_timeout_s,
        ) as response:
            yield response

    def _base(self, credential: Credential) -> str:
        base_url = credential.base_url or self.base_url
        if "{region}" in base_url and not credential.region:
            hint = "set AWS_REGION, or the region of its profile, or a base_url that names it"
            raise ModelUnauthorized(f"no region says where {self.name} is to be asked", hint, vendor=self.name)
        return base_url.replace("{region}", credential.region)


def own(messages: tuple[Message, ...], provider: str) -> tuple[Message, ...]:
    """The messages with what vendors want back, such as signatures, left only in answers of this provider: no vendor
    takes another's. Calls of different answers have different ids."""
    return tuple(
        _plain_parts(message) if isinstance(message, AssistantMessage) and message.provider != provider else message
        for message in told_apart(messages)
    )


def _plain_parts(message: AssistantMessage) -> AssistantMessage:
    if not any(part.vendor for part in message.parts):
        return message
    parts = tuple(msgspec.structs.replace(part, vendor={}) for part in message.parts)
    return msgspec.structs.replace(message, parts=parts)


def rooted(server: Server, versions: str) -> Server:
    """The server with an address that ends before the version path, which the regular expression `versions` matches:
    for a dialect whose endpoints do not all have the same."""
    parts = urlsplit(server.base_url.strip())
    path = re.sub(rf"/({versions})(/(chat(/completions)?|embed\w*|models|tags))?/*$", "", parts.path)
    return replace(server, base_url=urlunsplit(parts._replace(path=path)))


def endpoint(base_url: str, path: str, version: str = "v1") -> str:
    """The URL of an endpoint such as `/models`. A base URL may end with a slash, may leave out the version, may be that
    of another endpoint, and may have a query, which is kept; an `api-version` there is its version."""
    parts = urlsplit(base_url.strip())
    path, _, query = path.partition("?")
    base = _ENDPOINTS.sub("", parts.path.rstrip("/"))
    dated = "api-version=" in parts.query
    if dated and path == "/models":  # a deployment has one model, those of its resource are listed beside it
        base = re.sub(r"/deployments/[^/]+$", "", base)
    if version and not dated and not re.search(r"/v\d+[a-z]*\d*(/|$)", base, re.I):
        base += f"/{version}"
    asked = "&".join(part for part in (parts.query, query) if part)
    return urlunsplit((parts.scheme, parts.netloc, base + path, asked, ""))
