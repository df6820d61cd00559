from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from carapax.contracts import Provider
from carapax.errors import ContextOverflow, ModelBusy, ModelError, ModelRejected, ModelUnavailable
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
from carapax.models.credential import Credential
from carapax.models.server import Server
from carapax.providers.anthropic import Anthropic, Config, Decoder, decode, encode
from carapax.redaction import Secret
from carapax.testing import FakeClock, ProviderContract
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer
from tests.fakes.reached import reached
from tests.providers.reading import check_deltas, fed, origin
from tests.running import run

KEY = "sk-ant-verysecret12345"
TOOL = ToolSpec("look", "Look at it.", {"type": "object", "properties": {}})
THOUGHT = Thinking("hm", {"signature": "s"})
CALL = ToolCall("a", "look", "{}")
RESULT = ToolResult("a", "look", "it is")


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    """All events of one block."""
    pieces = [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    begin = event("content_block_start", index=index, content_block=start)
    return b"".join([begin, *pieces, event("content_block_stop", index=index)])


def end(reason: str | None = "end_turn", **usage: Any) -> bytes:
    return event("message_delta", delta={"stop_reason": reason}, usage=usage) + event("message_stop")


def read(*stream: bytes) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, stream)
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def test_parts_come_in_order_with_what_must_go_back() -> None:
    sealed = {"type": "redacted_thinking", "data": "x"}
    citation = {"type": "web_search_result_location", "url": "http://x"}
    message = read(
        event("message_start", message={"model": "model-2", "content": [], "usage": {"input_tokens": 3}}),
        event("ping"),
        block(
            0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "hm"}
        ).replace(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n', b""),
        event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"}),
        block(1, sealed),
        block(2, {"type": "text", "text": ""}, {"type": "text_delta", "text": "a"}),
        block(
            3,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "b"},
            {"type": "citations_delta", "citation": citation},
        ),
        end(output_tokens=4),
    )
    assert message == AssistantMessage(
        (
            Thinking("hm", {"signature": "s"}),
            Thinking("", {"redacted_thinking": "x"}),
            Text("a"),
            Text("b", {"citations": [citation]}),
        ),
        "end",
        Usage(input=3, output=4),
        "vendor",
        "model-2",
        "end_turn",
    )
    assert encode(ModelRequest("m", (message,)), Config())["messages"][0]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        sealed,
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "citations": [citation]},
    ]


def test_tool_calls_may_be_interleaved_empty_or_whole() -> None:
    use = {"type": "tool_use", "input": {}}
    message = read(
        event("content_block_start", index=0, content_block={**use, "id": "a", "name": "one"}),
        event("content_block_start", index=1, content_block={**use, "id": "b", "name": "two"}),
        event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"x":'}),
        event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": ""}),
        event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": "1}"}),
        event("content_block_stop", index=0),
        event("content_block_stop", index=1),
        block(2, {**use, "id": "c", "name": "three", "input": {"y": 2}}),
        block(3, {**use, "name": "four", "caller": {"type": "code_execution", "tool_id": "t"}}),
        end("tool_use"),
    )
    assert message.parts == (
        ToolCall("a", "one", "{}"),
        ToolCall("b", "two", '{"x":1}'),
        ToolCall("c", "three", '{"y":2}'),
        ToolCall("call_id_3", "four", "{}", {"caller": {"type": "code_execution", "tool_id": "t"}}),
    )
    assert message.stop_reason == "tool_calls"


def test_what_a_vendor_did_by_itself_is_kept_and_goes_back_unchanged() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "http://x"}]}
    summary = {"type": "compaction", "content": None}
    message = read(
        block(0, use, {"type": "input_json_delta", "partial_json": '{"query": "x"}'}),
        block(1, result),
        block(2, summary, {"type": "compaction_delta", "content": "so far"}),
        block(3, {"type": "text", "text": "found"}),
        block(4, {**use, "id": "broken"}, {"type": "input_json_delta", "partial_json": '{"que'}),
        end("pause_turn"),
    )
    assert (message.text, message.stop_reason, message.tool_calls) == ("found", "paused", ())
    assert encode(ModelRequest("m", (message,)), Config())["messages"][0]["content"] == [
        {**use, "input": {"query": "x"}},
        result,
        {**summary, "content": "so far"},
        {"type": "text", "text": "found"},
        {**use, "id": "broken", "input": {}},
    ]


def test_events_that_come_twice_never_make_a_call_twice() -> None:
    use = {"type": "tool_use", "id": "a", "name": "one", "input": {}}
    start = event("content_block_start", index=0, content_block=use)
    delta = event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": "{}"})
    stop = event("content_block_stop", index=0)
    assert read(start, start, delta, delta, stop, stop, end("tool_use")).parts == (ToolCall("a", "one", "{}{}"),)


def test_a_block_that_was_never_closed_is_whole_with_the_message() -> None:
    use = {"type": "tool_use", "id": "a", "name": "one", "input": {}}
    decoder = Decoder(origin())
    fed(decoder, [event("content_block_start", index=0, content_block=use), end("tool_use")])
    assert decoder.finish().parts == (ToolCall("a", "one", "{}"),)


def test_all_of_the_prompt_is_counted_and_later_counts_replace_earlier_ones() -> None:
    first = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    last: dict[str, Any] = {
        "output_tokens": 9,
        "cache_read_input_tokens": None,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    message = read(event("message_start", message={"usage": first}), end(**last))
    assert message.usage == Usage(input=123, output=9, cache_read=100, cache_write=20, reasoning=4)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "filtered"),
        ("pause_turn", "paused"),
        ("news_to_us", "end"),
    ],
)
def test_the_reason_to_stop_is_mapped_and_kept(word: str, reason: str) -> None:
    message = read(block(0, {"type": "text", "text": "a"}), end(word))
    assert (message.stop_reason, message.stop_detail) == (reason, word)


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ([], ModelUnavailable),
        ([block(0, {"type": "text", "text": "a"})], ModelUnavailable),
        ([block(0, {"type": "text", "text": "a"}), end(None)], ModelUnavailable),
        ([event("error", error={"type": "overloaded_error", "message": "Overloaded"})], ModelBusy),
        ([event("error", error={"type": "api_error", "message": "no"})], ModelUnavailable),
        ([event("error", error={"type": "invalid_request_error", "message": "prompt is too long"})], ContextOverflow),
        ([b'data: {"error": {"type": "invalid_request_error", "message": "no"}}\n\n'], ModelRejected),
        ([b"event: message_start\ndata: {oops\n\n"], ModelUnavailable),
        ([event("content_block_delta", index="x")], ModelUnavailable),
    ],
)
def test_a_stream_that_breaks_off_or_fails_is_no_answer(stream: list[bytes], kind: type[ModelError]) -> None:
    with pytest.raises(ModelError) as raised:
        read(*stream)
    assert type(raised.value) is kind


def test_a_stream_needs_no_farewell_after_its_reason_to_stop_and_new_events_are_passed_over() -> None:
    told = event("message_delta", delta={"stop_reason": "end_turn"})
    pieces = [event("invented_later", index=7), event("content_block_delta", index=9, delta={"text": "lost"})]
    assert read(*pieces, block(0, {"type": "text", "text": "a"}), told).text == "a"


@pytest.mark.parametrize("body", [b"[]", b"{}", b"<html></html>", b'{"content": 3}'])
def test_a_body_that_is_no_message_is_unavailable(body: bytes) -> None:
    with pytest.raises(ModelUnavailable):
        decode(body, origin())


def encoded(*messages: Message, effort: Effort = "off", config: Config | None = None, **fields: Any) -> dict[str, Any]:
    return encode(ModelRequest("m", messages, effort=effort, **fields), config or Config(cache=False))


def test_a_request_carries_the_whole_conversation_with_roles_in_turn() -> None:
    body = encoded(
        UserMessage("hi"),
        UserMessage(" "),
        UserMessage("you"),
        AssistantMessage((Thinking("hm"), Text(" "), Text("I look."), CALL, ToolCall("b!", "do it", "{ "))),
        RESULT,
        ToolResult("b!", "do it", "", is_error=True),
        UserMessage("well?"),
        AssistantMessage((Thinking("unsigned"),)),
        system="Be kind.",
        tools=(TOOL,),
        max_output_tokens=50,
        temperature=0.5,
        stream=False,
    )
    changed = body["messages"][1]["content"][2]["id"]
    assert changed.isalnum()
    assert body == {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "you"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "a", "name": "look", "input": {}},
                    {"type": "tool_use", "id": changed, "name": "do_it", "input": {"invalid_json": "{ "}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "it is"},
                    {"type": "tool_result", "tool_use_id": changed, "is_error": True},
                    {"type": "text", "text": "well?"},
                ],
            },
        ],
        "stream": False,
        "max_tokens": 50,
        "system": [{"type": "text", "text": "Be kind."}],
        "tools": [{"name": "look", "description": "Look at it.", "input_schema": TOOL.parameters}],
        "temperature": 0.5,
    }


def test_what_can_be_cached_is_marked_at_its_end_and_where_the_last_request_was_marked() -> None:
    mark = {"type": "ephemeral"}
    config = Config()
    one = (UserMessage("hi"), UserMessage("you"))
    two = (*one, AssistantMessage((CALL,)), RESULT)
    three = (*two, AssistantMessage((Text("done"),)), UserMessage("more"))

    def marked(*messages: Message) -> list[dict[str, Any]]:
        body = encoded(*messages, config=config, system="Be kind.", tools=(TOOL, TOOL))
        told = [*body["tools"], *body["system"], *(block for turn in body["messages"] for block in turn["content"])]
        return [block for block in told if block.pop("cache_control", None) == mark]

    tool = {"name": "look", "description": "Look at it.", "input_schema": TOOL.parameters}
    system, you = {"type": "text", "text": "Be kind."}, {"type": "text", "text": "you"}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "it is"}
    assert marked(*one) == [tool, system, you]
    assert marked(*two) == [tool, system, you, result]
    assert marked(*three) == [tool, system, result, {"type": "text", "text": "more"}]


def test_files_go_with_a_message_where_the_vendor_can_read_them() -> None:
    files = tuple(
        Attachment(name, kind, "", 3, data)
        for name, kind, data in (
            ("a.png", "image/png", b"png"),
            ("b.pdf", "application/pdf", b"pdf"),
            ("c.wav", "audio/wav", b"wav"),
            ("d.gif", "image/gif", b""),
        )
    )
    assert encoded(UserMessage("see", attachments=files))["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cG5n"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}},
        {"type": "text", "text": "[c.wav, audio/wav: not shown]"},
        {"type": "text", "text": "[d.gif, image/gif: not shown]"},
        {"type": "text", "text": "see"},
    ]


def test_the_system_text_begins_with_what_a_login_demands() -> None:
    config = Config(cache=False, system_prefix="I am so and so.")
    first, second = {"type": "text", "text": "I am so and so."}, {"type": "text", "text": "Be kind."}
    assert encoded(UserMessage("hi"), config=config, system="Be kind.")["system"] == [first, second]
    assert encoded(UserMessage("hi"), config=config)["system"] == [first]


def test_thinking_has_a_budget_on_top_of_the_answer() -> None:
    body = encoded(UserMessage("hi"), effort="medium", max_output_tokens=100, temperature=0.5)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    assert body["max_tokens"] == 8292
    assert "temperature" not in body


SUMMARIZED = {"type": "adaptive", "display": "summarized"}
BINDING = {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}


@pytest.mark.parametrize(
    ("model", "effort", "told"),
    [
        ("claude-sonnet-4-5", "off", {"temperature": 0.5}),
        ("claude-sonnet-4-6", "off", {"temperature": 0.5}),
        ("claude-opus-4-8", "off", {}),
        ("claude-opus-5", "off", {"thinking": {"type": "disabled"}}),
        ("claude-haiku-5-5", "off", {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", "off", {"thinking": {"type": "between_tools"}}),
        ("claude-fable-5", "off", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ("claude-opus-5-5", "off", {"thinking": {"type": "adaptive", **BINDING}, "output_config": {"effort": "low"}}),
        ("claude-sonnet-4-6", "low", {"thinking": SUMMARIZED, "output_config": {"effort": "low"}}),
        ("claude-opus-5", "high", {"thinking": SUMMARIZED, "output_config": {"effort": "high"}}),
        ("claude-opus-5-5", "medium", {"thinking": {**SUMMARIZED, **BINDING}, "output_config": {"effort": "medium"}}),
    ],
)
def test_each_model_is_told_its_own_way_how_much_to_think(model: str, effort: Effort, told: dict[str, Any]) -> None:
    config = msgspec.convert(vendors()["anthropic"].accent, Config)
    request = ModelRequest(model, (UserMessage("hi"),), effort=effort, temperature=0.5, max_output_tokens=100)
    body = encode(request, config)
    assert {key: body[key] for key in ("thinking", "output_config", "temperature") if key in body} == told
    room = {"low": 2148, "medium": 8292, "high": 24676}
    assert body["max_tokens"] == room.get(body.get("output_config", {}).get("effort"), 100)


def test_models_that_decide_themselves_go_on_thinking_in_a_turn_begun_without() -> None:
    config = Config(adaptive_models=("m*",))
    body = encoded(UserMessage("hi"), AssistantMessage((CALL,)), RESULT, effort="low", config=config)
    assert body["thinking"] == SUMMARIZED


def test_bound_thoughts_are_left_out_when_thinking_is_off() -> None:
    sealed = Thinking("", {"redacted_thinking": "x"})
    turn = (UserMessage("hi"), AssistantMessage((THOUGHT, sealed, CALL)), RESULT, AssistantMessage((THOUGHT,)))
    bound = Config(cache=False, adaptive_models=("m",), bound_models=("m",), least_thinking={"m": "between_tools"})
    bare = [[block["type"] for block in message["content"]] for message in encoded(*turn, config=bound)["messages"]]
    assert bare == [["text"], ["tool_use"], ["tool_result"]]
    kept = encoded(*turn, config=bound, effort="low")["messages"][1]["content"]
    assert [block["type"] for block in kept] == ["thinking", "redacted_thinking", "tool_use"]


@pytest.mark.parametrize(
    ("turn", "thinks"),
    [
        ((AssistantMessage((CALL,)), RESULT), False),
        ((AssistantMessage((THOUGHT, CALL)), RESULT), True),
        ((AssistantMessage((THOUGHT, CALL)), RESULT, AssistantMessage((CALL,)), RESULT), True),
        ((AssistantMessage((CALL,)), RESULT, AssistantMessage((THOUGHT, CALL)), RESULT), False),
        ((AssistantMessage((CALL,)), RESULT, AssistantMessage((Text("done"),)), UserMessage("more")), True),
    ],
)
def test_a_turn_begun_without_thinking_is_not_gone_on_with_by_thinking(turn: tuple[Message, ...], thinks: bool) -> None:
    assert ("thinking" in encoded(UserMessage("hi"), *turn, effort="low")) is thinks


FULL = Answer("Hello you", thinking="hm well", calls=(Call("look", '{"a": 1}'),))
MESSAGE = AssistantMessage(
    (Thinking("hm well", {"signature": "c2lnbmVk"}), Text("Hello you"), ToolCall("call_0", "look", '{"a": 1}')),
    "tool_calls",
    Usage(input=10, output=5),
    "fake",
    "m",
    "tool_use",
)


@asynccontextmanager
async def served(*answers: Answer, **settings: Any) -> AsyncIterator[tuple[Anthropic, ModelServer]]:
    async with ModelServer(answers) as server, Http() as http:
        yield Anthropic(Config(**settings), reached(http, server, KEY)), server


async def ask(provider: Anthropic, model: str = "m", *, stream: bool = True) -> list[Delta | AssistantMessage]:
    return [item async for item in provider.stream(ModelRequest(model, (UserMessage("hi"),), stream=stream))]


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
                MESSAGE,
            ]
            [request] = server.requests
            assert request.path == "/v1/messages"
            assert request.headers["x-api-key"] == KEY
            assert request.headers["anthropic-version"] == "2023-06-01"

    run(main())


async def asked_with(credential: Credential, model: str = "m", **settings: Any) -> dict[str, str]:
    """The headers that show who asks, and what for."""
    async with ModelServer([FULL]) as server, Http() as http:
        reach = reached(http, server, KEY, credentials=Held(credential))
        await ask(Anthropic(Config(**settings), reach), model)
        [request] = server.requests
        return {name: request.headers[name] for name in SHOWN if name in request.headers}


class Held:
    """A credential that stays the same."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    async def get(self) -> Credential:
        return self._credential

    async def renew(self, refused: Credential) -> Credential | None:
        return None


SHOWN = ("x-api-key", "authorization", "anthropic-beta")


def test_a_login_shows_its_token_and_no_key() -> None:
    login = Credential(Secret(KEY), {"Authorization": "Bearer t", "anthropic-beta": "oauth-1"})
    beta = "thinking-binding-controls-2026-08-01"
    assert run(asked_with(login)) == {"authorization": "Bearer t", "anthropic-beta": "oauth-1"}
    assert run(asked_with(login, bound_models=("m",)))["anthropic-beta"] == f"oauth-1,{beta}"
    assert run(asked_with(Credential(Secret(KEY)), bound_models=("m",))) == {"x-api-key": KEY, "anthropic-beta": beta}
    assert run(asked_with(Credential(Secret(KEY)), bearer=True)) == {"authorization": f"Bearer {KEY}"}
    assert run(asked_with(Credential())) == {}


def test_an_answer_comes_whole_when_asked_so() -> None:
    async def main() -> None:
        async with served(FULL) as (provider, _):
            [message] = await ask(provider, stream=False)
            assert isinstance(message, AssistantMessage)
            assert msgspec.structs.replace(message.parts[2], arguments='{"a": 1}') == MESSAGE.parts[2]
            assert message.parts[:2] == MESSAGE.parts[:2]
            assert message.usage == MESSAGE.usage

    run(main())


@pytest.mark.parametrize(
    "answer", [msgspec.structs.replace(FULL, dribble=True), msgspec.structs.replace(FULL, farewell=False)]
)
def test_a_clumsy_but_whole_stream_is_an_answer(answer: Answer) -> None:
    async def main() -> None:
        async with served(answer) as (provider, _):
            assert (await ask(provider))[-1] == MESSAGE

    run(main())


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(Answer("a b c", cut_after=5), ModelUnavailable, "cut the connection", id="cut"),
        pytest.param(Answer("a b c", end_after=5), ModelUnavailable, "broke off", id="ended early"),
        pytest.param(Answer("a b c", stall_after=5), ModelUnavailable, "silent", id="stalled"),
        pytest.param(Answer(status=529), ModelBusy, "529", id="529"),
        pytest.param(
            Answer(body="<html>Sign in</html>", content_type="text/html"), ModelUnavailable, "HTML", id="HTML"
        ),
        pytest.param(Answer(error=f"wrong key {KEY}"), ModelUnavailable, r"wrong key \*", id="key in an error"),
    ],
)
def test_a_server_that_misbehaves_is_told_by_what_it_did(answer: Answer, kind: type[ModelError], words: str) -> None:
    async def main() -> None:
        async with served(answer) as (provider, _):
            with pytest.raises(ModelError, match=words) as raised:
                await ask(provider)
            assert type(raised.value) is kind
            assert KEY not in str(raised.value)

    run(main())


def test_models_are_listed_with_their_size_where_it_is_told() -> None:
    async def main() -> list[ModelInfo]:
        async with ModelServer(models=["a", {"id": "b", "max_input_tokens": 1_000_000}]) as server, Http() as http:
            return await Anthropic(Config(), Server("fake", http, FakeClock(), server.url)).models()

    assert run(main()) == [ModelInfo("a", 200_000), ModelInfo("b", 1_000_000)]


class TestContract(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Provider]:
            async with served(FULL) as (provider, _):
                yield provider

        return opened()

    def request(self, *, stream: bool = True) -> ModelRequest:
        return ModelRequest("m", (UserMessage("hi"),), stream=stream)
