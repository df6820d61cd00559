import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from carapax.errors import ModelBusy, ModelError, ModelRejected, ModelUnauthorized, ModelUnavailable, Unavailable
from carapax.events import Delta, TextDelta
from carapax.http import Http
from carapax.messages import AssistantMessage, ModelRequest, Text, ToolCall, ToolResult, UserMessage
from carapax.models.refusal import Origin
from carapax.models.server import Server, StreamReader, endpoint, own, rooted
from carapax.models.sse import ServerSentEvent, SseParser
from carapax.providers import anthropic, bedrock, gemini, openai_chat
from carapax.redaction import Secret
from carapax.testing import FakeClock
from tests.running import run

ORIGIN = Origin("vendor", "model-1", key=Secret("sk-verysecretkey12345"))


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.example", "https://api.example/v1/models"),
        ("https://api.example/", "https://api.example/v1/models"),
        ("https://api.example/v1", "https://api.example/v1/models"),
        ("https://api.example/v1/", "https://api.example/v1/models"),
        ("https://api.example/proxy/", "https://api.example/proxy/v1/models"),
        ("https://api.example/api/paas/v4", "https://api.example/api/paas/v4/models"),
        ("https://api.example/v1beta/openai/", "https://api.example/v1beta/openai/models"),
        ("https://api.example/vendor/v3/openai", "https://api.example/vendor/v3/openai/models"),
        ("https://v1.example", "https://v1.example/v1/models"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/models"),
        ("https://api.example/v1/models", "https://api.example/v1/models"),
        (
            "https://r.example/openai/deployments/d/chat/completions?api-version=2024-10-21",
            "https://r.example/openai/models?api-version=2024-10-21",
        ),
    ],
)
def test_only_what_is_missing_is_added_to_a_base_url(base_url: str, url: str) -> None:
    assert endpoint(base_url, "/models") == url


class _Countless:
    """A decoder that makes something of every event and never ends."""

    done = False

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        return [TextDelta(event.data)]

    def finish(self) -> AssistantMessage:
        return AssistantMessage(())


def test_an_answer_without_end_is_given_up() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"data: more\n\n")
                await writer.drain()
        writer.close()

    async def main() -> int:
        came = 0
        async with (
            await asyncio.start_server(endless, "127.0.0.1") as server,
            Http() as http,
            http.request("GET", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as response,
        ):
            reader = StreamReader(response, _Countless(), SseParser(), max_bytes=1200)
            with pytest.raises(Unavailable, match="on and on"):
                while (deltas := await reader.deltas()) is not None:
                    came += len(deltas)
        return came

    assert run(main()) <= 100


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        ("http://host:1", "http://host:1"),
        ("http://host:1/api", "http://host:1"),
        ("http://host:1/v1/", "http://host:1"),
        (" http://host:1/api/chat ", "http://host:1"),
        ("http://host:1/v1/chat/completions", "http://host:1"),
        ("https://host/v1/proxy/api", "https://host/v1/proxy"),
        ("https://host/api/proxy/?a=b", "https://host/api/proxy/?a=b"),
        ("https://host/apis", "https://host/apis"),
    ],
)
def test_an_address_ends_before_its_version_for_dialects_that_add_their_own(base_url: str, root: str) -> None:
    assert rooted(Server("a", Http(), FakeClock(), base_url), "api|v1").base_url == root


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """The address of a server that says just this to each request, and then nothing more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            if b"Content-Length" in answer:
                await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def ask(answer: bytes) -> AssistantMessage | ModelError:
    """What becomes of a stream that is asked for, and answered like this."""

    async def main() -> AssistantMessage | ModelError:
        async with answering(answer) as url, Http() as http:
            provider = openai_chat.OpenAIChat(openai_chat.Config(), Server("a", http, FakeClock(), url))
            try:
                async for item in provider.stream(ModelRequest("m", (UserMessage("Hi"),))):
                    if isinstance(item, AssistantMessage):
                        return item
            except ModelError as error:
                return error
        raise AssertionError

    return run(main())


def head(status: str = "200 OK", kind: str = "text/event-stream", **headers: str) -> bytes:
    told = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return "\r\n".join([f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in told.items()), "", ""]).encode()


@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain", "application/problem+json"])
@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        (b'{"error": {"message": "no such key", "code": "invalid_api_key"}}', ModelUnauthorized, "no such key"),
        (b'\n{\n "error": {\n  "message": "slow down",\n  "code": 429\n }\n}\n', ModelBusy, "slow down"),
        (b'[{"error": {"message": "slow down", "code": 429}}]', ModelBusy, "slow down"),
        (b"<!doctype html><html><title>Sign in</title></html>", ModelUnavailable, "an HTML page"),
        (b": ping\n\n", ModelUnavailable, "no answer came"),
        (b"", ModelUnavailable, "no answer came"),
    ],
)
def test_a_stream_that_is_a_document_says_what_the_document_says(
    kind: str, document: bytes, error: type[ModelError], words: str
) -> None:
    answer = ask(head(kind=kind) + document)
    assert isinstance(answer, error)
    assert words in answer.message


def test_an_answer_may_come_whole_though_a_stream_was_asked_for() -> None:
    whole = b'{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}'
    answer = ask(head(kind="text/plain") + whole)
    assert isinstance(answer, AssistantMessage)
    assert answer.text == "Hello"


def test_a_refusal_whose_words_are_cut_is_still_one() -> None:
    cut = b'{"error": {"message": "slow do'
    answer = ask(
        head("429 Too Many", "application/json", Retry_After="7", Transfer_Encoding="chunked") + b"ff\r\n" + cut
    )
    assert isinstance(answer, ModelBusy)
    assert (answer.status, answer.retry_after_s) == (429, 7)


@pytest.mark.parametrize("model", ["..", ".", "../../files"])
def test_a_model_whose_name_leads_elsewhere_is_not_asked(model: str) -> None:
    async def main() -> None:
        async with Http() as http:
            server = Server("a", http, FakeClock(), "http://127.0.0.1:1")
            gemini_or_bedrock = gemini.Gemini(gemini.Config(), server) if "/" in model else _bedrock(server)
            with pytest.raises(ModelRejected, match="no name of a model"):
                async for _ in gemini_or_bedrock.stream(ModelRequest(model, (UserMessage("Hi"),))):
                    pass

    run(main())


def _bedrock(server: Server) -> bedrock.Bedrock:
    return bedrock.Bedrock(bedrock.Config(), server)


def test_an_address_that_is_none_is_a_model_error() -> None:
    async def main() -> None:
        async with Http() as http:
            provider = openai_chat.OpenAIChat(openai_chat.Config(), Server("a", http, FakeClock(), "http://[::1"))
            with pytest.raises(ModelUnavailable, match="not an address"):
                await provider.models()

    run(main())


def test_calls_of_different_answers_have_different_ids() -> None:
    """Some servers number the calls of each answer from the start, and some vendors take no id twice."""

    def turn(*ids: str) -> list[AssistantMessage | ToolResult]:
        calls = tuple(ToolCall(name, "look", "{}", {"id": name}) for name in ids)
        return [AssistantMessage((Text("Hm"), *calls), provider="a"), *(ToolResult(name, "look", "x") for name in ids)]

    messages = (UserMessage("Hi"), *turn("c0", "c1"), *turn("c0", "c0_2"), UserMessage("So?"), *turn("c0", "c2"))
    ids = [
        [call.id for call in message.tool_calls] if isinstance(message, AssistantMessage) else message.call_id
        for message in own(messages, "a")
        if not isinstance(message, UserMessage)
    ]
    assert ids == [
        ["c0", "c1"],
        "c0",
        "c1",
        ["c0_3", "c0_2"],
        "c0_3",
        "c0_2",
        ["c0_4", "c2"],
        "c0_4",
        "c2",
    ]
    body = anthropic.encode(ModelRequest("m", own(messages, "a")), anthropic.Config())
    used = [block["id"] for message in body["messages"] for block in message["content"] if block["type"] == "tool_use"]
    assert len(set(used)) == 6
