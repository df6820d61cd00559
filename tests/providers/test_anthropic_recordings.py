"""Every recorded exchange in the Messages API replays: what is decoded is what the body says."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carapax.errors import ModelRejected
from carapax.messages import AssistantMessage, Message, ModelRequest, ToolResult, ToolSpec, Usage, UserMessage
from carapax.models.refusal import failure
from carapax.providers.anthropic import Config, Decoder, decode, encode
from tests.fakes.recordings import Exchange, conversations, present
from tests.providers.reading import Answer, check_deltas, cut, fed, origin, written

pytestmark = present
ALL = [exchange for exchanges in conversations(("anthropic",), "/messages") for exchange in exchanges]
WHOLE = [exchange for exchange in ALL if not exchange.streamed and exchange.status == 200]
STREAMS = [exchange for exchange in ALL if exchange.streamed and exchange.status == 200]
FAILED = [exchange for exchange in ALL if exchange.status != 200]
STOPS = {
    "end_turn": "end",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "filtered",
    "pause_turn": "paused",
}
CONFIG = Config(cache=False)


def name_of(exchange: Exchange) -> str:
    return exchange.name


def read_usage(usage: dict[str, Any]) -> Usage:
    cached, created = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    return Usage(
        input=usage["input_tokens"] + cached + created,
        output=usage["output_tokens"],
        cache_read=cached,
        cache_write=created,
        reasoning=(usage.get("output_tokens_details") or {}).get("thinking_tokens", 0),
    )


def read_message(message: dict[str, Any]) -> Answer:
    blocks = message["content"]
    stop = message["stop_reason"]
    return Answer(
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"],
        read_usage(message["usage"]),
        STOPS[stop],
        stop,
        message["model"],
    )


def gather(body: bytes) -> dict[str, Any]:
    """The message that a stream builds up, as the vendor documents it."""
    message: dict[str, Any] = {}
    inputs: dict[int, str] = {}
    for line in body.decode().splitlines():
        if not line.startswith("data: "):
            continue
        event = msgspec.json.decode(line[6:].strip())
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"])
            case "content_block_delta":
                block, delta = message["content"][event["index"]], event["delta"]
                match delta["type"]:
                    case "text_delta":
                        block["text"] += delta["text"]
                    case "thinking_delta":
                        block["thinking"] += delta["thinking"]
                    case "signature_delta":
                        block["signature"] = delta["signature"]
                    case "input_json_delta":
                        inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
                    case "citations_delta":
                        block.setdefault("citations", []).append(delta["citation"])
            case "message_delta":
                message["stop_reason"] = event["delta"]["stop_reason"]
                message["usage"] |= event["usage"]
    for index, text in inputs.items():
        if text:
            message["content"][index]["input"] = msgspec.json.decode(text)
    return message


def replay(exchange: Exchange, places: list[int]) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, cut(exchange.body, places))
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def sent_back(message: AssistantMessage) -> list[dict[str, Any]]:
    """The blocks of the message in the next request."""
    messages: list[dict[str, Any]] = encode(ModelRequest("model", (UserMessage("before"), message)), CONFIG)["messages"]
    blocks: list[dict[str, Any]] = messages[1]["content"] if len(messages) > 1 else []
    return blocks


def bare(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what need not go back: who called, where to cache, empty text."""
    kept = ({key: value for key, value in block.items() if key not in ("caller", "cache_control")} for block in blocks)
    return [block for block in kept if block.get("text", "text").strip()]


@pytest.mark.parametrize("exchange", WHOLE, ids=name_of)
def test_a_whole_answer_says_what_its_body_says_and_goes_back_unchanged(exchange: Exchange) -> None:
    body = msgspec.json.decode(exchange.body)
    message = decode(exchange.body, origin())
    assert written(message) == read_message(body)
    assert bare(sent_back(message)) == bare(body["content"])


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
def test_a_stream_says_what_its_events_say_whole_and_byte_by_byte(exchange: Exchange) -> None:
    gathered = gather(exchange.body)
    whole = replay(exchange, [])
    assert written(whole) == read_message(gathered)
    assert bare(sent_back(whole)) == bare(gathered["content"])
    assert replay(exchange, list(range(len(exchange.body)))) == whole


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_stream_may_be_cut_anywhere(exchange: Exchange, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(exchange.body)), max_size=30))
    assert replay(exchange, places) == replay(exchange, [])


def test_nothing_is_left_out() -> None:
    assert len(WHOLE) >= 150
    assert len(STREAMS) >= 8
    assert len(WHOLE) + len(STREAMS) + len(FAILED) == len(ALL)


@pytest.mark.parametrize("exchange", FAILED, ids=name_of)
def test_a_failure_is_told_by_its_kind_and_in_the_vendors_words(exchange: Exchange) -> None:
    error = failure(origin(), exchange.status, exchange.headers, exchange.body, now=0)
    assert isinstance(error, ModelRejected)
    assert msgspec.json.decode(exchange.body)["error"]["message"] in error.message


# The client that was recorded here shows how thoughts are lost on its way: it sends fewer than it was given.
FORGETFUL = {
    "anthropic/test_cache_prefix_stability-test_anthropic_thinking_agui_0_1_10_drops_prefix[2]",
}
PLAIN = {"text", "thinking", "redacted_thinking", "tool_use", "tool_result"}


def normal(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages with the roles in turn and results as text: another client's spelling of the same."""
    made: list[dict[str, Any]] = []
    for message in messages:
        blocks = [told(block) for block in bare(message["content"])]
        if made and made[-1]["role"] == message["role"]:
            made[-1]["content"] += blocks
        elif blocks:
            made.append({"role": message["role"], "content": blocks})
    return made


def told(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] != "tool_result":
        return block
    content = block.get("content", "")
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    return {"type": "tool_result", "id": block["tool_use_id"], "text": text, "wrong": block.get("is_error", False)}


def plain(exchange: Exchange) -> bool:
    """Whether a request is of text, calls of functions and their results, as ours are."""
    blocks = [block for message in exchange.request["messages"] for block in message["content"]]
    results = [part for block in blocks if block["type"] == "tool_result" for part in block.get("content", [])]
    return (
        all(message["role"] in ("user", "assistant") for message in exchange.request["messages"])
        and all(block["type"] in PLAIN for block in blocks)
        and all(isinstance(part, str) or part["type"] == "text" for part in results)
        and all("input_schema" in tool for tool in exchange.request.get("tools", []))
    )


def rebuilt(messages: list[dict[str, Any]], answers: list[AssistantMessage]) -> tuple[Message, ...]:
    """The recorded conversation as ours: the model's turns are our decoded answers, the rest is read as recorded."""
    made: list[Message] = []
    rest = iter(answers)
    for message in messages:
        if message["role"] == "assistant":
            made.append(next(rest))
            continue
        for block in map(told, message["content"]):
            if block["type"] == "tool_result":
                made.append(ToolResult(block["id"], "tool", block["text"], block["wrong"]))
            else:
                made.append(UserMessage(block["text"]))
    return tuple(made)


def said(exchange: Exchange) -> int:
    return sum(message["role"] == "assistant" for message in exchange.request["messages"])


def turns(exchanges: list[Exchange]) -> Iterator[tuple[list[Exchange], Exchange]]:
    """Each plain request that goes on with answers recorded before it, and those."""
    for at, exchange in enumerate(exchanges):
        asked = exchange.request["messages"]
        earlier = (one for one in exchanges[:at] if one.request["messages"] == asked[: len(one.request["messages"])])
        chain = {said(one): one for one in earlier if said(one) < said(exchange)}
        if chain and len(chain) == said(exchange) and plain(exchange):
            yield [chain[turn] for turn in range(len(chain))], exchange


CONVERSATIONS = list(conversations(("anthropic",), "/messages"))
FOLLOW_UPS = [turn for exchanges in CONVERSATIONS for turn in turns(exchanges) if turn[1].name not in FORGETFUL]
PAIRS = [
    (first, second)
    for exchanges in CONVERSATIONS
    for first, second in pairwise(exchanges)
    if first.status == 200
    and second.request["messages"][: len(first.request["messages"])] == first.request["messages"]
    and len(second.request["messages"]) > len(first.request["messages"])
]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda exchange: exchange.name)
def test_an_answer_goes_back_as_recorded(first: Exchange, second: Exchange) -> None:
    answer = replay(first, []) if first.streamed else decode(first.body, origin())
    recorded = second.request["messages"][len(first.request["messages"])]
    assert recorded["role"] == "assistant"
    assert bare(sent_back(answer)) == bare(recorded["content"])


@pytest.mark.parametrize(("before", "exchange"), FOLLOW_UPS, ids=lambda value: getattr(value, "name", ""))
def test_our_next_request_is_the_recorded_one(before: list[Exchange], exchange: Exchange) -> None:
    answers = [replay(one, []) if one.streamed else decode(one.body, origin()) for one in before]
    recorded = exchange.request
    asked = recorded.get("system", "")
    system = asked if isinstance(asked, str) else "".join(block["text"] for block in asked)
    tools = tuple(
        ToolSpec(tool["name"], tool.get("description", ""), tool["input_schema"]) for tool in recorded.get("tools", [])
    )
    body = encode(ModelRequest("model", rebuilt(recorded["messages"], answers), system, tools), CONFIG)
    assert normal(body["messages"]) == normal(recorded["messages"])
    assert "".join(block["text"] for block in body.get("system", [])) == system
    assert [(tool["name"], tool["description"], tool["input_schema"]) for tool in body.get("tools", [])] == [
        (tool.name, tool.description, tool.parameters) for tool in tools
    ]


def test_many_conversations_go_on() -> None:
    assert len(FOLLOW_UPS) >= 24


def test_results_of_tools_go_back_as_recorded() -> None:
    recorded = [
        block
        for exchange in ALL
        for message in exchange.request["messages"]
        for block in message["content"]
        if block["type"] == "tool_result" and isinstance(block["content"], str)
    ]
    results = tuple(ToolResult(block["tool_use_id"], "tool", block["content"], block["is_error"]) for block in recorded)
    [message] = encode(ModelRequest("model", results), CONFIG)["messages"]
    assert message["role"] == "user"
    assert [{"is_error": False, **block} for block in message["content"]] == [
        {key: value for key, value in block.items() if key != "cache_control"} for block in recorded
    ]
