from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from carapax.contracts import Provider
from carapax.errors import ContextOverflow, ModelBusy, ModelError, ModelRejected, ModelUnauthorized, ModelUnavailable
from carapax.events import Delta, TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.http import Http
from carapax.messages import (
    AssistantMessage,
    Attachment,
    Effort,
    Message,
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
from carapax.providers.openai_responses import Config, Decoder, OpenAIResponses, decode, encode
from carapax.testing import ProviderContract
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer
from tests.fakes.reached import reached
from tests.providers.reading import check_deltas, fed, origin
from tests.running import run

KEY = "sk-verysecretkey12345"


def event(kind: str, **fields: Any) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode({"type": f"response.{kind}", **fields})


def added(index: int, item: dict[str, Any]) -> bytes:
    return event("output_item.added", output_index=index, item=item)


def done(index: int, item: dict[str, Any]) -> bytes:
    return event("output_item.done", output_index=index, item=item)


def text(delta: str, index: int = 0, **fields: Any) -> bytes:
    return event("output_text.delta", output_index=index, delta=delta, **fields)


def arguments(delta: str, index: int = 0, **fields: Any) -> bytes:
    return event("function_call_arguments.delta", output_index=index, delta=delta, **fields)


def end(status: str = "completed", **fields: Any) -> bytes:
    return event(status, response={"status": status, "model": "model", **fields})


def said(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": words}], **fields}


def call(call_id: str, name: str, given: str = "", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": given, **fields}


def read(*stream: bytes) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, stream)
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def whole(*output: dict[str, Any], **fields: Any) -> AssistantMessage:
    return decode(msgspec.json.encode({"status": "completed", "output": output, **fields}), origin())


def sent(*messages: Message, config: Config | None = None, **fields: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = encode(ModelRequest("m", messages, **fields), config or Config())["input"]
    return items


ONE = ToolCall("a", "one", '{"x":1}', {"item": {"type": "function_call"}})
TWO = ToolCall("b", "two", "{}", {"item": {"type": "function_call"}})


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(
            [
                added(2, call("b", "two")),
                added(1, call("a", "one")),
                arguments('{"x"', 1),
                arguments("{}", 2),
                arguments(":1}", 1),
                done(1, call("a", "one", '{"x":1}')),
                done(2, call("b", "two", "{}")),
            ],
            [TWO, ONE],
            id="indices from one and out of order",
        ),
        pytest.param(
            [done(0, call("a", "one", '{"x":1}')), done(1, call("b", "two"))],
            [ONE, TWO],
            id="only whole items",
        ),
        pytest.param(
            [added(0, call("a", "one")), arguments('{"x"'), done(0, call("a", "one", '{"x":1}'))],
            [ONE],
            id="deltas that were not all",
        ),
        pytest.param(
            [added(0, call("a", "one")), *[arguments('{"x":1}')] * 1, added(0, call("a", "one"))],
            [ToolCall("a", "one", '{"x":1}')],
            id="announced twice and never whole",
        ),
        pytest.param(
            [added(0, call("a", "one")), added(1, call("a", "two")), arguments("", 1)],
            [ToolCall("a", "one", "{}"), ToolCall("call_id_1", "two", "{}")],
            id="an id that comes twice, and empty deltas",
        ),
        pytest.param(
            [
                event("output_item.added", item=call("a", "one", id="x")),
                event("output_item.added", item=call("b", "two", id="y")),
                event("function_call_arguments.delta", item_id="y", delta="{}"),
                event("function_call_arguments.delta", item_id="x", delta='{"x":1}'),
            ],
            [ToolCall("a", "one", '{"x":1}'), ToolCall("b", "two", "{}")],
            id="told apart by id",
        ),
        pytest.param(
            [arguments("{}")],
            [ToolCall("call_id_0", "unknown", "{}")],
            id="never announced",
        ),
    ],
)
def test_tool_calls_are_put_together_however_they_come(stream: list[bytes], expected: list[Part]) -> None:
    message = read(*stream, end())
    assert list(message.parts) == expected
    assert message.stop_reason == "tool_calls"


def test_events_that_come_twice_are_taken_once() -> None:
    stream = [
        event("output_item.added", output_index=0, item=said("", id="x"), sequence_number=1),
        text("Hel", sequence_number=2),
        text("lo", sequence_number=3),
        event("completed", response={"status": "completed", "output": [said("Hello", id="x")]}, sequence_number=4),
    ]
    expected = (Text("Hello", {"item": {"type": "message", "id": "x"}}),)
    assert read(*[copy for one in stream for copy in (one, one)]).parts == expected
    assert read(*stream, *stream).parts == expected


def test_events_that_are_all_of_number_0_are_all_taken() -> None:
    assert read(text("a", sequence_number=0), text("a", sequence_number=0), end()).text == "aa"


@pytest.mark.parametrize(
    "stream",
    [
        [text("Hello"), end()],
        [added(0, said("")), text("Hel"), done(0, said("Hello")), end()],
        [added(0, said("")), done(0, said("Hello")), end()],
        [end(output=[said("Hello")])],
        [text("Hel"), end(output=[said("Hello")])],
        [text("Hello"), end(output=[])],
        [text("Hello", 1), end(output=[said("Hello")])],
        [text("Hel", 1), text("lo", 2), end(output=[said("Hel"), said("lo")])],
        [text("Hel", 5), text("l", 7), end(output=[said("Hel"), said("lo")])],
        [event("invented_later", delta={"a": 1}, item={"type": "message"}), text("Hello"), end()],
        [b'event: response.output_text.delta\ndata: {"delta":"Hello"}\n\n', end()],
        [text("Hello"), end(), b"data: [DONE]\n\n"],
    ],
)
def test_words_are_never_lost_and_never_doubled(stream: list[bytes]) -> None:
    assert read(*stream).text == "Hello"


SEALED = {"type": "reasoning", "id": "rs_1", "encrypted_content": "sealed"}


def test_pieces_of_thoughts_are_set_apart_and_go_back_as_one_item() -> None:
    summary = [{"type": "summary_text", "text": "**A**\n\na"}, {"type": "summary_text", "text": "**B**"}]
    item = {**SEALED, "summary": summary}

    def thought(delta: str, index: int) -> bytes:
        return event("reasoning_summary_text.delta", output_index=0, summary_index=index, delta=delta)

    stream = [added(0, {**SEALED, "summary": [], "encrypted_content": "other"})]
    stream += [thought("**A**\n\n", 0), thought("a", 0), thought("**B", 1), thought("**", 1), done(0, item)]
    message = read(*stream, added(1, said("", id="msg_1")), text("Hi", 1), done(1, said("Hi", id="msg_1")), end())
    assert message == whole(item, said("Hi", id="msg_1"), model="model")
    assert message.thinking == "**A**\n\na\n\n**B**"
    reply = {**said("Hi", id="msg_1"), "status": "completed"}
    reply["content"][0]["annotations"] = []
    assert sent(message) == [item, reply]


def test_raw_thoughts_go_back_as_they_came() -> None:
    item = {"type": "reasoning", "id": "x", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    message = whole(item, said("a", id="y"))
    assert message.thinking == "hm"
    assert sent(message)[0] == item
    assert "id" in sent(message, config=Config(item_ids="reasoning"))[0]
    assert not any("id" in item for item in sent(message, config=Config(item_ids="none")))


def test_thoughts_without_their_seal_stay_and_with_them_the_ids_of_what_they_led_to() -> None:
    thoughts = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    message = whole(thoughts, call("a", "one", "{}", id="fc_1"))
    assert message.thinking == "hm"
    assert sent(message) == [call("a", "one", "{}")]


def test_thoughts_at_the_end_of_an_answer_stay() -> None:
    message = whole(said("a", id="m"), SEALED, status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert message.stop_reason == "length"
    assert [item["type"] for item in sent(message)] == ["message"]


def test_a_model_that_cannot_think_gets_no_thoughts() -> None:
    message = whole({**SEALED, "summary": []}, said("a", id="m"), call("a", "one", "{}", id="f"))
    items = sent(message, config=Config(plain_models=("m",)))
    assert items == [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "a", "annotations": []}],
        },
        call("a", "one", "{}"),
    ]


def test_what_a_vendor_did_by_itself_is_kept_and_goes_back_unchanged() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    picture = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "aGk="}
    message = read(
        added(0, {**search, "status": "in_progress", "action": None}),
        event("web_search_call.searching", output_index=0, item_id="ws_1"),
        done(0, search),
        event("image_generation_call.partial_image", output_index=1, partial_image_b64="aGk="),
        added(2, said("")),
        text("found", 2),
        end(output=[search, picture, said("found", phase="final_answer")]),
    )
    assert message.text == "found"
    items = sent(message)
    assert items[0] == search
    assert picture in items
    assert items[-1 if items[-1]["type"] == "message" else 1]["phase"] == "final_answer"


def test_calls_of_tools_that_were_never_offered_stay() -> None:
    foreign = [{"type": "custom_tool_call", "call_id": "c"}, {"type": "tool_search_call", "execution": "client"}]
    assert [item["type"] for item in sent(whole(*foreign, said("a")))] == ["message"]


def test_a_refusal_is_text_that_was_filtered_and_goes_back_as_one() -> None:
    refusal = {"type": "message", "id": "m", "content": [{"type": "refusal", "refusal": "I will not."}]}
    stream = [added(0, {**refusal, "content": []}), event("refusal.delta", output_index=0, delta="I will ")]
    message = read(*stream, event("refusal.delta", output_index=0, delta="not."), done(0, refusal), end())
    assert message == whole(refusal, model="model")
    assert (message.text, message.stop_reason) == ("I will not.", "filtered")
    assert sent(message)[0]["content"] == refusal["content"]


def test_several_pieces_of_a_message_go_back_as_one_with_their_citations() -> None:
    cited = {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation", "url": "http://x"}]}
    plain = {"type": "output_text", "text": "b", "annotations": []}
    message = whole({"type": "message", "id": "m", "phase": "commentary", "content": [cited, plain]})
    assert message.text == "ab"
    [item] = sent(message)
    assert item["content"] == [cited, plain]
    assert item["phase"] == "commentary"


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("completed", None, ("end", "completed")),
        ("complete", None, ("end", "complete")),
        ("incomplete", "max_output_tokens", ("length", "max_output_tokens")),
        ("incomplete", "content_filter", ("filtered", "content_filter")),
        ("incomplete", None, ("length", "incomplete")),
    ],
)
def test_the_reason_to_stop_is_mapped_and_kept(status: str, reason: str | None, expected: tuple[str, str]) -> None:
    message = whole(said("a"), status=status, incomplete_details={"reason": reason})
    assert (message.stop_reason, message.stop_detail) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 7, "output_tokens": 3}, Usage(input=7, output=3)),
        (
            {
                "input_tokens": 9,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "output_tokens": 8,
                "output_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(input=9, output=8, cache_read=4, cache_write=2, reasoning=5),
        ),
        ({"input_tokens": "many"}, Usage()),
        (None, Usage()),
    ],
)
def test_tokens_are_counted(usage: object, expected: Usage) -> None:
    assert whole(said("a"), usage=usage).usage == expected


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ([], ModelUnavailable),
        ([text("a")], ModelUnavailable),
        ([text("a"), done(0, said("a"))], ModelUnavailable),
        ([text("a"), b"data: [DONE]\n\n"], ModelUnavailable),
        ([text("a"), b"data: {oops}\n\n"], ModelUnavailable),
        ([event("completed", response=3)], ModelUnavailable),
        ([end("failed")], ModelUnavailable),
        ([end("cancelled")], ModelUnavailable),
        ([end("failed", error={"code": "server_error", "message": "no"})], ModelUnavailable),
        ([end("failed", error={"code": "rate_limit_exceeded", "message": "no"})], ModelBusy),
        ([end("failed", error={"code": "insufficient_quota", "message": "no"})], ModelUnauthorized),
        ([end("failed", error={"code": "context_length_exceeded", "message": "no"})], ContextOverflow),
        ([end("failed", error={"code": "invalid_prompt", "message": "no"})], ModelRejected),
        ([b'data: {"type":"error","code":"rate_limit_exceeded","message":"slow down"}\n\n'], ModelBusy),
        ([b'data: {"type":"error","error":{"type":"invalid_request_error","message":"no"}}\n\n'], ModelRejected),
        ([b'event: error\ndata: {"message":"no"}\n\n'], ModelUnavailable),
        ([b'data: {"error":"boom"}\n\n'], ModelUnavailable),
        ([text("a"), end("failed", error={"code": "invalid_prompt", "message": "no"})], ModelUnavailable),
        ([text("a"), end("failed", error={"code": "rate_limit_exceeded", "message": "no"})], ModelBusy),
    ],
)
def test_a_stream_that_breaks_off_or_fails_is_no_answer(stream: list[bytes], kind: type[ModelError]) -> None:
    with pytest.raises(ModelError) as raised:
        read(*stream)
    assert type(raised.value) is kind


@pytest.mark.parametrize("body", [b"[]", b"{}", b"<html></html>", b'{"output": 3}', b'{"output": null, "model": "m"}'])
def test_a_body_that_is_no_answer_is_unavailable(body: bytes) -> None:
    with pytest.raises(ModelUnavailable):
        decode(body, origin())


TOOL = ToolSpec("look", "Look at it.", {"type": "object", "properties": {}})
PICTURE = Attachment("a.png", "image/png", "d", 2, b"hi")
PAPER = Attachment("b.pdf", "application/pdf", "d", 2, b"hi")
SONG = Attachment("c.mp3", "audio/mpeg", "d", 2, b"hi")


def test_a_request_carries_the_whole_conversation_and_asks_for_nothing_to_be_stored() -> None:
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
            UserMessage("these", attachments=(PICTURE, PAPER, SONG)),
        ),
        system="Be kind.",
        tools=(TOOL,),
        max_output_tokens=50,
        temperature=0.5,
    )
    assert encode(request, Config()) == {
        "model": "m",
        "instructions": "Be kind.",
        "input": [
            {"role": "user", "content": "hi"},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
            },
            {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "name": "look", "arguments": '{"invalid_json":"{ "}'},
            {"type": "function_call_output", "call_id": "a", "output": "it is"},
            {"type": "function_call_output", "call_id": "b", "output": "no"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "these"},
                    {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
                    {"type": "input_file", "filename": "b.pdf", "file_data": "data:application/pdf;base64,aGk="},
                    {"type": "input_text", "text": "[c.mp3, audio/mpeg: not shown]"},
                ],
            },
        ],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "Look at it.",
                "parameters": TOOL.parameters,
                "strict": False,
            }
        ],
        "max_output_tokens": 50,
        "temperature": 0.5,
    }


def body(effort: Effort = "off", model: str = "m", config: Config | None = None) -> dict[str, Any]:
    request = ModelRequest(model, (UserMessage("hi"),), effort=effort, temperature=0.5, max_output_tokens=1)
    return encode(request, config or Config())


def test_effort_is_asked_of_models_that_can_think_as_they_take_it() -> None:
    accent = Config(plain_models=("gpt-4*",), off_effort={"gpt-5.[1-9]*": "none", "gpt-5*": "minimal"})
    assert body("low")["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body("high", config=Config(summary=""))["reasoning"] == {"effort": "high"}
    assert "reasoning" not in body("off")
    assert body("off", "gpt-5.6-sol", accent)["reasoning"] == {"effort": "none"}
    assert body("off", "gpt-5-mini", accent)["reasoning"] == {"effort": "minimal"}
    assert "reasoning" not in body("off", "o3", accent)
    assert body("medium", "gpt-5-mini", accent)["reasoning"] == {"effort": "medium", "summary": "auto"}
    assert not {"reasoning", "include"} & body("high", "gpt-4.1", accent).keys()


def test_temperature_is_left_out_where_a_model_thinks() -> None:
    accent = Config(plain_models=("gpt-4*",), off_effort={"gpt-5.[1-9]*": "none", "gpt-5*": "minimal"})
    assert "temperature" in body("high", "gpt-4.1", accent)
    assert "temperature" in body("off", "gpt-5.6", accent)
    assert "temperature" not in body("low", "gpt-5.6", accent)
    assert "temperature" not in body("off", "gpt-5", accent)


def test_no_answer_is_asked_to_be_shorter_than_the_vendor_takes() -> None:
    assert body()["max_output_tokens"] == 16
    assert not {"max_output_tokens", "temperature"} & body(config=Config(sampling=False)).keys()


def test_a_server_that_needs_instructions_gets_some() -> None:
    accent = Config(instructions="Help.")
    assert body(config=accent)["instructions"] == "Help."
    assert encode(ModelRequest("m", (), system="Be kind."), accent)["instructions"] == "Be kind."
    assert "instructions" not in body()


@asynccontextmanager
async def served(*answers: Answer, path: str = "", **accent: Any) -> AsyncIterator[tuple[OpenAIResponses, ModelServer]]:
    async with ModelServer(answers) as server, Http() as http:
        yield OpenAIResponses(Config(**accent), reached(http, server, KEY, path)), server


async def ask(provider: OpenAIResponses, *messages: Message, stream: bool = True) -> list[Delta | AssistantMessage]:
    request = ModelRequest("m", messages or (UserMessage("hi"),), tools=(TOOL,), stream=stream)
    return [item async for item in provider.stream(request)]


FULL = Answer("Hello you", thinking="hm well", calls=(Call("look", '{"a": 1}'), Call("look", '{"b": 2}')))
MESSAGE = AssistantMessage(
    (
        Thinking("hm well", {"item": {"id": "rs_fake", "type": "reasoning", "encrypted_content": "c2VhbGVk"}}),
        Text("Hello you", {"item": {"id": "msg_fake", "type": "message", "phase": "commentary"}}),
        ToolCall("call_0", "look", '{"a": 1}', {"item": {"id": "fc_call_0", "type": "function_call"}}),
        ToolCall("call_1", "look", '{"b": 2}', {"item": {"id": "fc_call_1", "type": "function_call"}}),
    ),
    "tool_calls",
    Usage(input=10, output=5),
    "fake",
    "m",
    "completed",
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
            assert request.path == "/v1/responses"
            assert request.headers["authorization"] == f"Bearer {KEY}"
            assert request.body["model"] == "m"

    run(main())


def test_an_answer_comes_whole_when_asked_so() -> None:
    async def main() -> None:
        async with served(FULL) as (provider, server):
            assert await ask(provider, stream=False) == [MESSAGE]
            assert server.requests[0].body["stream"] is False

    run(main())


def test_the_key_goes_in_the_header_that_is_wanted() -> None:
    async def main() -> None:
        async with served(FULL, path="/openai/v1", key_header="api-key") as (provider, server):
            assert (await ask(provider))[-1] == MESSAGE
            assert server.requests[0].path == "/openai/v1/responses"
            assert server.requests[0].headers["api-key"] == KEY
            assert "authorization" not in server.requests[0].headers

    run(main())


def test_a_server_that_only_streams_is_asked_for_a_stream_and_only_the_whole_is_told() -> None:
    async def main() -> None:
        async with served(FULL, path="/backend-api/codex", version="", stream_only=True) as (provider, server):
            assert await ask(provider, stream=False) == [MESSAGE]
            assert server.requests[0].body["stream"] is True
            assert server.requests[0].path == "/backend-api/codex/responses"

    run(main())


def test_thoughts_go_back_to_who_had_them_and_to_nobody_else() -> None:
    other = msgspec.structs.replace(MESSAGE, provider="other")

    async def main() -> None:
        results = (ToolResult("call_0", "look", "a"), ToolResult("call_1", "look", "b"))
        async with served(Answer("a"), Answer("a")) as (provider, server):
            await ask(provider, UserMessage("hi"), MESSAGE, *results)
            await ask(provider, UserMessage("hi"), other, *results)
            own, foreign = (request.body["input"][1:-2] for request in server.requests)
            assert [item["type"] for item in own] == ["reasoning", "message", "function_call", "function_call"]
            assert [item.get("id") for item in own] == ["rs_fake", "msg_fake", "fc_call_0", "fc_call_1"]
            assert [item["type"] for item in foreign] == ["message", "function_call", "function_call"]
            assert not any("id" in item for item in foreign)

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        msgspec.structs.replace(FULL, dribble=True),
        msgspec.structs.replace(FULL, twice=True),
        msgspec.structs.replace(FULL, farewell=False),
        msgspec.structs.replace(FULL, headers={"Content-Type": "text/plain"}),
    ],
)
def test_a_clumsy_but_whole_stream_is_an_answer(answer: Answer) -> None:
    async def main() -> None:
        async with served(answer) as (provider, _):
            assert (await ask(provider))[-1] == MESSAGE

    run(main())


def test_an_answer_without_counts_is_an_answer() -> None:
    async def main() -> None:
        async with served(Answer("ü" * 9, usage=False, dribble=True)) as (provider, _):
            message = (await ask(provider))[-1]
            assert isinstance(message, AssistantMessage)
            assert (message.text, message.usage) == ("ü" * 9, Usage())

    run(main())


FAILURES = [
    pytest.param(Answer("a b c", cut_after=5), ModelUnavailable, "cut the connection", id="cut"),
    pytest.param(Answer("a b c", end_after=5), ModelUnavailable, "broke off", id="ended early"),
    pytest.param(Answer("a b c", stall_after=5), ModelUnavailable, "silent", id="stalled"),
    pytest.param(Answer(status=500), ModelUnavailable, "500", id="500"),
    pytest.param(Answer(status=429, headers={"Retry-After": "3"}), ModelBusy, "429", id="429"),
    pytest.param(Answer(status=401), ModelUnauthorized, "401", id="401"),
    pytest.param(
        Answer(status=400, body='{"detail": "Instructions are required"}'), ModelRejected, "required", id="400"
    ),
    pytest.param(
        Answer(status=400, body='{"error": "prompt is too long"}'), ContextOverflow, "too long", id="too long"
    ),
    pytest.param(Answer(body="<html>Sign in</html>", content_type="text/html"), ModelUnavailable, "HTML", id="HTML"),
    pytest.param(Answer(body="garbage", content_type="text/event-stream"), ModelUnavailable, "broke off", id="garbage"),
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


def test_a_reader_that_stops_hangs_up() -> None:
    async def main() -> None:
        async with served(Answer("a b c", stall_after=6), Answer("a b c", stall_after=6), stream_only=True) as (
            provider,
            server,
        ):
            stream = provider.stream(ModelRequest("m", (UserMessage("hi"),)))
            assert await anext(stream) == TextDelta("a ")
            await stream.aclose()
            await server.idle()

    run(main())


@pytest.mark.parametrize("field", ["context_length", "context_window", "max_model_len"])
def test_models_are_listed_with_their_size_where_it_is_told(field: str) -> None:
    told: list[dict[str, Any]] = [{"id": "a"}, {"slug": "b", field: 5}]

    async def main() -> list[ModelInfo]:
        async with ModelServer(models=told) as server, Http() as http:
            return await OpenAIResponses(Config(), reached(http, server, KEY)).models()

    assert run(main()) == [ModelInfo("a"), ModelInfo("b", 5)]


class TestContract(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Provider]:
            async with served(FULL) as (provider, _):
                yield provider

        return opened()

    def request(self, *, stream: bool = True) -> ModelRequest:
        return ModelRequest("m", (UserMessage("hi"),), stream=stream)
