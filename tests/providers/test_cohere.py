from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from carapax.contracts import Provider
from carapax.errors import (
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelRejected,
    ModelUnauthorized,
    ModelUnavailable,
)
from carapax.events import Delta, TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.http import Http
from carapax.messages import (
    AssistantMessage,
    Attachment,
    Effort,
    ModelInfo,
    ModelRequest,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.providers.cohere import Cohere, Config, Decoder, decode, encode
from carapax.testing import ProviderContract
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer
from tests.fakes.reached import reached
from tests.providers.reading import check_deltas, fed, origin
from tests.running import run

KEY = "sk-verysecretkey12345"
TOOL = ToolSpec("look", "Look at it.", {"type": "object", "properties": {"a": {"type": "integer"}}})
PIXEL = Attachment("dot.png", "image/png", "0" * 64, 3, b"\x89PN")
PAPER = Attachment("a.pdf", "application/pdf", "1" * 64, 3, b"%PD")


def event(kind: str, index: int | None = None, **message: Any) -> bytes:
    place = {} if index is None else {"index": index}
    return b"data: %b\n\n" % msgspec.json.encode({"type": kind, **place, "delta": {"message": message}})


def call(kind: str, index: int, arguments: str = "", **fields: Any) -> bytes:
    function = {"arguments": arguments} | ({"name": fields.pop("name")} if "name" in fields else {})
    return event(kind, index, tool_calls={**fields, "function": function})


def start(index: int, call_id: str, name: str = "look") -> bytes:
    return call("tool-call-start", index, id=call_id, name=name)


def more(index: int, arguments: str) -> bytes:
    return call("tool-call-delta", index, arguments)


def end(reason: str = "COMPLETE", **fields: Any) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode({"type": "message-end", "delta": {"finish_reason": reason, **fields}})


def read(*chunks: bytes) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, chunks)
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


PLANNED = (
    Thinking("I will look.", {"kind": "plan"}),
    ToolCall("a", "look", '{"a": 1}'),
    ToolCall("b", "look", "{}"),
)


def test_a_plan_is_a_thought_before_the_calls_it_is_for() -> None:
    usage = {
        "tokens": {"input_tokens": 9.0, "output_tokens": 4},
        "billed_units": {"input_tokens": 2},
        "cached_tokens": 3,
    }
    message = read(
        event("message-start", role="assistant", content=[], tool_plan="", tool_calls=[], citations=[]),
        event("tool-plan-delta", tool_plan="I will "),
        event("tool-plan-delta", tool_plan="look."),
        start(0, "a"),
        more(0, '{"a":'),
        more(0, " 1}"),
        event("tool-call-end", 0),
        start(1, "b"),
        event("tool-call-end", 1),
        end("TOOL_CALL", usage=usage),
    )
    assert message == AssistantMessage(
        PLANNED, "tool_calls", Usage(input=9, output=4, cache_read=3), "vendor", "model", "TOOL_CALL"
    )


def parts(*chunks: bytes) -> tuple[Part, ...]:
    return read(*chunks, end()).parts


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [
                event("content-start", 0, content={"type": "thinking", "thinking": ""}),
                event("content-delta", 0, content={"thinking": "hm"}),
                event("content-end", 0),
                event("content-start", 1, content={"type": "text", "text": ""}),
                event("content-delta", 1, content={"text": "Yes"}),
                event("citation-start", 0, citations={"start": 0, "end": 3, "text": "Yes", "sources": []}),
                event("citation-end", 0),
            ],
            (Thinking("hm", {"kind": "content"}), Text("Yes")),
            id="thoughts, text and where it is from",
        ),
        pytest.param([event("content-delta", 4, content={"text": "Yes"})], (Text("Yes"),), id="no start"),
        pytest.param([event("content-delta", 0, content={})] * 2, (), id="empty deltas"),
        pytest.param(
            [start(1, "b"), start(0, "a"), more(0, "{}"), more(1, '{"b":2}')],
            (ToolCall("b", "look", '{"b":2}'), ToolCall("a", "look", "{}")),
            id="out of order, and from 1",
        ),
        pytest.param(
            [start(0, "a"), more(0, "{}"), start(0, "b"), more(0, '{"b":2}')],
            (ToolCall("a", "look", "{}"), ToolCall("b", "look", '{"b":2}')),
            id="all have the same number",
        ),
        pytest.param([start(0, "a"), start(0, "a"), more(0, "{}")], (ToolCall("a", "look", "{}"),), id="twice"),
        pytest.param([more(0, "{}")], (), id="arguments of nothing"),
        pytest.param([event("debug", prompt="x"), event("new-thing", 0)], (), id="unknown events"),
    ],
)
def test_a_stream_is_read_by_what_it_says(chunks: list[bytes], expected: tuple[Part, ...]) -> None:
    assert parts(*chunks) == expected


def test_a_whole_answer_says_the_same() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "look", "arguments": ""}},
    ]
    body = {"message": {"role": "assistant", "tool_plan": "I will look.", "tool_calls": calls}}
    answer = {**body, "finish_reason": "TOOL_CALL", "usage": {"billed_units": {"input_tokens": 2, "output_tokens": 1}}}
    assert decode(msgspec.json.encode(answer), origin()) == AssistantMessage(
        PLANNED, "tool_calls", Usage(input=2, output=1), "vendor", "model", "TOOL_CALL"
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [("COMPLETE", "end"), ("STOP_SEQUENCE", "end"), ("MAX_TOKENS", "length"), ("ERROR_TOXIC", "filtered")],
)
def test_why_it_stopped_is_told(word: str, reason: str) -> None:
    message = read(event("content-delta", 0, content={"text": "a"}), end(word))
    assert (message.stop_reason, message.stop_detail) == (reason, word)


@pytest.mark.parametrize(
    ("chunks", "kind", "words"),
    [
        ([end("ERROR", error="the model fell over")], ModelUnavailable, "fell over"),
        ([end("ERROR")], ModelUnavailable, "stopped with 'ERROR'"),
        ([end("TIMEOUT")], ModelUnavailable, "stopped with 'TIMEOUT'"),
        ([event("content-delta", 0, content={"text": "a"})], ModelUnavailable, "broke off"),
        ([b'data: {"message":"too many tokens in the prompt"}\n\n'], ContextOverflow, "too many tokens"),
        ([b"data: {}\n\n"], ModelUnavailable, "no valid answer"),
    ],
)
def test_what_is_no_answer_is_told(chunks: list[bytes], kind: type[ModelError], words: str) -> None:
    with pytest.raises(ModelError, match=words) as raised:
        read(*chunks)
    assert type(raised.value) is kind


def test_a_request_says_all_in_the_words_of_the_api() -> None:
    messages = (
        UserMessage("hi"),
        AssistantMessage((*PLANNED[:2], Text(""))),
        ToolResult("a", "look", "it is"),
        AssistantMessage((Thinking("hm", {"kind": "content"}), Thinking("foreign"), Text("So."))),
        AssistantMessage((Thinking("only this", {"kind": "content"}),)),
        UserMessage("see", attachments=(PIXEL, PAPER)),
    )
    request = ModelRequest("m", messages, "Be brief.", (TOOL,), max_output_tokens=50, temperature=0.5)
    function = {"name": "look", "arguments": '{"a":1}'}
    assert encode(request, Config()) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "tool_calls": [{"id": "a", "type": "function", "function": function}],
                "tool_plan": "I will look.",
            },
            {"role": "tool", "tool_call_id": "a", "content": "it is"},
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "So."}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {
                        "type": "image_url",
                        "image_url": {"url": f"data:image/png;base64,{b64encode(PIXEL.data).decode()}"},
                    },
                    {"type": "text", "text": "[a.pdf, application/pdf: not shown]"},
                ],
            },
        ],
        "stream": True,
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look at it.", "parameters": TOOL.parameters},
            }
        ],
        "max_tokens": 50,
        "temperature": 0.5,
    }


@pytest.mark.parametrize(
    ("model", "effort", "told"),
    [
        ("command-a-reasoning-08-2025", "off", {"thinking": {"type": "disabled"}, "max_tokens": 50}),
        (
            "command-a-reasoning-08-2025",
            "low",
            {"thinking": {"type": "enabled", "token_budget": 2_048}, "max_tokens": 2_098},
        ),
        (
            "command-a-reasoning-08-2025",
            "high",
            {"thinking": {"type": "enabled", "token_budget": 24_576}, "max_tokens": 24_626},
        ),
        ("command-a-03-2025", "high", {"max_tokens": 50}),
    ],
)
def test_only_models_that_think_are_told_how_much(model: str, effort: Effort, told: dict[str, Any]) -> None:
    body = encode(ModelRequest(model, (UserMessage("hi"),), max_output_tokens=50, effort=effort), Config())
    assert {key: body[key] for key in ("thinking", "max_tokens") if key in body} == told


@asynccontextmanager
async def served(*answers: Answer, models: Any = ("m",), path: str = "") -> AsyncIterator[tuple[Cohere, ModelServer]]:
    async with ModelServer(answers, models=models) as server, Http() as http:
        yield Cohere(Config(), reached(http, server, KEY, path)), server


async def ask(provider: Cohere, *, stream: bool = True) -> list[Delta | AssistantMessage]:
    request = ModelRequest("m", (UserMessage("hi"),), tools=(TOOL,), stream=stream)
    return [item async for item in provider.stream(request)]


FULL = Answer("Hello you", thinking="hm well", calls=(Call("look", '{"a": 1}'), Call("look", '{"b": 2}')))
MESSAGE = AssistantMessage(
    (
        Thinking("hm well", {"kind": "content"}),
        Text("Hello you"),
        ToolCall("call_0", "look", '{"a": 1}'),
        ToolCall("call_1", "look", '{"b": 2}'),
    ),
    "tool_calls",
    Usage(input=10, output=5),
    "fake",
    "m",
    "TOOL_CALL",
)


@pytest.mark.parametrize("path", ["", "/", "/v2", "/v1/", "/v2/chat", "/compatibility/v1"])
def test_an_answer_streams_piece_by_piece_wherever_the_address_ends(path: str) -> None:
    async def main() -> None:
        async with served(FULL, path=path) as (provider, server):
            assert await ask(provider) == [
                ThinkingDelta("hm "),
                ThinkingDelta("well"),
                TextDelta("Hello "),
                TextDelta("you"),
                ToolArgumentsDelta(0, '{"a": ', "call_0", "look"),
                ToolArgumentsDelta(0, "1}"),
                ToolArgumentsDelta(1, '{"b": ', "call_1", "look"),
                ToolArgumentsDelta(1, "2}"),
                MESSAGE,
            ]
            [request] = server.requests
            assert request.path == "/v2/chat"
            assert request.headers["authorization"] == f"Bearer {KEY}"

    run(main())


def test_an_answer_comes_whole_when_asked_so() -> None:
    async def main() -> None:
        async with served(FULL) as (provider, server):
            assert await ask(provider, stream=False) == [MESSAGE]
            assert server.requests[0].body["stream"] is False

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        msgspec.structs.replace(FULL, dribble=True),
        msgspec.structs.replace(FULL, headers={"Content-Type": "text/plain"}),
    ],
)
def test_a_clumsy_but_whole_stream_is_an_answer(answer: Answer) -> None:
    async def main() -> None:
        async with served(answer) as (provider, _):
            assert (await ask(provider))[-1] == MESSAGE

    run(main())


def test_an_answer_whose_tokens_were_not_counted_is_one() -> None:
    async def main() -> None:
        async with served(Answer("a", usage=False)) as (provider, _):
            message = (await ask(provider))[-1]
            assert isinstance(message, AssistantMessage)
            assert (message.text, message.usage) == ("a", Usage())

    run(main())


BROKEN_STREAMS = [
    pytest.param(Answer("a b c", cut_after=3), ModelUnavailable, "cut the connection", id="cut"),
    pytest.param(Answer("a b c", end_after=3), ModelUnavailable, "broke off", id="ended early"),
    pytest.param(Answer("a b c", farewell=False), ModelUnavailable, "broke off", id="no farewell"),
    pytest.param(Answer("a b c", stall_after=3), ModelUnavailable, "silent", id="stalled"),
]
FAILURES = [
    pytest.param(Answer(status=500), ModelUnavailable, "500", id="500"),
    pytest.param(
        Answer(status=404, body='{"id":"x","message":"model \'m\' not found"}'), ModelRejected, "not found", id="404"
    ),
    pytest.param(Answer(status=429, headers={"Retry-After": "3"}), ModelBusy, "429", id="429"),
    pytest.param(Answer(status=401), ModelUnauthorized, "401", id="401"),
    pytest.param(
        Answer(status=400, body='{"message":"too many tokens: size limit exceeded"}'),
        ContextOverflow,
        "too many tokens",
        id="too long",
    ),
    pytest.param(Answer(body="<html>Sign in</html>", content_type="text/html"), ModelUnavailable, "HTML", id="HTML"),
    pytest.param(Answer(body="garbage", content_type="text/plain"), ModelUnavailable, "answer", id="garbage"),
    pytest.param(Answer(body="{}"), ModelUnavailable, "no valid answer", id="empty object"),
    pytest.param(Answer(error="out of luck"), ModelUnavailable, "out of luck", id="error in a 200"),
    pytest.param(Answer(error=f"wrong key {KEY}"), ModelUnavailable, r"wrong key \*", id="key in an error"),
]


async def fail(answer: Answer, kind: type[ModelError], words: str, *, stream: bool) -> None:
    async with served(answer) as (provider, _):
        with pytest.raises(ModelError, match=words) as raised:
            await ask(provider, stream=stream)
        assert type(raised.value) is kind
        assert (raised.value.vendor, raised.value.model) == ("fake", "m")
        assert raised.value.hint
        assert KEY not in str(raised.value)


@pytest.mark.parametrize(("answer", "kind", "words"), [*FAILURES, *BROKEN_STREAMS])
def test_a_server_that_misbehaves_is_told_by_what_it_did(answer: Answer, kind: type[ModelError], words: str) -> None:
    run(fail(answer, kind, words, stream=True))


@pytest.mark.parametrize(("answer", "kind", "words"), FAILURES)
def test_so_is_one_that_was_asked_for_a_whole_answer(answer: Answer, kind: type[ModelError], words: str) -> None:
    run(fail(answer, kind, words, stream=False))


def test_models_for_conversation_are_listed_with_their_size() -> None:
    told: list[dict[str, Any]] = [
        {"id": "a", "name": "a", "context_length": 256_000.0, "endpoints": ["chat"]},
        {"id": "b", "name": "b"},
        {"id": "c", "name": "c", "endpoints": ["embed"]},
        {"id": "d", "name": "d", "is_deprecated": True},
    ]

    async def main() -> list[ModelInfo]:
        async with served(models=told, path="/v2") as (provider, _):
            return await provider.models()

    assert run(main()) == [ModelInfo("a", 256_000), ModelInfo("b")]


class TestContract(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Provider]:
            async with served(FULL) as (provider, _):
                yield provider

        return opened()

    def request(self, *, stream: bool = True) -> ModelRequest:
        return ModelRequest("m", (UserMessage("hi"),), stream=stream)
