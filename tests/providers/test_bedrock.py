from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
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
from carapax.models.catalogue import address, vendors
from carapax.models.credential import Credential, Fixed
from carapax.models.eventstream import EventStreamParser
from carapax.models.refusal import failure
from carapax.models.server import Sent, Server
from carapax.models.sigv4 import Keys, authorize
from carapax.providers.bedrock import Bedrock, Config, Decoder, decode, encode
from carapax.redaction import Secret
from carapax.testing import FakeClock, ProviderContract
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer
from tests.fakes.reached import reached
from tests.fakes.wires.bedrock import converse_event, converse_exception
from tests.providers.reading import check_deltas, fed, origin
from tests.running import run

KEY = "ABSKverysecret12345"
KEYS = Keys("AKIAEXAMPLE", Secret("verysecret12345"), Secret("verysecrettoken"))
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ACCENT = msgspec.convert(vendors()["bedrock"].accent, Config)
TOOL = ToolSpec("look", "Look at it.", {"type": "object", "properties": {}})
THOUGHT = Thinking("hm", {"signature": "s"})
CALL = ToolCall("a", "look", "{}")
RESULT = ToolResult("a", "look", "it is")
POINT = {"cachePoint": {"type": "default"}}


def delta(index: int, **fields: Any) -> bytes:
    return converse_event("contentBlockDelta", contentBlockIndex=index, delta=fields)


def start(index: int, **fields: Any) -> bytes:
    return converse_event("contentBlockStart", contentBlockIndex=index, start=fields)


def stop(index: int) -> bytes:
    return converse_event("contentBlockStop", contentBlockIndex=index)


def end(reason: str = "end_turn", **usage: int) -> bytes:
    return converse_event("messageStop", stopReason=reason) + converse_event("metadata", usage=usage)


def use(index: int, name: str, call_id: str | None = None, *pieces: str) -> bytes:
    """All events of one call."""
    told = {"name": name, "toolUseId": call_id} if call_id else {"name": name}
    said = b"".join(delta(index, toolUse={"input": piece}) for piece in pieces)
    return start(index, toolUse=told) + said + stop(index)


def read(*stream: bytes) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, stream, EventStreamParser)
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def whole(*content: dict[str, Any], stop_reason: str = "end_turn") -> AssistantMessage:
    output = {"message": {"role": "assistant", "content": content}}
    return decode(msgspec.json.encode({"output": output, "stopReason": stop_reason}), origin())


def sent_back(message: AssistantMessage) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = encode(ModelRequest("model", (message,)), Config())["messages"][0]["content"]
    return blocks


def test_parts_come_in_order_with_what_must_go_back() -> None:
    message = read(
        converse_event("messageStart", role="assistant"),
        delta(0, reasoningContent={"text": "h"}),
        delta(0, reasoningContent={"text": "m"}),
        delta(0, reasoningContent={"signature": "s"}),
        stop(0),
        delta(1, reasoningContent={"redactedContent": "eA=="}),
        delta(2, text=""),
        delta(2, text="a"),
        stop(2),
        delta(3, text="b"),
        delta(3, citation={"title": "x"}),
        end(inputTokens=3, outputTokens=4),
    )
    assert message == AssistantMessage(
        (
            Thinking("hm", {"signature": "s"}),
            Thinking("", {"redacted": "eA=="}),
            Text("a"),
            Text("b", {"citations": [{"title": "x"}]}),
        ),
        "end",
        Usage(input=3, output=4),
        "vendor",
        "model",
        "end_turn",
    )
    back: list[dict[str, Any]] = [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "eA=="}},
        {"text": "a"},
        {"citationsContent": {"content": [{"text": "b"}], "citations": [{"title": "x"}]}},
    ]
    assert sent_back(message) == back
    assert whole(*back).parts == message.parts


def test_text_and_thoughts_under_one_index_are_parts_of_their_own() -> None:
    message = read(delta(0, reasoningContent={"text": "hm"}), delta(0, text="a"), delta(0, text="b"), end())
    assert message.parts == (Thinking("hm"), Text("ab"))


def test_tool_calls_may_be_interleaved_empty_nameless_or_start_at_any_index() -> None:
    message = read(
        start(5, toolUse={"toolUseId": "a", "name": "one"}),
        start(3, toolUse={"toolUseId": "b", "name": "two"}),
        delta(3, toolUse={"input": '{"x":'}),
        delta(5, toolUse={"input": ""}),
        delta(3, toolUse={"input": "1}"}),
        stop(5),
        stop(3),
        use(4, "three", "a", "{}"),
        start(9, toolUse={}),
        end("tool_use"),
    )
    assert message.parts == (
        ToolCall("a", "one", "{}"),
        ToolCall("b", "two", '{"x":1}'),
        ToolCall("call_id_2", "three", "{}"),
        ToolCall("call_id_3", "unknown", "{}"),
    )
    assert message.stop_reason == "tool_calls"


def test_events_that_come_twice_never_make_a_call_twice() -> None:
    begin = start(0, toolUse={"toolUseId": "a", "name": "one"})
    piece = delta(0, toolUse={"input": "{}"})
    twice = [part for part in (begin, piece, stop(0)) for _ in range(2)]
    assert read(*twice, end("tool_use")).parts == (ToolCall("a", "one", "{}{}"),)


def test_what_a_tool_at_the_vendor_did_is_kept_and_goes_back_unchanged() -> None:
    run_there = {"name": "nova_code_interpreter", "toolUseId": "s", "type": "server_tool_use"}
    gave = {"toolUseId": "s", "status": "success", "type": "nova_code_interpreter_result"}
    told = [{"json": {"stdOut": "2"}}]
    message = read(
        start(0, toolUse=run_there),
        delta(0, toolUse={"input": '{"snippet": '}),
        delta(0, toolUse={"input": '"1+1"}'}),
        stop(0),
        start(1, toolResult=gave),
        delta(1, toolResult=told),
        stop(1),
        start(2, toolUse={**run_there, "toolUseId": "broken"}),
        delta(2, toolUse={"input": '{"sni'}),
        delta(3, text="two"),
        end("tool_use"),
    )
    assert (message.text, message.tool_calls, message.stop_reason) == ("two", (), "end")
    back: list[dict[str, Any]] = [
        {"toolUse": {**run_there, "input": {"snippet": "1+1"}}},
        {"toolResult": {**gave, "content": told}},
        {"toolUse": {**run_there, "toolUseId": "broken", "input": {}}},
        {"text": "two"},
    ]
    assert sent_back(message) == back
    assert whole(*back).parts == message.parts


def test_all_of_the_prompt_is_counted_and_bad_counts_are_passed_over() -> None:
    message = read(
        delta(0, text="a"),
        end(inputTokens=3, outputTokens=9, cacheReadInputTokens=100, cacheWriteInputTokens=20),
    )
    assert message.usage == Usage(input=123, output=9, cache_read=100, cache_write=20)
    bad = converse_event("metadata", usage={"inputTokens": "many"})
    assert read(delta(0, text="a"), bad, end()).usage == Usage()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "filtered"),
        ("content_filtered", "filtered"),
        ("news_to_us", "end"),
    ],
)
def test_the_reason_to_stop_is_mapped_and_kept(word: str, reason: str) -> None:
    message = read(delta(0, text="a"), end(word))
    assert (message.stop_reason, message.stop_detail) == (reason, word)


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ([], ModelUnavailable),
        ([delta(0, text="a")], ModelUnavailable),
        ([delta(0, text="a"), converse_event("metadata", usage={"inputTokens": 1})], ModelUnavailable),
        ([use(0, "one", "a", "{}"), end("malformed_tool_use")], ModelUnavailable),
        ([converse_exception("throttlingException", "Too many tokens")], ModelBusy),
        ([converse_exception("modelStreamErrorException", "The model failed")], ModelUnavailable),
        ([converse_exception("internalServerException", "")], ModelUnavailable),
        ([delta(0, text="a"), converse_exception("serviceUnavailableException", "busy")], ModelUnavailable),
        ([converse_exception("validationException", "The format is wrong")], ModelRejected),
        ([converse_exception("validationException", "Input is too long for requested model.")], ContextOverflow),
        ([converse_event("contentBlockDelta", contentBlockIndex="x")], ModelUnavailable),
    ],
)
def test_a_stream_that_breaks_off_or_fails_is_no_answer(stream: list[bytes], kind: type[ModelError]) -> None:
    with pytest.raises(ModelError) as raised:
        read(*stream)
    assert type(raised.value) is kind


def test_a_stream_needs_no_counts_after_its_reason_to_stop_and_new_events_are_passed_over() -> None:
    decoder = Decoder(origin())
    pieces = [converse_event("inventedLater", something={"new": 1}), delta(0, invented="x"), start(7, invented=1)]
    fed(decoder, [*pieces, delta(0, text="a"), converse_event("messageStop", stopReason="end_turn")], EventStreamParser)
    assert not decoder.done
    assert decoder.finish().text == "a"


def test_the_vendor_has_said_all_with_reason_and_counts_in_whatever_order() -> None:
    decoder = Decoder(origin())
    fed(decoder, [converse_event("metadata", usage={"inputTokens": 1}), delta(0, text="a")], EventStreamParser)
    assert not decoder.done
    fed(decoder, [converse_event("messageStop", stopReason="end_turn")], EventStreamParser)
    assert decoder.done


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"<html></html>",
        b'{"output": {"message": {"content": 3}}}',
        b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}',
        b'{"output": {"message": {"content": [{"reasoningContent": 5}]}}}',
        b'{"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": "malformed_model_output"}',
    ],
)
def test_a_body_that_is_no_message_is_unavailable(body: bytes) -> None:
    with pytest.raises(ModelUnavailable):
        decode(body, origin())


@pytest.mark.parametrize(
    ("status", "exception", "message", "kind", "hint"),
    [
        (429, "ThrottlingException", "Too many requests, please wait.", ModelBusy, "later"),
        (400, "ServiceQuotaExceededException", "Your request exceeds the quota", ModelBusy, "later"),
        (429, "ModelNotReadyException", "The model is not ready", ModelBusy, "later"),
        (403, "AccessDeniedException", "You don't have access to the model", ModelUnauthorized, "key"),
        (403, "UnrecognizedClientException", "The security token is invalid.", ModelUnauthorized, "key"),
        (400, "ExpiredTokenException", "The security token has expired", ModelUnauthorized, "key"),
        (400, "ValidationException", "Input is too long for requested model.", ContextOverflow, "shorten"),
        (424, "ModelErrorException", "The model failed", ModelUnavailable, "again"),
        (408, "ModelTimeoutException", "Timed out", ModelUnavailable, "again"),
        (503, "ServiceUnavailableException", "Unable", ModelUnavailable, "later"),
        (404, "ResourceNotFoundException", "The model does not exist", ModelRejected, "name"),
        (
            400,
            "ValidationException",
            "Invocation of model ID x with on-demand throughput isn't supported. Retry your request with the ID or ARN "
            "of an inference profile that contains this model.",
            ModelRejected,
            r"us\., eu\., apac\. or global\. before the model's name",
        ),
        (
            400,
            "ValidationException",
            "The provided model identifier is invalid.",
            ModelRejected,
            "check the model's name",
        ),
        (400, "ValidationException", "The model is not available in this region.", ModelRejected, "another region"),
    ],
)
def test_each_exception_has_its_kind_and_says_what_to_do(
    status: int, exception: str, message: str, kind: type[ModelError], hint: str
) -> None:
    headers = {"x-amzn-errortype": f"{exception}:http://internal.amazon.com/"}
    error = failure(origin(), status, headers, msgspec.json.encode({"message": message}), 0)
    assert type(error) is kind
    assert message in error.message
    with pytest.raises(kind, match=hint):
        raise error


def test_no_part_of_a_key_is_in_an_error() -> None:
    whose = msgspec.structs.replace(origin(), key=KEYS.pack())
    said = f"The canonical request has {KEYS.token.reveal()}, {KEYS.secret.reveal()} and {KEYS.pack().reveal()}"
    error = failure(whose, 403, {}, msgspec.json.encode({"message": said}), 0)
    assert "verysecret" not in str(error)


def encoded(
    *messages: Message, model: str = "m", effort: Effort = "off", config: Config | None = None, **fields: Any
) -> dict[str, Any]:
    return encode(ModelRequest(model, messages, effort=effort, **fields), config or Config())


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
        tools=(TOOL, ToolSpec("bare", "", {"type": "object"})),
        max_output_tokens=50,
        temperature=0.5,
        stream=False,
    )
    changed = body["messages"][1]["content"][2]["toolUse"]["toolUseId"]
    assert changed.isalnum()
    invalid = {"invalid_json": "{ "}
    assert body == {
        "messages": [
            {"role": "user", "content": [{"text": "hi"}, {"text": "you"}]},
            {
                "role": "assistant",
                "content": [
                    {"text": "I look."},
                    {"toolUse": {"toolUseId": "a", "name": "look", "input": {}}},
                    {"toolUse": {"toolUseId": changed, "name": "do_it", "input": invalid}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "a", "content": [{"text": "it is"}], "status": "success"}},
                    {"toolResult": {"toolUseId": changed, "content": [{"text": "(nothing)"}], "status": "error"}},
                    {"text": "well?"},
                ],
            },
        ],
        "system": [{"text": "Be kind."}],
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "look",
                        "description": "Look at it.",
                        "inputSchema": {"json": TOOL.parameters},
                    }
                },
                {"toolSpec": {"name": "bare", "inputSchema": {"json": {"type": "object"}}}},
            ]
        },
        "inferenceConfig": {"maxTokens": 50, "temperature": 0.5},
    }


def test_tools_that_were_called_are_declared_even_when_there_are_none_any_more() -> None:
    [tool] = encoded(UserMessage("hi"), AssistantMessage((CALL, CALL)), RESULT, RESULT)["toolConfig"]["tools"]
    assert tool["toolSpec"]["name"] == "look"
    assert "toolConfig" not in encoded(UserMessage("hi"))


def test_what_one_model_signed_is_not_shown_to_another() -> None:
    answer = AssistantMessage((THOUGHT, Text("", {"block": {"toolUse": {}}}), Text("a")), model="m")
    assert len(encoded(answer, model="m")["messages"][0]["content"]) == 3
    assert encoded(answer, model="n")["messages"][0]["content"] == [{"text": "a"}]


def test_ids_are_kept_where_the_model_takes_them() -> None:
    answer = AssistantMessage((ToolCall("functions.look:0", "look", "{}"),))
    for model, kept in (("moonshot.kimi-k2-thinking", True), (CLAUDE, False)):
        [said, given] = encoded(answer, ToolResult("functions.look:0", "look", "x"), model=model)["messages"]
        call_id = said["content"][0]["toolUse"]["toolUseId"]
        assert (call_id == "functions.look:0") is kept
        assert given["content"][0]["toolResult"]["toolUseId"] == call_id


def test_results_of_tools_are_given_as_each_model_takes_them() -> None:
    turn = (UserMessage("hi"), AssistantMessage((CALL,)), RESULT, RESULT, UserMessage("well?"))

    def given(model: str) -> list[Any]:
        config = msgspec.structs.replace(ACCENT, cached_models=())
        return [message["content"] for message in encoded(*turn, model=model, config=config)["messages"]][2:]

    text = {"toolResult": {"toolUseId": "a", "content": [{"text": "it is"}], "status": "success"}}
    json = {"toolResult": {"toolUseId": "a", "content": [{"json": {"result": "it is"}}], "status": "success"}}
    unrated = {"toolResult": {"toolUseId": "a", "content": [{"text": "it is"}]}}
    said = {"text": "well?"}
    assert given("us.amazon.nova-pro-v1:0") == [[text, text, said]]
    assert given("us.meta.llama4-maverick-17b-instruct-v1:0") == [[text, text], [{"text": "."}], [said]]
    assert given("us.mistral.pixtral-large-2502-v1:0") == [[json, json], [{"text": "."}], [said]]
    assert given("us.writer.palmyra-x4-v1:0") == [[unrated, unrated], [{"text": "."}], [said]]


def file(name: str, media_type: str, data: bytes = b"\xff\x00") -> Attachment:
    return Attachment(name, media_type, "digest", len(data), data)


def test_files_come_before_the_text_that_is_about_them() -> None:
    files = (
        file("a.png", "image/png"),
        file("Report_2026: final!!.pdf", "application/pdf"),
        file("report 2026  final.pdf", "application/pdf"),
        file("Report 2026 final.pdf", "application/pdf"),
        file("a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        file("???", "application/pdf"),
        file("a.mp3", "audio/mpeg"),
    )
    [message] = encoded(UserMessage("look", attachments=files))["messages"]
    source = {"bytes": b64encode(b"\xff\x00").decode()}
    assert message["content"] == [
        {"image": {"format": "png", "source": source}},
        {"document": {"name": "Report 2026 final", "format": "pdf", "source": source}},
        {"document": {"name": "report 2026 final", "format": "pdf", "source": source}},
        {"document": {"name": "Report 2026 final [2]", "format": "pdf", "source": source}},
        {"document": {"name": "a", "format": "xlsx", "source": source}},
        {"document": {"name": "document", "format": "pdf", "source": source}},
        {"text": "[a.mp3, audio/mpeg: not shown]"},
        {"text": "look"},
    ]


def test_a_document_never_comes_without_text_but_an_image_may() -> None:
    document, image = file("a.pdf", "application/pdf"), file("a.jpg", "image/jpg")
    [message] = encoded(UserMessage("", attachments=(document,)))["messages"]
    assert message["content"][1:] == [{"text": "a.pdf"}]
    [message] = encoded(UserMessage("", attachments=(image,)))["messages"]
    assert [list(block) for block in message["content"]] == [["image"]]


def test_names_of_documents_are_unlike_across_messages() -> None:
    one = UserMessage("look", attachments=(file("a.pdf", "application/pdf"),))
    messages = encoded(one, AssistantMessage((Text("I see"),)), one)["messages"]
    assert [message["content"][0]["document"]["name"] for message in messages[::2]] == ["a", "a [2]"]


def test_what_can_be_cached_is_marked_at_its_end_for_models_that_take_marks() -> None:
    said = (UserMessage("hi"), UserMessage("you"))
    for model in (CLAUDE, "us.anthropic.claude-opus-5", "amazon.nova-lite-v1:0"):
        body = encoded(*said, model=model, config=ACCENT, system="Be kind.", tools=(TOOL,))
        assert body["system"] == [{"text": "Be kind."}, POINT]
        assert body["messages"][-1]["content"] == [{"text": "hi"}, {"text": "you"}, POINT]
        assert POINT not in body["toolConfig"]["tools"]
    for model in ("anthropic.claude-v2", "anthropic.claude-3-5-sonnet-20240620-v1:0", "openai.gpt-oss-120b-1:0"):
        assert "cachePoint" not in str(encoded(*said, model=model, config=ACCENT, system="Be kind."))


def test_results_of_tools_are_marked_only_for_models_that_take_marks_there() -> None:
    turn = (UserMessage("hi"), AssistantMessage((CALL,)), RESULT)
    for model, marked in ((CLAUDE, [False, False, True]), ("amazon.nova-lite-v1:0", [True, False, False])):
        messages = encoded(*turn, model=model, config=ACCENT)["messages"]
        assert [POINT in message["content"] for message in messages] == marked


EFFORTS: tuple[Effort, ...] = ("off", "low", "high")


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("amazon.nova-lite-v1:0", (None, None, None)),
        ("anthropic.claude-v2", (None, None, None)),
        ("us.deepseek.r1-v1:0", (None, None, None)),
        (
            "us.amazon.nova-2-lite-v1:0",
            (
                None,
                {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
                {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            ),
        ),
        (
            "openai.gpt-oss-120b-1:0",
            ({"reasoning_effort": "low"}, {"reasoning_effort": "low"}, {"reasoning_effort": "high"}),
        ),
        ("us.openai.gpt-5.2", (None, {"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "high"}})),
        ("qwen.qwen3-32b-v1:0", (None, {"reasoning_config": "low"}, {"reasoning_config": "high"})),
        ("deepseek.v3-v1:0", (None, {"reasoning_config": "low"}, {"reasoning_config": "high"})),
        (
            CLAUDE,
            (
                None,
                {"thinking": {"type": "enabled", "budget_tokens": 2048}},
                {"thinking": {"type": "enabled", "budget_tokens": 24576}},
            ),
        ),
        (
            "us.anthropic.claude-opus-4-8",
            (
                None,
                {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
                {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "high"}},
            ),
        ),
    ],
)
def test_each_model_is_told_in_its_own_way_how_long_to_think(
    model: str, fields: tuple[Mapping[str, Any] | None, ...]
) -> None:
    bodies = (encoded(UserMessage("hi"), model=model, effort=effort, config=ACCENT) for effort in EFFORTS)
    assert tuple(body.get("additionalModelRequestFields") for body in bodies) == fields


@pytest.mark.parametrize(
    ("model", "knob"),
    [
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "budget"),
        ("anthropic.claude-sonnet-4-20250514-v1:0", "budget"),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", "budget"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "budget"),
        ("global.anthropic.claude-opus-4-6-v1", "adaptive"),
        ("us.anthropic.claude-sonnet-5", "adaptive"),
        ("us.anthropic.claude-fable-5", "adaptive"),
    ],
)
def test_each_claude_thinks_by_budget_or_by_itself(model: str, knob: str) -> None:
    fields = encoded(UserMessage("hi"), model=model, effort="low", config=ACCENT)["additionalModelRequestFields"]
    assert fields["thinking"]["type"] == ("enabled" if knob == "budget" else "adaptive")


def test_thinking_has_a_budget_on_top_of_the_answer_and_no_temperature() -> None:
    limits: dict[str, Any] = {"max_output_tokens": 100, "temperature": 0.5, "effort": "medium"}
    body = encoded(UserMessage("hi"), model=CLAUDE, config=ACCENT, **limits)
    assert body["inferenceConfig"] == {"maxTokens": 8292}
    nova = encoded(UserMessage("hi"), model="amazon.nova-2-lite-v1:0", config=ACCENT, **{**limits, "effort": "high"})
    assert nova["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.5}
    assert nova["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == "medium"


@pytest.mark.parametrize(
    ("turn", "thinks"),
    [
        ((AssistantMessage((CALL,), model=CLAUDE), RESULT), False),
        ((AssistantMessage((THOUGHT, CALL), model=CLAUDE), RESULT), True),
        ((AssistantMessage((THOUGHT, CALL), model="another"), RESULT), False),
        ((AssistantMessage((CALL,)), RESULT, AssistantMessage((Text("done"),)), UserMessage("more")), True),
    ],
)
def test_a_turn_begun_without_thinking_is_not_gone_on_with_by_thinking(turn: tuple[Message, ...], thinks: bool) -> None:
    body = encoded(UserMessage("hi"), *turn, model=CLAUDE, effort="low", config=ACCENT)
    assert ("additionalModelRequestFields" in body) is thinks


FULL = Answer("Hello you", thinking="hm well", calls=(Call("look", '{"a": 1}'),))
MODEL = "us.anthropic.claude-v9:0"
MESSAGE = AssistantMessage(
    (Thinking("hm well", {"signature": "c2lnbmVk"}), Text("Hello you"), ToolCall("call_0", "look", '{"a": 1}')),
    "tool_calls",
    Usage(input=10, output=5),
    "fake",
    MODEL,
    "tool_use",
)


class Signing:
    """Credentials with an access key."""

    def __init__(self, region: str = "eu-west-1") -> None:
        self.credential = Credential(KEYS.pack(), region=region)

    async def get(self) -> Credential:
        return self.credential

    async def renew(self, refused: Credential) -> Credential | None:
        return None


@asynccontextmanager
async def served(*answers: Answer, signing: bool = False) -> AsyncIterator[tuple[Bedrock, ModelServer]]:
    credentials = Signing() if signing else None
    async with ModelServer(answers) as server, Http() as http:
        yield Bedrock(Config(), reached(http, server, KEY, credentials=credentials)), server


async def ask(provider: Bedrock, *, stream: bool = True, model: str = MODEL) -> list[Delta | AssistantMessage]:
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
            assert request.path == "/model/us.anthropic.claude-v9:0/converse-stream"
            assert request.headers["authorization"] == f"Bearer {KEY}"

    run(main())


def test_an_answer_comes_whole_when_asked_so() -> None:
    async def main() -> None:
        async with served(FULL) as (provider, server):
            [message] = await ask(provider, stream=False)
            call = ToolCall("call_0", "look", '{"a":1}')
            assert message == msgspec.structs.replace(MESSAGE, parts=(*MESSAGE.parts[:2], call))
            assert server.requests[0].path == "/model/us.anthropic.claude-v9:0/converse"

    run(main())


def test_a_model_that_cannot_stream_with_tools_answers_whole() -> None:
    async def main() -> None:
        async with ModelServer([FULL, FULL]) as server, Http() as http:
            provider = Bedrock(ACCENT, Server("fake", http, FakeClock(), server.url))
            for tools in ((TOOL,), ()):
                request = ModelRequest("us.writer.palmyra-x4-v1:0", (UserMessage("hi"),), tools=tools)
                said = [item async for item in provider.stream(request)]
                assert isinstance(said[-1], AssistantMessage)
                assert (len(said) == 1) is bool(tools)
            ends = [request.path.rpartition("/")[2] for request in server.requests]
            assert ends == ["converse", "converse-stream"]

    run(main())


@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
        "odd model~ü%41+?#",
    ],
)
def test_what_is_signed_is_what_is_sent(model: str) -> None:
    async def main() -> None:
        async with served(FULL, signing=True) as (provider, server):
            await ask(provider, model=model)
            [request] = server.requests
            body = msgspec.json.encode(encode(ModelRequest(model, (UserMessage("hi"),)), Config()))
            sent = Sent("POST", server.url + request.path, body, FakeClock().now())
            expected = authorize(Signing().credential, sent)
            assert {name: request.headers[name.lower()] for name in expected} == expected
            assert f"http://{request.headers['host']}" == server.url
            assert "/eu-west-1/bedrock/aws4_request" in expected["Authorization"]

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(msgspec.structs.replace(FULL, dribble=True), id="bytes"),
        pytest.param(msgspec.structs.replace(FULL, farewell=False), id="no counts"),
        pytest.param(msgspec.structs.replace(FULL, usage=False), id="never counted"),
    ],
)
def test_a_clumsy_but_whole_stream_is_an_answer(answer: Answer) -> None:
    async def main() -> None:
        async with served(answer) as (provider, _):
            said = (await ask(provider))[-1]
            assert isinstance(said, AssistantMessage)
            assert msgspec.structs.replace(said, usage=MESSAGE.usage) == MESSAGE

    run(main())


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(Answer("a b c", cut_after=3), ModelUnavailable, "cut the connection", id="cut"),
        pytest.param(Answer("a b c", end_after=3), ModelUnavailable, "broke off", id="ended early"),
        pytest.param(Answer("a b c", stall_after=3), ModelUnavailable, "silent", id="stalled"),
        pytest.param(Answer(status=429), ModelBusy, "429", id="429"),
        pytest.param(
            Answer(body="<html>Sign in</html>", content_type="text/html"), ModelUnavailable, "HTML", id="HTML"
        ),
        pytest.param(
            Answer(body="garbage" * 9, content_type="application/vnd.amazon.eventstream"),
            ModelUnavailable,
            "damaged event",
            id="garbage",
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


def test_models_for_conversation_are_listed_with_their_inference_profiles() -> None:
    listed: list[dict[str, Any]] = [
        {"id": "amazon.nova-pro-v1:0"},
        {"id": "anthropic.claude-opus-5", "summary": {"inferenceTypesSupported": ["INFERENCE_PROFILE"]}},
        {"id": "amazon.titan-embed-text-v2:0", "summary": {"outputModalities": ["EMBEDDING"]}},
    ]

    async def main() -> list[ModelInfo]:
        async with ModelServer(models=listed) as server, Http() as http:
            return await Bedrock(Config(), Server("fake", http, FakeClock(), server.url)).models()

    names = ["amazon.nova-pro-v1:0", "global.amazon.nova-pro-v1:0", "global.anthropic.claude-opus-5"]
    assert run(main()) == [ModelInfo(name) for name in names]


ROW = vendors()["bedrock"]


@pytest.mark.parametrize(
    ("environ", "base_url"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, ROW.base_url.replace("{region}", "eu-west-1")),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, ROW.base_url.replace("{region}", "us-east-1")),
        ({}, ROW.base_url),
        ({"AWS_REGION": "evil.example/"}, ROW.base_url),
    ],
)
def test_the_region_is_that_of_the_environment(environ: dict[str, str], base_url: str) -> None:
    assert address("bedrock", ROW, environ) == base_url


def test_a_region_that_only_the_credential_knows_is_filled_in() -> None:
    async def main() -> None:
        async with ModelServer([FULL]) as server, Http() as http:
            base_url = server.url.replace("127.0.0.1", "127.0.0.{region}")
            reached = Server("fake", http, FakeClock(), base_url, credentials=Signing(region="1"))
            assert (await ask(Bedrock(Config(), reached)))[-1] == MESSAGE

    run(main())


def test_without_a_region_nothing_is_asked() -> None:
    async def main() -> None:
        async with Http() as http:
            base_url = address("bedrock", ROW, {})
            server = Server("bedrock", http, FakeClock(), base_url, credentials=Fixed(Secret(KEY)))
            with pytest.raises(ModelUnauthorized, match=r"no region .*AWS_REGION"):
                await ask(Bedrock(Config(), server))

    run(main())


class TestContract(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Provider]:
            async with served(FULL) as (provider, _):
                yield provider

        return opened()

    def request(self, *, stream: bool = True) -> ModelRequest:
        return ModelRequest("m", (UserMessage("hi"),), stream=stream)
