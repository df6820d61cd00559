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
from carapax.models.server import Server
from carapax.providers.openai_chat import Config, Decoder, OpenAIChat, decode, encode
from carapax.testing import FakeClock, ProviderContract
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer
from tests.fakes.reached import reached
from tests.providers.reading import check_deltas, fed, origin
from tests.running import run

KEY = "sk-verysecretkey12345"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    return b"data: %b\n\n" % msgspec.json.encode({"id": "c", "model": "model", "choices": choices, **fields})


def tool(**fields: Any) -> bytes:
    """A chunk with a piece of one tool call; name and arguments go where they belong."""
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return chunk({"tool_calls": [{**fields, "function": function}]})


def read(*chunks: bytes) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, chunks)
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def calls(*chunks: bytes) -> tuple[Part, ...]:
    return read(*chunks, chunk(finish="tool_calls")).parts


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [
                tool(index=1, id="b", name="two", arguments=""),
                tool(index=0, id="a", name="one", arguments="{"),
                tool(index=1, arguments='{"x":'),
                tool(index=0, arguments="}"),
                tool(index=1, arguments="1}"),
            ],
            [ToolCall("b", "two", '{"x":1}'), ToolCall("a", "one", "{}")],
            id="indices out of order",
        ),
        pytest.param(
            [tool(index=1, id="a", name="one", arguments="{}"), tool(index=2, id="b", name="two", arguments="{}")],
            [ToolCall("a", "one", "{}"), ToolCall("b", "two", "{}")],
            id="indices from one",
        ),
        pytest.param(
            [
                tool(id="a", name="one", arguments='{"x"'),
                tool(arguments=":1}"),
                tool(id="b", name="two", arguments="{}"),
            ],
            [ToolCall("a", "one", '{"x":1}'), ToolCall("b", "two", "{}")],
            id="no indices",
        ),
        pytest.param(
            [
                tool(id="a", name="one", arguments="{"),
                tool(id="b", name="two", arguments="{"),
                tool(id="a", arguments="}"),
                tool(id="b", arguments="}"),
            ],
            [ToolCall("a", "one", "{}"), ToolCall("b", "two", "{}")],
            id="pieces told apart by id",
        ),
        pytest.param(
            [tool(index=0, id="a", name="one", arguments="{}"), tool(index=0, id="b", name="two", arguments="{}")],
            [ToolCall("a", "one", "{}"), ToolCall("b", "two", "{}")],
            id="all of index 0",
        ),
        pytest.param(
            [tool(index=0, name="one", arguments="{}"), tool(index=0, name="one", arguments='{"x":1}')],
            [ToolCall("call_id_0", "one", "{}"), ToolCall("call_id_1", "one", '{"x":1}')],
            id="all of index 0 without ids",
        ),
        pytest.param(
            [tool(name="one", arguments={"x": 1}), tool(name="two", arguments={})],
            [ToolCall("call_id_0", "one", '{"x":1}'), ToolCall("call_id_1", "two", "{}")],
            id="arguments as objects",
        ),
        pytest.param(
            [
                tool(index=0, id="a", arguments=""),
                tool(index=0, arguments='{"x"'),
                tool(index=0, name="one"),
                tool(index=0, arguments=":1}"),
            ],
            [ToolCall("a", "one", '{"x":1}')],
            id="name in a later chunk",
        ),
        pytest.param(
            [tool(index=0, id="a", name="one", arguments='{"x"'), tool(index=0, id="a", name="one", arguments=":1}")],
            [ToolCall("a", "one", '{"x":1}')],
            id="id and name in every chunk",
        ),
        pytest.param(
            [tool(index=0, id="a", name="get_", arguments=""), tool(index=0, id="", name="time", arguments="{}")],
            [ToolCall("a", "get_time", "{}")],
            id="name in pieces, empty id",
        ),
        pytest.param(
            [tool(index=0, id="a", name="one"), tool(index=1, id="b", name="two", arguments=None)],
            [ToolCall("a", "one", "{}"), ToolCall("b", "two", "{}")],
            id="no arguments",
        ),
        pytest.param(
            [tool(index=0, id="a", name="one", arguments="{}", extra_content={"google": {"thought_signature": "s"}})],
            [ToolCall("a", "one", "{}", {"extra_content": {"google": {"thought_signature": "s"}}})],
            id="vendor data",
        ),
        pytest.param([chunk({"tool_calls": None}), chunk({"tool_calls": []})], [], id="no calls"),
    ],
)
def test_tool_calls_are_put_together_as_vendors_cut_them(chunks: list[bytes], expected: list[ToolCall]) -> None:
    assert list(calls(*chunks)) == expected


def test_chunks_that_come_twice_never_make_a_call_twice() -> None:
    first, second = tool(index=0, id="a", name="one", arguments=""), tool(index=0, arguments="{}")
    assert calls(first, first, second, second) == (ToolCall("a", "one", "{}{}"),)


def test_calls_of_a_whole_answer_are_told_apart_without_ids() -> None:
    function = {"name": "one", "arguments": {"x": 1}}
    message = {"content": None, "tool_calls": [{"index": 0, "function": function}, {"index": 0, "function": function}]}
    body = msgspec.json.encode({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert decode(body, origin()) == AssistantMessage(
        (ToolCall("call_id_0", "one", '{"x":1}'), ToolCall("call_id_1", "one", '{"x":1}')),
        "tool_calls",
        provider="vendor",
        model="model",
        stop_detail="stop",
    )


@pytest.mark.parametrize(
    ("deltas", "parts"),
    [
        ([{"reasoning_content": "hm"}, {"content": "a"}], [Thinking("hm"), Text("a")]),
        ([{"reasoning": "hm", "content": ""}, {"content": "a", "reasoning": None}], [Thinking("hm"), Text("a")]),
        ([{"reasoning": "hm", "reasoning_content": "hm"}], [Thinking("hm")]),
        ([{"content": "<thi"}, {"content": "nk>hm</th"}, {"content": "ink>\n\na"}], [Thinking("hm"), Text("a")]),
        ([{"content": "a <think> b"}], [Text("a <think> b")]),
        (
            [
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
                {"content": [{"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}]},
            ],
            [Thinking("hm"), Text("a")],
        ),
        (
            [
                {"reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0}]},
                {"reasoning_details": [{"type": "reasoning.text", "text": "m", "signature": "s", "index": 0}]},
                {"content": "a"},
            ],
            [
                Thinking(
                    "hm",
                    {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0, "signature": "s"}]},
                ),
                Text("a"),
            ],
        ),
        (
            [{"content": "a", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "index": 0}]}],
            [
                Thinking("", {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "index": 0}]}),
                Text("a"),
            ],
        ),
        ([{"content": None}, {"content": ""}, {"role": "assistant"}], []),
    ],
)
def test_thoughts_are_told_from_text(deltas: list[dict[str, Any]], parts: list[Part]) -> None:
    assert list(read(*map(chunk, deltas), chunk(finish="stop")).parts) == parts


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3}, Usage(input=7, output=3)),
        (
            {"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}},
            Usage(input=7, cache_read=4, cache_write=2),
        ),
        ({"prompt_tokens": 7, "prompt_cache_hit_tokens": 4}, Usage(input=7, cache_read=4)),
        ({"prompt_tokens": 7, "num_cached_tokens": 4, "prompt_tokens_details": None}, Usage(input=7, cache_read=4)),
        (
            {"prompt_tokens": 7, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 5}},
            Usage(input=7, output=9, reasoning=5),
        ),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 3,
                "total_tokens": 15,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(input=7, output=8, reasoning=5),
        ),
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 15}, Usage(input=7, output=8, reasoning=5)),
        ({}, Usage()),
        (None, Usage()),
    ],
)
def test_every_way_to_count_tokens_is_read(usage: dict[str, Any] | None, expected: Usage) -> None:
    assert read(chunk(finish="stop"), chunk(usage=usage, choices=[])).usage == expected


def test_usage_may_come_with_every_chunk_in_a_choice_or_from_groq() -> None:
    counted = {"prompt_tokens": 7, "completion_tokens": 3}
    growing = [chunk({"content": "a"}, usage={**counted, "completion_tokens": 1}), chunk({}, "stop", usage=counted)]
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": counted}
    for stream in (growing, [chunk(choices=[choice])], [chunk(finish="stop", x_groq={"usage": counted})]):
        assert read(*stream).usage == Usage(input=7, output=3)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "end"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", "filtered"),
        ("eos", "end"),
        ("tool_calls", "end"),
    ],
)
def test_the_reason_to_stop_is_mapped_and_kept(word: str, reason: str) -> None:
    message = read(chunk({"content": "a"}), chunk(finish=word))
    assert (message.stop_reason, message.stop_detail) == (reason, word)


def test_a_refusal_is_text_that_was_filtered() -> None:
    message = read(chunk({"refusal": "I will "}), chunk({"refusal": "not."}), chunk(finish="stop"))
    assert (message.text, message.stop_reason) == ("I will not.", "filtered")


def test_other_choices_are_left_out() -> None:
    other = {"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}
    assert read(chunk({"content": "a"}), chunk(choices=[other]), chunk(finish="stop")).text == "a"


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ([], ModelUnavailable),
        ([chunk({"content": "a"})], ModelUnavailable),
        ([chunk({"content": "a"}), b"data: [DONE]\n\n"], ModelUnavailable),
        ([chunk({"content": "a"}, "error")], ModelUnavailable),
        ([chunk({"content": "a"}), b"data: {oops}\n\n"], ModelUnavailable),
        ([chunk(choices="none")], ModelUnavailable),
        ([chunk({"content": "a"}), chunk(error={"message": "no", "code": 429})], ModelBusy),
        ([chunk(error={"message": "no", "code": "context_length_exceeded"})], ContextOverflow),
        ([b'event: error\ndata: {"message": "boom", "type": "invalid_request_error"}\n\n'], ModelRejected),
        (
            [chunk({"content": "a"}, "length"), chunk(error={"message": "Provider returned error", "code": 400})],
            ModelUnavailable,
        ),
        ([b'data: {"error": "boom"}\n\n'], ModelUnavailable),
        ([chunk(x_groq={"error": "boom"})], ModelUnavailable),
    ],
)
def test_a_stream_that_breaks_off_or_fails_is_no_answer(stream: list[bytes], kind: type[ModelError]) -> None:
    with pytest.raises(ModelError) as raised:
        read(*stream)
    assert type(raised.value) is kind


def test_a_stream_needs_no_farewell_after_its_reason_to_stop() -> None:
    assert read(chunk({"content": "a"}), chunk(finish="stop")).text == "a"


TOOL = ToolSpec("look", "Look at it.", {"type": "object", "properties": {}})


def test_a_request_carries_the_whole_conversation() -> None:
    request = ModelRequest(
        "m",
        (
            UserMessage("hi"),
            AssistantMessage(
                (Thinking("hm"), Text("I look."), ToolCall("a", "look", "{}"), ToolCall("b", "look", "{ "))
            ),
            ToolResult("a", "look", "it is"),
            ToolResult("b", "look", "no", is_error=True),
            AssistantMessage((Thinking("nothing more"),)),
        ),
        system="Be kind.",
        tools=(TOOL,),
        max_output_tokens=50,
        temperature=0.5,
    )
    assert encode(request, Config()) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": "I look.",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                    {"id": "b", "type": "function", "function": {"name": "look", "arguments": '{"invalid_json":"{ "}'}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "it is"},
            {"role": "tool", "tool_call_id": "b", "content": "no"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look at it.", "parameters": TOOL.parameters},
            }
        ],
        "max_tokens": 50,
        "temperature": 0.5,
    }


def test_accents_change_only_what_they_name() -> None:
    thought = AssistantMessage((Thinking("hm", {"reasoning_details": [{"data": "x"}]}), Text("a")))
    request = ModelRequest("m", (thought,), max_output_tokens=9, stream=True)

    def sent(effort: Effort = "off", **accent: Any) -> dict[str, Any]:
        return encode(msgspec.structs.replace(request, effort=effort), Config(**accent))

    plain = sent()
    assert plain["messages"] == [{"role": "assistant", "content": "a"}]
    limit = sent(max_tokens_field="max_completion_tokens")
    assert limit == {**{key: value for key, value in plain.items() if key != "max_tokens"}, "max_completion_tokens": 9}
    assert sent(stream_usage=False) == {key: value for key, value in plain.items() if key != "stream_options"}
    assert sent("low") == {**plain, "reasoning_effort": "low"}
    assert sent("low", effort_field="") == plain
    assert sent("low", effort_field="reasoning") == {**plain, "reasoning": {"effort": "low"}}
    thinking = {**plain, "thinking": {"type": "enabled"}}
    assert sent("low", effort_field="thinking") == thinking
    assert sent("low", effort_field="thinking+reasoning_effort") == {**thinking, "reasoning_effort": "low"}
    assert sent("low", effort_field="enable_thinking", switch_off=True) == {**plain, "enable_thinking": True}
    assert sent(effort_field="enable_thinking", switch_off=True) == {**plain, "enable_thinking": False}
    assert sent(effort_field="thinking", switch_off=True) == {**plain, "thinking": {"type": "disabled"}}
    for field in ("reasoning", "reasoning_content"):
        assert sent(thinking_field=field)["messages"] == [{"role": "assistant", "content": "a", field: "hm"}]
    assert sent(thinking_field="reasoning_details")["messages"][0]["reasoning_details"] == [{"data": "x"}]
    assert sent(thinking_field="chunks")["messages"][0]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "a"},
    ]


def test_thinking_is_switched_off_by_the_word_of_the_model() -> None:
    accent = Config(off_effort={"gpt-5.[1-9]*": "none", "gpt-5*": "minimal"})

    def sent(model: str, effort: Effort = "off", **fields: Any) -> dict[str, Any]:
        config = msgspec.structs.replace(accent, **fields)
        return encode(ModelRequest(model, (UserMessage("hi"),), effort=effort), config)

    assert sent("gpt-5.4")["reasoning_effort"] == "none"
    assert sent("gpt-5-mini")["reasoning_effort"] == "minimal"
    assert sent("gpt-5-mini", "high")["reasoning_effort"] == "high"
    assert "reasoning_effort" not in sent("gpt-4.1")
    assert sent("gpt-5.4", effort_field="reasoning")["reasoning"] == {"effort": "none"}


PICTURE = Attachment("a.png", "image/png", "d", 2, b"hi")
PAPER = Attachment("b.pdf", "application/pdf", "d", 2, b"hi")
SONG = Attachment("c.mp3", "audio/mpeg", "d", 2, b"hi")
NOT_SHOWN = {"type": "text", "text": "[b.pdf, application/pdf: not shown]"}
FILE = {"type": "file", "file": {"filename": "b.pdf", "file_data": "data:application/pdf;base64,aGk="}}
DOCUMENT = {"type": "document_url", "document_url": "data:application/pdf;base64,aGk="}


@pytest.mark.parametrize(("part", "paper"), [("file", FILE), ("document_url", DOCUMENT), ("", NOT_SHOWN)])
def test_pictures_and_papers_are_shown_and_what_cannot_be_is_named(part: str, paper: dict[str, Any]) -> None:
    accent = msgspec.convert({"document_part": part}, Config)
    message = UserMessage("these", attachments=(PICTURE, PAPER, SONG))
    [sent] = encode(ModelRequest("m", (message,)), accent)["messages"]
    assert sent == {
        "role": "user",
        "content": [
            {"type": "text", "text": "these"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            paper,
            {"type": "text", "text": "[c.mp3, audio/mpeg: not shown]"},
        ],
    }
    alone = encode(ModelRequest("m", (UserMessage("", attachments=(PICTURE,)),)), accent)["messages"]
    assert [piece["type"] for piece in alone[0]["content"]] == ["image_url"]


def test_ids_that_the_vendor_refuses_are_replaced_alike_in_call_and_result() -> None:
    messages = (AssistantMessage((ToolCall("toolu_01", "look", "{}"),)), ToolResult("toolu_01", "look", "it is"))
    call, result = encode(ModelRequest("m", messages), Config(tool_id="[a-zA-Z0-9]{9}"))["messages"]
    assert call["tool_calls"][0]["id"] == result["tool_call_id"]
    assert len(result["tool_call_id"]) == 9


@asynccontextmanager
async def served(*answers: Answer, **accent: Any) -> AsyncIterator[tuple[OpenAIChat, ModelServer]]:
    async with ModelServer(answers) as server, Http() as http:
        yield OpenAIChat(Config(**accent), reached(http, server, KEY)), server


async def ask(provider: OpenAIChat, *, stream: bool = True) -> list[Delta | AssistantMessage]:
    request = ModelRequest("m", (UserMessage("hi"),), tools=(TOOL,), stream=stream)
    return [item async for item in provider.stream(request)]


FULL = Answer("Hello you", thinking="hm well", calls=(Call("look", '{"a": 1}'), Call("look", '{"b": 2}')))
MESSAGE = AssistantMessage(
    (
        Thinking("hm well"),
        Text("Hello you"),
        ToolCall("call_0", "look", '{"a": 1}'),
        ToolCall("call_1", "look", '{"b": 2}'),
    ),
    "tool_calls",
    Usage(input=10, output=5),
    "fake",
    "m",
    "tool_calls",
)


def test_an_answer_streams_piece_by_piece_over_the_wire() -> None:
    async def main() -> None:
        async with served(FULL) as (provider, server):
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
            assert request.path == "/v1/chat/completions"
            assert request.headers["authorization"] == f"Bearer {KEY}"
            assert request.body["model"] == "m"

    run(main())


def test_an_answer_comes_whole_when_asked_so_or_when_the_server_cannot_stream() -> None:
    async def main() -> None:
        async with served(FULL) as (provider, server):
            assert await ask(provider, stream=False) == [MESSAGE]
            body = server.requests[0].body
            assert body["stream"] is False
            assert "stream_options" not in body

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        msgspec.structs.replace(FULL, dribble=True),
        msgspec.structs.replace(FULL, farewell=False),
        msgspec.structs.replace(FULL, headers={"Content-Type": "text/plain"}),
    ],
)
def test_a_clumsy_but_whole_stream_is_an_answer(answer: Answer) -> None:
    async def main() -> None:
        async with served(answer) as (provider, _):
            assert (await ask(provider))[-1] == MESSAGE

    run(main())


FAILURES = [
    pytest.param(Answer("a b c", cut_after=3), ModelUnavailable, "cut the connection", id="cut"),
    pytest.param(Answer("a b c", end_after=3), ModelUnavailable, "broke off", id="ended early"),
    pytest.param(Answer("a b c", stall_after=3), ModelUnavailable, "silent", id="stalled"),
    pytest.param(Answer(status=500), ModelUnavailable, "500", id="500"),
    pytest.param(Answer(status=429, headers={"Retry-After": "3"}), ModelBusy, "429", id="429"),
    pytest.param(Answer(status=401), ModelUnauthorized, "401", id="401"),
    pytest.param(
        Answer(status=400, body='{"error": "prompt is too long"}'), ContextOverflow, "too long", id="too long"
    ),
    pytest.param(Answer(body="<html>Sign in</html>", content_type="text/html"), ModelUnavailable, "HTML", id="HTML"),
    pytest.param(Answer(body="garbage", content_type="text/event-stream"), ModelUnavailable, "no answer", id="garbage"),
    pytest.param(Answer(body="{}"), ModelUnavailable, "no valid answer", id="empty object"),
    pytest.param(Answer(error="out of luck"), ModelUnavailable, "out of luck", id="error in a 200"),
    pytest.param(Answer(error=f"wrong key {KEY}"), ModelUnavailable, r"wrong key \*", id="key in an error"),
]


@pytest.mark.parametrize(("answer", "kind", "words"), FAILURES)
def test_a_server_that_misbehaves_is_told_by_what_it_did(answer: Answer, kind: type[ModelError], words: str) -> None:
    async def main() -> None:
        async with served(answer) as (provider, _):
            with pytest.raises(ModelError, match=words) as raised:
                await ask(provider)
            assert type(raised.value) is kind
            assert (raised.value.vendor, raised.value.model) == ("fake", "m")
            assert raised.value.hint
            assert KEY not in str(raised.value)

    run(main())


def test_the_wait_a_busy_server_asks_for_is_passed_on() -> None:
    async def main() -> None:
        async with served(Answer(status=429, headers={"Retry-After": "3"})) as (provider, _):
            with pytest.raises(ModelBusy) as raised:
                await ask(provider)
            assert raised.value.retry_after_s == 3

    run(main())


def test_one_connection_serves_one_answer_after_the_other() -> None:
    async def main() -> None:
        async with served(*[Answer("a")] * 5) as (provider, server):
            for _ in range(5):
                await ask(provider)
            assert len({request.peer for request in server.requests}) == 1

    run(main())


def test_a_reader_that_stops_hangs_up() -> None:
    async def main() -> None:
        async with served(Answer("a b c", stall_after=3)) as (provider, server):
            stream = provider.stream(ModelRequest("m", (UserMessage("hi"),)))
            assert await anext(stream) == TextDelta("a ")
            await stream.aclose()
            await server.idle()

    run(main())


def test_models_are_listed_with_their_size_where_it_is_told() -> None:
    told: list[dict[str, Any]] = [
        {"id": "a"},
        {"id": "b", "context_length": 5},
        {"id": "c", "max_model_len": 6},
        {"id": "d", "context_window": 7},
        {"id": "e", "meta": {"n_ctx_train": 8}},
        {"id": "f", "max_context_length": 9, "meta": None},
    ]

    async def main() -> list[ModelInfo]:
        async with ModelServer(models=told) as server, Http() as http:
            return await OpenAIChat(Config(), Server("fake", http, FakeClock(), server.url)).models()

    sizes = {"b": 5, "c": 6, "d": 7, "e": 8, "f": 9}
    assert run(main()) == [ModelInfo("a"), *(ModelInfo(name, size) for name, size in sizes.items())]


class TestContract(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Provider]:
            async with served(FULL) as (provider, _):
                yield provider

        return opened()

    def request(self, *, stream: bool = True) -> ModelRequest:
        return ModelRequest("m", (UserMessage("hi"),), stream=stream)
