"""Every recorded exchange in the Converse API replays: what is decoded is what the body says."""

from base64 import b64decode, b64encode
from hashlib import sha256
from itertools import pairwise
from struct import unpack_from
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carapax.errors import ModelRejected
from carapax.messages import (
    AssistantMessage,
    Attachment,
    Message,
    ModelRequest,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.catalogue import vendors
from carapax.models.eventstream import EventStreamParser
from carapax.models.refusal import failure
from carapax.providers import anthropic
from carapax.providers.bedrock import Config, Decoder, decode, encode
from tests.fakes.recordings import Exchange, conversations, present
from tests.providers.reading import Answer, check_deltas, cut, fed, origin, written

pytestmark = present
FILES = list(conversations(("bedrock",), "/converse")) + list(conversations(("bedrock",), "/converse-stream"))
ALL = [exchange for exchanges in FILES for exchange in exchanges]
WHOLE = [exchange for exchange in ALL if not exchange.streamed and exchange.status == 200]
STREAMS = [exchange for exchange in ALL if exchange.streamed and exchange.status == 200]
FAILED = [exchange for exchange in ALL if exchange.status != 200]
STOPS = {
    "end_turn": "end",
    "stop_sequence": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "filtered",
    "content_filtered": "filtered",
    "tool_use": "tool_calls",
}
CONFIG = msgspec.convert(vendors()["bedrock"].accent, Config)


def name_of(exchange: Exchange) -> str:
    return exchange.name


def model_of(exchange: Exchange) -> str:
    return exchange.url.split("/model/")[1].split("/")[0].replace("%3A", ":")


def read_usage(usage: dict[str, Any]) -> Usage:
    """What comes from the cache and what goes there is counted beside the rest of the input; all is the total."""
    cached, written_to_cache = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    prompt = usage["inputTokens"] + cached + written_to_cache
    assert prompt + usage["outputTokens"] == usage["totalTokens"]
    return Usage(input=prompt, output=usage["outputTokens"], cache_read=cached, cache_write=written_to_cache)


def read_message(body: dict[str, Any], model: str) -> Answer:
    text = thinking = ""
    calls = []
    for block in body["output"]["message"]["content"]:
        match block:
            case {"text": said}:
                text += said
            case {"reasoningContent": {"reasoningText": {"text": said}}}:
                thinking += said
            case {"citationsContent": {"content": pieces}}:
                text += "".join(piece["text"] for piece in pieces)
            case {"toolUse": {"type": "server_tool_use"}}:
                pass
            case {"toolUse": use}:
                calls.append((use["toolUseId"], use["name"], use["input"]))
    stop = body["stopReason"]
    return Answer(text, thinking, calls, read_usage(body["usage"]), STOPS[stop], stop, model)


def frames(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream, read without a look at their checksums; every header that Bedrock sends is a text."""
    found = []
    at = 0
    while at < len(body):
        size, header_size = unpack_from(">II", body, at)
        headers = {}
        place = at + 12
        while place < at + 12 + header_size:
            name_size = body[place]
            name = body[place + 1 : place + 1 + name_size].decode()
            (value_size,) = unpack_from(">H", body, place + 2 + name_size)
            value_at = place + 4 + name_size
            headers[name] = body[value_at : value_at + value_size].decode()
            place = value_at + value_size
        found.append((headers[":event-type"], msgspec.json.decode(body[place : at + size - 4])))
        at += size
    return found


def gather(body: bytes) -> dict[str, Any]:
    """The answer that a stream builds up, as the vendor documents it."""
    blocks: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for kind, event in frames(body):
        index: int = event.get("contentBlockIndex", 0)
        match kind, event:
            case "contentBlockStart", {"start": start}:
                blocks[index] = start
            case "contentBlockDelta", {"delta": {"text": text}}:
                blocks[index] = {"text": blocks.get(index, {}).get("text", "") + text}
            case "contentBlockDelta", {"delta": {"toolUse": {"input": piece}}}:
                use = blocks[index]["toolUse"]
                use["input"] = use.get("input", "") + piece
            case "contentBlockDelta", {"delta": {"toolResult": pieces}}:
                result = blocks[index]["toolResult"]
                result["content"] = result.get("content", []) + pieces
            case "contentBlockDelta", {"delta": {"reasoningContent": said}}:
                thought = blocks.setdefault(index, {"reasoningContent": {"reasoningText": {"text": ""}}})
                told = thought["reasoningContent"]["reasoningText"]
                told["text"] += said.get("text", "")
                if "signature" in said:
                    told["signature"] = said["signature"]
            case "messageStop", _:
                answer["stopReason"] = event["stopReason"]
            case "metadata", _:
                answer["usage"] = event["usage"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = msgspec.json.decode(block["toolUse"].get("input") or "{}")
    content = [blocks[index] for index in sorted(blocks)]
    return {**answer, "output": {"message": {"content": content}}}


def replay(exchange: Exchange, places: list[int]) -> AssistantMessage:
    decoder = Decoder(origin(model_of(exchange)))
    deltas = fed(decoder, cut(exchange.body, places), EventStreamParser)
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def answer_of(exchange: Exchange) -> AssistantMessage:
    return replay(exchange, []) if exchange.streamed else decode(exchange.body, origin(model_of(exchange)))


def sent_back(message: AssistantMessage) -> list[dict[str, Any]]:
    """The blocks of the message in the next request."""
    request = ModelRequest(message.model, (UserMessage("before"), message))
    messages: list[dict[str, Any]] = encode(request, Config())["messages"]
    blocks: list[dict[str, Any]] = messages[1]["content"] if len(messages) > 1 else []
    return blocks


def bare(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what need not go back: empty text, unsigned thoughts (also as a text in tags), what kind a call is.
    Dashes are as they are in recorded answers, where they were replaced."""
    kept = []
    for block in blocks:
        match block:
            case {"reasoningContent": {"reasoningText": told}} if "signature" not in told:
                continue
            case {"text": text} if not text.strip() or text.startswith("<think>\n"):
                continue
            case {"text": text}:
                kept.append({"text": text.replace("—", "--")})
            case {"toolUse": use}:
                kept.append({"toolUse": {name: use[name] for name in ("toolUseId", "name", "input")}})
            case _:
                kept.append(block)
    return kept


@pytest.mark.parametrize("exchange", WHOLE, ids=name_of)
def test_a_whole_answer_says_what_its_body_says_and_goes_back_unchanged(exchange: Exchange) -> None:
    body = msgspec.json.decode(exchange.body)
    message = decode(exchange.body, origin(model_of(exchange)))
    assert written(message) == read_message(body, model_of(exchange))
    assert bare(sent_back(message)) == bare(body["output"]["message"]["content"])


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
def test_a_stream_says_what_its_events_say_whole_and_byte_by_byte(exchange: Exchange) -> None:
    gathered = gather(exchange.body)
    whole = replay(exchange, [])
    assert written(whole) == read_message(gathered, model_of(exchange))
    assert bare(sent_back(whole)) == bare(gathered["output"]["message"]["content"])
    assert replay(exchange, list(range(len(exchange.body)))) == whole


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_stream_may_be_cut_anywhere(exchange: Exchange, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(exchange.body)), max_size=30))
    assert replay(exchange, places) == replay(exchange, [])


def test_nothing_is_left_out() -> None:
    assert len(WHOLE) > 100
    assert len(STREAMS) > 5


@pytest.mark.parametrize("exchange", FAILED, ids=name_of)
def test_a_failure_is_told_by_its_kind_and_in_the_vendors_words(exchange: Exchange) -> None:
    error = failure(origin(), exchange.status, exchange.headers, exchange.body, now=0)
    assert isinstance(error, ModelRejected)
    assert msgspec.json.decode(exchange.body)["message"] in error.message


def conversation(exchange: Exchange, answers: list[AssistantMessage]) -> tuple[Message, ...]:
    """Our messages for those of a recorded request: what the model said is what we decoded of its earlier answers, or,
    where none was recorded, of what was sent back."""
    messages: list[Message] = []
    for said in exchange.request.get("messages", ()):
        if said["role"] == "user":
            messages += user_messages(said["content"])
            continue
        blocks = bare(said["content"])
        body = msgspec.json.encode({"output": {"message": said}, "stopReason": "end_turn"})
        same = (answer for answer in answers if bare(sent_back(answer)) == blocks)
        messages.append(next(same, decode(body, origin(model_of(exchange)))))
    return tuple(messages)


def user_messages(blocks: list[dict[str, Any]]) -> list[Message]:
    """The results of tools, and the texts, the last of them with the files."""
    messages: list[Message] = []
    files: list[Attachment] = []
    for block in blocks:
        match block:
            case {"text": text}:
                messages.append(UserMessage(text))
            case {"document": {"format": "pdf", "name": name, "source": {"bytes": data}}}:
                raw = b64decode(data)
                files.append(Attachment(f"{name}.pdf", "application/pdf", sha256(raw).hexdigest(), len(raw), raw))
            case {"toolResult": result}:
                text = "".join(piece.get("text", "") for piece in result["content"])
                messages.append(ToolResult(result["toolUseId"], "tool", text, result.get("status") == "error"))
    if files:
        assert isinstance(messages[-1], UserMessage)
        messages[-1] = msgspec.structs.replace(messages[-1], attachments=tuple(files))
    return messages


def plain(request: dict[str, Any]) -> dict[str, Any]:
    """What both requests must say. Left out is what we do not offer (files in results of tools, video, links to
    files, choice of tools, strictness), text files, which are never sent as files, names of documents, which are ours
    to choose, and marks for the cache."""
    messages: list[tuple[str, list[dict[str, Any]]]] = []
    for message in request.get("messages", ()):
        blocks = [plain for block in bare(message["content"]) if (plain := plain_block(block))]
        if messages and messages[-1][0] == message["role"]:
            blocks += messages.pop()[1]
        if blocks:
            messages.append((message["role"], sorted(blocks, key=str)))
    config = request.get("inferenceConfig", {})
    tools = request.get("toolConfig", {}).get("tools", ())
    return {
        "messages": messages,
        "system": [block for block in request.get("system", ()) if block.get("text")],
        "tools": [{**tool["toolSpec"], "strict": None} for tool in tools if "toolSpec" in tool],
        "limits": {name: config[name] for name in ("maxTokens", "temperature") if name in config},
    }


def plain_block(block: dict[str, Any]) -> dict[str, Any] | None:
    match block:
        case {"document": {"format": "pdf", "source": source}}:
            return {"document": source}
        case {"toolResult": result}:
            text = "".join(piece.get("text") or piece.get("json", {}).get("result", "") for piece in result["content"])
            failed = result.get("status") == "error"
            return {"toolResult": {"id": result["toolUseId"], "text": text.replace("(nothing)", ""), "failed": failed}}
        case {"text": _} | {"toolUse": _} | {"reasoningContent": _}:
            return block
    return None


@pytest.mark.parametrize("exchanges", FILES, ids=lambda exchanges: exchanges[0].name)
def test_requests_made_from_what_we_decoded_are_those_recorded(exchanges: list[Exchange]) -> None:
    answers: list[AssistantMessage] = []
    for exchange in exchanges:
        recorded = exchange.request
        tools = recorded.get("toolConfig", {}).get("tools", ())
        specs = [tool["toolSpec"] for tool in tools if "toolSpec" in tool]
        config = recorded.get("inferenceConfig", {})
        request = ModelRequest(
            model_of(exchange),
            conversation(exchange, answers),
            "".join(block.get("text", "") for block in recorded.get("system", ())),
            tuple(ToolSpec(spec["name"], spec.get("description", ""), spec["inputSchema"]["json"]) for spec in specs),
            config.get("maxTokens"),
            config.get("temperature"),
        )
        ours = encode(request, CONFIG)
        assert plain(ours) == plain(recorded)
        if exchange.status == 200:
            answers.append(answer_of(exchange))


FOLLOW_UPS = [
    (first, second)
    for exchanges in FILES
    for first, second in pairwise(exchanges)
    if first.status == 200
    and second.request["messages"][: len(first.request["messages"])] == first.request["messages"]
    and len(second.request["messages"]) > len(first.request["messages"])
]


@pytest.mark.parametrize(("first", "second"), FOLLOW_UPS, ids=lambda exchange: exchange.name)
def test_an_answer_goes_back_as_recorded(first: Exchange, second: Exchange) -> None:
    recorded = second.request["messages"][len(first.request["messages"])]
    assert recorded["role"] == "assistant"
    assert bare(sent_back(answer_of(first))) == bare(recorded["content"])


INVOKED = [
    exchange
    for exchanges in conversations(("bedrock",), "/invoke")
    for exchange in exchanges
    if "anthropic_version" in exchange.request
]


@pytest.mark.parametrize("exchange", INVOKED, ids=name_of)
def test_an_answer_of_a_claude_in_its_own_language_is_one_of_the_messages_api(exchange: Exchange) -> None:
    body = msgspec.json.decode(exchange.body)
    message = anthropic.decode(exchange.body, origin())
    assert message.text == "".join(block["text"] for block in body["content"])
    assert message.usage == Usage(input=body["usage"]["input_tokens"], output=body["usage"]["output_tokens"])


def test_base64_that_a_document_is_sent_in_is_plain() -> None:
    file = Attachment("a.pdf", "application/pdf", "", 3, b"\xff\xfe\xfd")
    [message] = encode(ModelRequest("m", (UserMessage("look", attachments=(file,)),)), Config())["messages"]
    assert message["content"][0]["document"]["source"] == {"bytes": b64encode(file.data).decode()}
