"""Every recorded exchange in Cohere's Chat API replays: what is decoded is what the body says."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from carapax.errors import ModelError
from carapax.messages import AssistantMessage, ModelRequest, ToolResult, Usage, UserMessage
from carapax.models.refusal import failure
from carapax.providers.cohere import Config, Decoder, decode, encode
from tests.fakes.answer import Answer as Script
from tests.fakes.answer import Call
from tests.fakes.recordings import Exchange, conversations, present
from tests.fakes.wires.cohere import cohere_body, cohere_events
from tests.providers.reading import Answer, check_deltas, cut, fed, origin, written

CONVERSATIONS = list(conversations(("cohere",), "/v2/chat"))
ALL = [exchange for exchanges in CONVERSATIONS for exchange in exchanges]
WHOLE = [exchange for exchange in ALL if exchange.status == 200 and not exchange.streamed]
STREAMS = [exchange for exchange in ALL if exchange.status == 200 and exchange.streamed]
FAILED = [exchange for exchange in ALL if exchange.status != 200]
SCRIPT = Script("Hello you", thinking="hm well", calls=(Call("look", '{"a": 1}', "a"), Call("look", "{}", "b")))
INVENTED = Exchange("invented", "cohere", "", {}, 200, {}, cohere_body(SCRIPT, "m"), False)
STREAMED = msgspec.structs.replace(INVENTED, body=b"".join(cohere_events(SCRIPT, "m")), streamed=True)
"""So that what reads recordings is tried where there are none."""


def name_of(exchange: Exchange) -> str:
    return exchange.name


def read_usage(usage: dict[str, Any] | None) -> Usage:
    counts = (usage or {}).get("tokens") or (usage or {}).get("billed_units") or {}
    cached = int((usage or {}).get("cached_tokens") or 0)
    return Usage(int(counts.get("input_tokens") or 0), int(counts.get("output_tokens") or 0), cached)


def read_stop(word: str, calls: list[Any]) -> str:
    return "length" if word == "MAX_TOKENS" else "tool_calls" if calls else "end"


def read_whole(body: dict[str, Any]) -> Answer:
    message = body["message"]
    content = message.get("content") or []
    calls = [
        (call["id"], call["function"]["name"], msgspec.json.decode(call["function"]["arguments"] or "{}"))
        for call in message.get("tool_calls") or []
    ]
    return Answer(
        "".join(block.get("text") or "" for block in content),
        (message.get("tool_plan") or "") + "".join(block.get("thinking") or "" for block in content),
        calls,
        read_usage(body.get("usage")),
        read_stop(body["finish_reason"], calls),
        body["finish_reason"],
        "model",
    )


def read_stream(body: bytes) -> Answer:
    blocks: dict[str, Any] = {"text": "", "thinking": ""}
    plan = ""
    calls: dict[int, dict[str, Any]] = {}
    ending: dict[str, Any] = {}
    for line in body.decode().split("\n"):
        if not line.startswith("data: {"):
            continue
        event = msgspec.json.decode(line[6:])
        message = (event.get("delta") or {}).get("message") or {}
        plan += message.get("tool_plan") or ""
        if event["type"].startswith("content-") and message:
            for kind in blocks:
                blocks[kind] += message["content"].get(kind) or ""
        elif event["type"] == "tool-call-start":
            calls[event["index"]] = message["tool_calls"]
        elif event["type"] == "tool-call-delta":
            calls[event["index"]]["function"]["arguments"] += message["tool_calls"]["function"]["arguments"]
        elif event["type"] == "message-end":
            ending = event["delta"]
    content = [{"thinking": blocks["thinking"]}, {"text": blocks["text"]}]
    return read_whole(
        {"message": {"content": content, "tool_plan": plan, "tool_calls": list(calls.values())}, **ending}
    )


def replay(exchange: Exchange, places: list[int]) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, cut(exchange.body, places))
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


@pytest.mark.parametrize("exchange", [INVENTED, *WHOLE], ids=name_of)
def test_a_whole_answer_says_what_its_body_says(exchange: Exchange) -> None:
    assert written(decode(exchange.body, origin())) == read_whole(msgspec.json.decode(exchange.body))


@pytest.mark.parametrize("exchange", [STREAMED, *STREAMS], ids=name_of)
def test_a_stream_says_what_its_events_say_whole_and_byte_by_byte(exchange: Exchange) -> None:
    whole = replay(exchange, [])
    assert written(whole) == read_stream(exchange.body)
    assert replay(exchange, list(range(len(exchange.body)))) == whole


@present
def test_a_failure_is_told_in_the_vendors_words() -> None:
    for exchange in FAILED:
        error = failure(origin(), exchange.status, exchange.headers, exchange.body, now=0)
        assert isinstance(error, ModelError)
        assert msgspec.json.decode(exchange.body)["message"][:300] in error.message


def essence(message: dict[str, Any]) -> dict[str, Any]:
    """What must be the same however it is put: content as a text or in blocks, arguments as values."""
    content = message.get("content") or []
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    calls = [
        (call["id"], call["function"]["name"], msgspec.json.decode(call["function"]["arguments"]))
        for call in message.get("tool_calls") or []
    ]
    return {
        "role": message["role"],
        "text": "".join(block.get("text") or "" for block in blocks),
        "thinking": "".join(block.get("thinking") or "" for block in blocks),
        "calls": calls,
        "of": message.get("tool_call_id"),
    }


def sent_back(answer: AssistantMessage) -> dict[str, Any]:
    [_, sent] = encode(ModelRequest("model", (UserMessage("before"), answer)), Config())["messages"]
    return essence(sent)


FOLLOW_UPS = [
    (first, second)
    for exchanges in CONVERSATIONS
    for first, second in pairwise(exchanges)
    if first.status == 200 and len(second.request["messages"]) > len(first.request["messages"])
]


def test_an_answer_goes_back_as_it_came() -> None:
    for exchange in [INVENTED, *WHOLE]:
        body = msgspec.json.decode(exchange.body)
        assert sent_back(decode(exchange.body, origin())) == essence(body["message"])


@present
def test_an_answer_goes_back_as_recorded() -> None:
    for first, second in FOLLOW_UPS:
        answer = replay(first, []) if first.streamed else decode(first.body, origin())
        assert sent_back(answer) == essence(second.request["messages"][len(first.request["messages"])])


@present
def test_results_of_tools_go_back_as_recorded() -> None:
    recorded = [
        message for exchange in ALL for message in exchange.request.get("messages", []) if message["role"] == "tool"
    ]
    results = tuple(ToolResult(result["tool_call_id"], "tool", essence(result)["text"]) for result in recorded)
    sent = encode(ModelRequest("model", results), Config())["messages"]
    assert [essence(message) for message in sent] == [essence(message) for message in recorded]
