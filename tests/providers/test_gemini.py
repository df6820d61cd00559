from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

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
    Message,
    ModelInfo,
    ModelRequest,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.catalogue import vendors
from carapax.models.server import Server
from carapax.providers.gemini import Config, Decoder, Gemini, decode, encode
from carapax.testing import FakeClock, ProviderContract
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer
from tests.fakes.reached import reached
from tests.providers.reading import check_deltas, fed, origin
from tests.running import run

KEY = "AIzaSyVerySecretKey1234567890abcdefghij"
TOOL = ToolSpec("look", "Look at it.", {"type": "object", "properties": {}})
ACCENT = msgspec.convert(vendors()["gemini"].accent, Config)


def chunk(*parts: dict[str, Any], stop: str = "", usage: dict[str, Any] | None = None, **fields: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0, **fields}
    if stop:
        candidate["finishReason"] = stop
    body: dict[str, Any] = {"candidates": [candidate], "modelVersion": "gemini-x-001"}
    if usage is not None:
        body["usageMetadata"] = usage
    return b"data: %b\r\n\r\n" % msgspec.json.encode(body)


def call(name: str, /, call_id: str = "", signature: str = "", **arguments: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": name, "args": arguments}}
    if call_id:
        part["functionCall"]["id"] = call_id
    return {**part, "thoughtSignature": signature} if signature else part


def read(*stream: bytes) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, stream)
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def encoded(*messages: Message, effort: Effort = "off", config: Config | None = None, **fields: Any) -> dict[str, Any]:
    return encode(ModelRequest("m", messages, effort=effort, **fields), config or Config())


def test_parts_come_in_order_and_go_back_as_they_came() -> None:
    message = read(
        chunk({"text": "hm", "thought": True}),
        chunk({"text": " well", "thought": True}),
        chunk({"text": "sealed", "thought": True, "thoughtSignature": "t"}),
        chunk({"text": "Hel"}),
        chunk({"text": "lo"}, {"text": ""}),
        chunk({"text": " you", "thoughtSignature": "s"}),
        chunk({"text": "."}),
        chunk({"text": "", "thoughtSignature": "e"}),
        chunk(call("look", "a1", "c", x=1), call("look", "a2", x="é")),
        chunk({"thoughtSignature": "alone"}, stop="STOP", usage={"promptTokenCount": 3, "candidatesTokenCount": 4}),
    )
    assert message == AssistantMessage(
        (
            Thinking("hm well", {"thought": True}),
            Thinking("sealed", {"thought": True, "thoughtSignature": "t"}),
            Text("Hello"),
            Text(" you", {"thoughtSignature": "s"}),
            Text("."),
            Text("", {"thoughtSignature": "e"}),
            ToolCall("a1", "look", '{"x":1}', {"id": "a1", "thoughtSignature": "c"}),
            ToolCall("a2", "look", '{"x":"é"}', {"id": "a2"}),
            Text("", {"thoughtSignature": "alone"}),
        ),
        "tool_calls",
        Usage(input=3, output=4),
        "vendor",
        "gemini-x-001",
        "STOP",
    )
    results = (ToolResult("a1", "look", "one"), ToolResult("a2", "look", "no", is_error=True))
    assert encoded(message, *results)["contents"] == [
        {
            "role": "model",
            "parts": [
                {"text": "hm well", "thought": True},
                {"text": "sealed", "thought": True, "thoughtSignature": "t"},
                {"text": "Hello"},
                {"text": " you", "thoughtSignature": "s"},
                {"text": "."},
                {"text": "", "thoughtSignature": "e"},
                {"functionCall": {"id": "a1", "name": "look", "args": {"x": 1}}, "thoughtSignature": "c"},
                {"functionCall": {"id": "a2", "name": "look", "args": {"x": "é"}}},
                {"text": "", "thoughtSignature": "alone"},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "a1", "name": "look", "response": {"output": "one"}}},
                {"functionResponse": {"id": "a2", "name": "look", "response": {"error": "no"}}},
            ],
        },
    ]


def test_calls_without_ids_are_told_apart_and_answered_by_name_and_order() -> None:
    message = read(chunk(call("look", x=1), call("look", x=1)), chunk(call("see"), stop="STOP"))
    assert message.tool_calls == (
        ToolCall("call_id_0", "look", '{"x":1}'),
        ToolCall("call_id_1", "look", '{"x":1}'),
        ToolCall("call_id_2", "see", "{}"),
    )
    results = [ToolResult(call.id, call.name, f"of {call.id}") for call in message.tool_calls]
    said, answered = encoded(message, *results)["contents"]
    assert said["parts"][0] == {"functionCall": {"name": "look", "args": {"x": 1}}}
    assert answered["parts"] == [
        {"functionResponse": {"name": "look", "response": {"output": "of call_id_0"}}},
        {"functionResponse": {"name": "look", "response": {"output": "of call_id_1"}}},
        {"functionResponse": {"name": "see", "response": {"output": "of call_id_2"}}},
    ]


def test_what_comes_twice_never_makes_a_call_twice() -> None:
    named, unnamed = chunk(call("look", "a", x=1)), chunk(call("see", x=1), usage={"promptTokenCount": 1})
    message = read(
        named, named, chunk(call("look", "a", x=1)), unnamed, unnamed, chunk(call("look", "a", x=2), stop="STOP")
    )
    assert message.parts == (
        ToolCall("a", "look", '{"x":1}', {"id": "a"}),
        ToolCall("call_id_1", "see", '{"x":1}'),
        ToolCall("call_id_2", "look", '{"x":2}', {"id": "a"}),
    )


def test_a_reason_to_stop_that_comes_with_every_event_ends_nothing() -> None:
    message = read(chunk(stop="STOP"), chunk({"text": "a"}, stop="STOP"), chunk({"text": "b"}), chunk(stop="STOP"))
    assert (message.text, message.stop_reason) == ("ab", "end")


def test_words_that_are_repeated_are_no_repetition() -> None:
    again = chunk({"text": "ha"})
    assert read(again, again, chunk({"text": "ha"}, stop="STOP")).text == "hahaha"


def test_what_a_vendor_did_by_itself_is_kept_and_goes_back_unchanged() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1+1", "id": "x"}, "thoughtSignature": "s"}
    outcome = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}
    image = {"inlineData": {"mimeType": "image/png", "data": "eA=="}}
    found = {"groundingChunks": [{"web": {"uri": "https://x"}}]}
    message = read(
        chunk(code, outcome, {"text": "Two"}, groundingMetadata={}),
        chunk(image, {"text": "."}, stop="STOP", groundingMetadata=found, urlContextMetadata={"urlMetadata": [1]}),
    )
    assert message.parts == (
        Text("", {"part": code}),
        Text("", {"part": outcome}),
        Text("Two"),
        Text("", {"part": image}),
        Text(".", {"grounding_metadata": found, "url_context_metadata": {"urlMetadata": [1]}}),
    )
    assert encoded(message)["contents"][0]["parts"] == [code, outcome, {"text": "Two"}, image, {"text": "."}]


def test_the_last_counts_hold_and_what_is_counted_apart_is_added() -> None:
    message = read(
        chunk({"text": "a"}, usage={"promptTokenCount": 169, "thoughtsTokenCount": 5}),
        chunk({"text": "b"}, usage={"promptTokenCount": "wrong", "candidatesTokenCount": []}),
        chunk(
            {"text": "c"},
            stop="STOP",
            usage={
                "promptTokenCount": 100,
                "cachedContentTokenCount": 60,
                "toolUsePromptTokenCount": 30,
                "candidatesTokenCount": 8,
                "thoughtsTokenCount": 2,
            },
        ),
        b'data: {"modelVersion": "later"}\r\n\r\n',
    )
    assert message.usage == Usage(input=130, output=10, cache_read=60, reasoning=2, tool=30)
    assert read(chunk({"text": "a"}, stop="STOP")).usage == Usage()
    assert read(chunk({"text": "a"}, stop="STOP", usage={"promptTokenCount": []})).usage == Usage()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "end"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "filtered"),
        ("RECITATION", "filtered"),
        ("PROHIBITED_CONTENT", "filtered"),
        ("NEWS_TO_US", "end"),
    ],
)
def test_the_reason_to_stop_is_mapped_and_kept(word: str, reason: str) -> None:
    message = read(chunk({"text": "a"}, stop=word))
    assert (message.stop_reason, message.stop_detail) == (reason, word)


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE", "OTHER"])
def test_a_model_that_failed_at_what_it_began_may_be_asked_again(word: str) -> None:
    with pytest.raises(ModelUnavailable, match=rf"{word} print\(look"):
        read(chunk(stop=word, finishMessage="print(look)"))


def test_a_blocked_prompt_is_a_filtered_answer() -> None:
    said = b'{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 7}}'
    blocked = AssistantMessage((), "filtered", Usage(input=7), "vendor", "model", "PROHIBITED_CONTENT")
    assert decode(said, origin()) == blocked
    assert read(b"data: %b\n\n" % said) == blocked


def test_a_stream_that_was_sent_as_a_list_is_an_answer() -> None:
    chunks = [chunk({"text": "a"}), chunk({"text": "b"}, stop="STOP")]
    body = b"[%b]" % b",\n".join(part[6:].strip() for part in chunks)
    assert decode(body, origin()) == read(*chunks)


def test_a_whole_answer_needs_no_reason_to_stop() -> None:
    assert decode(b'{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}', origin()).stop_reason == "end"


def refused(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": details}}


QUOTA = "You exceeded your current quota, please check your plan and billing details."
ERRORS = [
    (refused(400, "INVALID_ARGUMENT", "Unknown name"), ModelRejected),
    (
        refused(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}),
        ModelUnauthorized,
    ),
    (
        refused(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (5)."),
        ContextOverflow,
    ),
    (refused(403, "PERMISSION_DENIED", "Denied"), ModelUnauthorized),
    (refused(404, "NOT_FOUND", "models/x is not found"), ModelRejected),
    (refused(429, "RESOURCE_EXHAUSTED", QUOTA), ModelBusy),
    (refused(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), ModelUnauthorized),
    (refused(500, "INTERNAL", "oops"), ModelUnavailable),
    (refused(503, "UNAVAILABLE", "The model is overloaded."), ModelUnavailable),
]


@pytest.mark.parametrize(("said", "kind"), ERRORS)
@pytest.mark.parametrize("listed", [False, True])
def test_an_error_has_its_kind_wherever_it_comes(said: dict[str, Any], kind: type[ModelError], listed: bool) -> None:
    body = msgspec.json.encode([said] if listed else said)
    asks: tuple[Callable[[], AssistantMessage], ...] = (
        lambda: decode(body, origin()),
        lambda: read(chunk({"text": "a"}), b"data: %b\n\n" % body),
    )
    for answered in asks:
        with pytest.raises(ModelError) as raised:
            answered()
        assert type(raised.value) is kind
        assert said["error"]["message"] in raised.value.message


def test_how_long_to_wait_is_read_from_the_details() -> None:
    kind = "type.googleapis.com/google.rpc.RetryInfo"
    said = refused(429, "RESOURCE_EXHAUSTED", QUOTA, {"@type": "x"}, {"@type": kind, "retryDelay": "34.4s"})
    with pytest.raises(ModelBusy) as raised:
        decode(msgspec.json.encode(said), origin())
    assert (raised.value.retry_after_s, raised.value.hint) == (34.4, "try again in 35 s")


@pytest.mark.parametrize(
    "stream",
    [
        [],
        [chunk({"text": "a"})],
        [chunk(stop="STOP"), chunk({"text": "a"})],
        [b'data: {"usageMetadata": {"promptTokenCount": 1}}\n\n'],
        [b"data: {oops\n\n"],
        [b'data: {"candidates": 5}\n\n'],
        [b'data: {"candidates": [{"content": {"parts": ["x"]}}]}\n\n'],
    ],
)
def test_a_stream_that_breaks_off_is_no_answer(stream: list[bytes]) -> None:
    with pytest.raises(ModelUnavailable):
        read(*stream)


def test_new_kinds_of_parts_and_fields_are_passed_over() -> None:
    new = {"hologram": {"x": 1}}
    message = read(b": keep-alive\n\n", chunk({"text": "a", "mood": 3}, new, invented=[1]), chunk(stop="STOP"))
    assert message.text == "a"
    assert message.parts[1] == Text("", {"part": new})


@pytest.mark.parametrize("body", [b"[]", b"{}", b"<html></html>", b'{"candidates": 3}', b'{"candidates": []}'])
def test_a_body_that_is_no_answer_is_unavailable(body: bytes) -> None:
    with pytest.raises(ModelUnavailable):
        decode(body, origin())


def test_a_request_carries_the_whole_conversation_with_roles_in_turn() -> None:
    body = encoded(
        UserMessage("hi"),
        UserMessage(" "),
        UserMessage("you"),
        AssistantMessage((Thinking("another's"), Text(""), Text("I look."), ToolCall("b!", "do it", "{ "))),
        ToolResult("b!", "do it", "", is_error=True),
        UserMessage("well?"),
        AssistantMessage(()),
        system="Be kind.",
        tools=(TOOL,),
        max_output_tokens=50,
        temperature=0.5,
    )
    assert body == {
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}, {"text": "you"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "I look."},
                    {"functionCall": {"name": "do_it", "args": {"invalid_json": "{ "}}},
                ],
            },
            {"role": "user", "parts": [{"functionResponse": {"name": "do_it", "response": {"error": ""}}}]},
            {"role": "user", "parts": [{"text": "well?"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be kind."}]},
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "look", "description": "Look at it.", "parametersJsonSchema": TOOL.parameters}
                ]
            }
        ],
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 50},
    }


def test_files_go_with_a_message_where_the_vendor_can_read_them() -> None:
    files = tuple(
        Attachment(name, kind, "", 3, data)
        for name, kind, data in (
            ("a.png", "image/png", b"png"),
            ("b.pdf", "application/pdf", b"pdf"),
            ("c.wav", "audio/wav", b"wav"),
            ("d.gif", "image/gif", b"gif"),
            ("e.png", "image/png", b""),
        )
    )
    assert encoded(UserMessage("see", attachments=files))["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "cG5n"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "cGRm"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "d2F2"}},
        {"text": "[d.gif, image/gif: not shown]"},
        {"text": "[e.png, image/png: not shown]"},
        {"text": "see"},
    ]


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.0-flash", "high", None),
        ("gemini-2.0-flash", "off", None),
        ("gemma-3-27b-it", "high", None),
        ("gemini-2.5-pro", "off", {"thinkingBudget": 128}),
        ("gemini-2.5-flash", "off", {"thinkingBudget": 0}),
        ("gemini-2.5-flash-lite", "low", {"thinkingBudget": 2048, "includeThoughts": True}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-flash-preview", "off", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.1-flash-lite", "off", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.8-flash", "off", {"thinkingLevel": "LOW"}),
        ("gemini-3.1-pro-preview", "off", {"thinkingLevel": "LOW"}),
        ("gemini-flash-latest", "off", {"thinkingLevel": "LOW"}),
        ("gemini-3.5-flash", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
    ],
)
def test_each_family_of_models_is_told_its_own_way_how_much_to_think(
    model: str, effort: Effort, thinking: dict[str, Any] | None
) -> None:
    body = encode(ModelRequest(model, (UserMessage("hi"),), effort=effort), ACCENT)
    assert body.get("generationConfig") == ({"thinkingConfig": thinking} if thinking else None)


def test_a_budget_for_thinking_comes_on_top_of_the_answer() -> None:
    config = Config({"m": 0})
    assert encoded(UserMessage("hi"), effort="low", config=config, max_output_tokens=100)["generationConfig"] == {
        "maxOutputTokens": 2148,
        "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True},
    }


def test_calls_of_another_vendors_model_are_let_stand_where_a_signature_is_asked_for() -> None:
    foreign = AssistantMessage((ToolCall("toolu_1", "look", "{}"), ToolCall("toolu_2", "look", "{}")))
    signed = AssistantMessage((ToolCall("a", "look", "{}", {"thoughtSignature": "s"}), ToolCall("b", "look", "{}")))
    contents = encoded(foreign, UserMessage("and"), signed, config=Config({"m": "low"}))["contents"]
    unsigned = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
    assert [part.get("thoughtSignature") for part in contents[0]["parts"]] == [unsigned, None]
    assert [part.get("thoughtSignature") for part in contents[2]["parts"]] == ["s", None]
    assert "thoughtSignature" not in encoded(foreign, config=Config({"m": 0}))["contents"][0]["parts"][0]


FULL = Answer("Hello you", thinking="hm well", calls=(Call("look", '{"a": 1}'),))
MESSAGE = AssistantMessage(
    (
        Thinking("hm well", {"thought": True}),
        Text("Hello you"),
        ToolCall("call_0", "look", '{"a":1}', {"id": "call_0", "thoughtSignature": "c2lnbmVk"}),
    ),
    "tool_calls",
    Usage(input=10, output=5),
    "fake",
    "m",
    "STOP",
)


@asynccontextmanager
async def served(*answers: Answer, path: str = "") -> AsyncIterator[tuple[Gemini, ModelServer]]:
    async with ModelServer(answers) as server, Http() as http:
        yield Gemini(Config(), reached(http, server, KEY, path)), server


async def ask(provider: Gemini, model: str = "m", *, stream: bool = True) -> list[Delta | AssistantMessage]:
    return [item async for item in provider.stream(ModelRequest(model, (UserMessage("hi"),), stream=stream))]


def test_an_answer_streams_piece_by_piece_over_the_wire() -> None:
    async def main() -> None:
        async with served(FULL) as (provider, server):
            assert await ask(provider) == [
                ThinkingDelta("hm "),
                ThinkingDelta("well"),
                TextDelta("Hello "),
                TextDelta("you"),
                ToolArgumentsDelta(0, '{"a":1}', "call_0", "look"),
                MESSAGE,
            ]
            [request] = server.requests
            assert request.path == "/v1beta/models/m:streamGenerateContent?alt=sse"
            assert request.headers["x-goog-api-key"] == KEY
            assert request.last_text == "hi"

    run(main())


def test_an_answer_comes_whole_when_asked_so() -> None:
    async def main() -> None:
        async with served(FULL) as (provider, server):
            assert await ask(provider, stream=False) == [MESSAGE]
            assert server.requests[0].path == "/v1beta/models/m:generateContent"

    run(main())


@pytest.mark.parametrize(
    ("base", "model", "path"),
    [
        ("/v1beta/", "gemini-3", "/v1beta/models/gemini-3"),
        ("/v1beta/models", "models/gemini-3", "/v1beta/models/gemini-3"),
        ("/v1/publishers/google", "gemini-3", "/v1/publishers/google/models/gemini-3"),
        ("", "tunedModels/mine", "/v1beta/tunedModels/mine"),
        ("", "odd?name", "/v1beta/models/odd%3Fname"),
    ],
)
def test_addresses_of_either_of_the_vendors_services_lead_there(base: str, model: str, path: str) -> None:
    async def main() -> None:
        async with served(Answer("a"), path=base) as (provider, server):
            await ask(provider, model, stream=False)
            assert server.requests[0].path == f"{path}:generateContent"

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(msgspec.structs.replace(FULL, dribble=True), id="byte by byte"),
        pytest.param(msgspec.structs.replace(FULL, twice=True), id="every event twice"),
        pytest.param(msgspec.structs.replace(FULL, calls=(Call("look", '{"a": 1}', "call_0"),) * 2), id="call twice"),
    ],
)
def test_a_clumsy_but_whole_stream_is_an_answer(answer: Answer) -> None:
    async def main() -> None:
        async with served(answer) as (provider, _):
            assert (await ask(provider))[-1] == MESSAGE

    run(main())


def test_counts_may_never_come() -> None:
    async def main() -> None:
        async with served(Answer("a", usage=False)) as (provider, _):
            assert (await ask(provider))[-1] == AssistantMessage((Text("a"),), "end", Usage(), "fake", "m", "STOP")

    run(main())


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(Answer("a b c", cut_after=2), ModelUnavailable, "cut the connection", id="cut"),
        pytest.param(Answer("a b c", end_after=2), ModelUnavailable, "broke off", id="ended early"),
        pytest.param(Answer("a b c", stall_after=2), ModelUnavailable, "silent", id="stalled"),
        pytest.param(Answer(stop="MALFORMED_FUNCTION_CALL"), ModelUnavailable, "MALFORMED", id="malformed call"),
        pytest.param(Answer(status=503), ModelUnavailable, "503", id="503"),
        pytest.param(
            Answer(body="<html>Sign in</html>", content_type="text/html"), ModelUnavailable, "HTML", id="HTML"
        ),
        pytest.param(
            Answer(status=429, body='{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"slow"}}'),
            ModelBusy,
            "slow",
            id="429",
        ),
        pytest.param(Answer(error=f"wrong key {KEY}"), ModelUnavailable, r"wrong key \*", id="key in an error"),
        pytest.param(
            Answer(error="wrong key AIzaSyAnotherSecret1234567890abcdefghij"),
            ModelUnavailable,
            r"wrong key \*",
            id="another key in an error",
        ),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_server_that_misbehaves_is_told_by_what_it_did(
    answer: Answer, kind: type[ModelError], words: str, stream: bool
) -> None:
    if not stream and any(fault is not None for fault in (answer.cut_after, answer.end_after, answer.stall_after)):
        return

    async def main() -> None:
        async with served(answer) as (provider, _):
            with pytest.raises(ModelError, match=words) as raised:
                await ask(provider, stream=stream)
            assert type(raised.value) is kind
            assert "AIza" not in str(raised.value)

    run(main())


def test_models_that_can_chat_are_listed_with_their_size() -> None:
    async def main() -> list[ModelInfo]:
        offered: list[str | dict[str, Any]] = [
            {"name": "models/a", "inputTokenLimit": 1000, "supportedGenerationMethods": ["generateContent"]},
            {"name": "models/vectors", "supportedGenerationMethods": ["embedContent"]},
            {"name": "publishers/google/models/b"},
        ]
        async with ModelServer(models=offered) as server, Http() as http:
            return await Gemini(Config(), reached(http, server, KEY)).models()

    assert run(main()) == [ModelInfo("a", 1000), ModelInfo("b", 1_048_576)]


def test_a_list_of_models_may_have_more_than_one_page() -> None:
    async def listed(request: web.Request) -> web.Response:
        page = int(request.query.get("pageToken", "0"))
        token = {"nextPageToken": str(page + 1)} if page < 2 else {}
        return web.json_response({"models": [{"name": f"models/m{page}"}], **token})

    async def main() -> list[str]:
        app = web.Application()
        app.router.add_get("/v1beta/models", listed)
        async with TestServer(app) as server, Http() as http:
            provider = Gemini(Config(), Server("fake", http, FakeClock(), str(server.make_url("/"))))
            return [model.name for model in await provider.models()]

    assert run(main()) == ["m0", "m1", "m2"]


class TestContract(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Provider]:
            async with served(FULL) as (provider, _):
                yield provider

        return opened()

    def request(self, *, stream: bool = True) -> ModelRequest:
        return ModelRequest("m", (UserMessage("hi"),), stream=stream)
