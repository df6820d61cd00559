"""Every recorded exchange in Responses replays: what is decoded is what the body says."""

import re
from base64 import b64decode
from collections.abc import Iterator
from itertools import groupby, pairwise, takewhile
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carapax.errors import ModelRejected, ModelUnavailable
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
from carapax.models.refusal import failure
from carapax.models.server import endpoint
from carapax.providers.openai_responses import Config, Decoder, decode, encode
from tests.fakes.recordings import Exchange, conversations, present
from tests.providers.reading import Answer, check_deltas, cut, fed, origin, written

pytestmark = present
CONVERSATIONS = list(conversations(("openai", "deepseek", "openrouter"), "/responses"))
ALL = [exchange for exchanges in CONVERSATIONS for exchange in exchanges]
CONFIGS = {"openai": Config(), "openrouter": Config(), "deepseek": Config(version="", item_ids="reasoning")}
BASES = {
    "openai": "https://api.openai.com",
    "openrouter": "https://openrouter.ai/api",
    "deepseek": "https://api.deepseek.com",
}

NOT_OFFERED = {
    "An answer that is made in the background, and asked for again until it is there: a run waits for its answer.": (
        "openai/test_openai_responses-test_background_mode_streaming_without_starting_after_vcr[0]",
        "openai/test_openai_responses-test_background_mode_vcr[0]",
    ),
}
REWRITTEN = (  # by who recorded them, on the way back: the id of a call, the shape of quotes
    "openai/test_openai_responses-test_openai_responses_stream[0]",
    "openai/test_openai_responses-test_openai_responses_phase_streamed_on_part_start[0]",
)
UNFINISHED = {name for names in NOT_OFFERED.values() for name in names}

WHOLE = [one for one in ALL if not one.streamed and one.status == 200 and one.name not in UNFINISHED]
STREAMS = [one for one in ALL if one.streamed and one.status == 200]
FAILED = [one for one in ALL if one.status != 200]


def name_of(exchange: Exchange) -> str:
    return exchange.name


def read_usage(usage: dict[str, Any]) -> Usage:
    given = usage["input_tokens_details"]
    return Usage(
        input=usage["input_tokens"],
        output=usage["output_tokens"],
        cache_read=given.get("cached_tokens") or 0,
        cache_write=given.get("cache_write_tokens") or 0,
        reasoning=usage["output_tokens_details"]["reasoning_tokens"],
    )


def read_response(response: dict[str, Any]) -> Answer:
    text = thinking = ""
    calls = []
    for item in response["output"]:
        if item["type"] == "message":
            text += "".join(piece["text"] for piece in item["content"])
        elif item["type"] == "reasoning":
            thinking += "\n\n".join(piece["text"] for piece in [*item["summary"], *(item.get("content") or [])])
        elif item["type"] == "function_call":
            calls.append((item["call_id"], item["name"], msgspec.json.decode(item["arguments"])))
    reason = "tool_calls" if calls else "end"
    return Answer(text, thinking, calls, read_usage(response["usage"]), reason, response["status"], response["model"])


def events_of(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.decode().splitlines():
        if line.startswith("data: {"):
            yield msgspec.json.decode(line[6:])


def last_response(body: bytes) -> dict[str, Any]:
    [response] = [event["response"] for event in events_of(body) if event["type"] == "response.completed"]
    assert isinstance(response, dict)
    return response


def read_stream(body: bytes) -> Answer:
    """Put together from the deltas; only calls, counts and the end are taken from where they are whole."""
    deltas: dict[str, str] = {}
    for event in events_of(body):
        if event["type"].endswith(".delta"):
            deltas[event["type"]] = deltas.get(event["type"], "") + event["delta"]
    whole = read_response(last_response(body))
    text, thinking = deltas.get("response.output_text.delta", ""), deltas.get("response.reasoning_text.delta", "")
    return msgspec.structs.replace(whole, text=text, thinking=thinking)


def replay(exchange: Exchange, places: list[int]) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, cut(exchange.body, places))
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def answered(exchange: Exchange) -> AssistantMessage:
    return replay(exchange, []) if exchange.streamed else decode(exchange.body, origin())


def sent_back(message: AssistantMessage, config: Config) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = encode(ModelRequest("model", (message,)), config)["input"]
    return items


def bare(item: dict[str, Any]) -> dict[str, Any]:
    """Without what need not go back: counts of likelihood, what is empty, and that a call or thought was completed."""
    left_out = ("logprobs",) if item["type"] in ("message", "output_text") else ("status", "content")
    kept = {key: value for key, value in item.items() if value is not None and key not in left_out}
    if item.get("content"):
        kept["content"] = [bare(piece) if item["type"] == "message" else piece for piece in item["content"]]
    return kept


def going_back(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the vendor wants back of the items of an answer, and can understand without having kept them."""
    known = [
        item for item in output if item["type"] != "reasoning" or item.get("encrypted_content") or item.get("content")
    ]
    known = [item for item in known if item["type"] != "computer_call"]
    if len(known) < len(output):
        known = [{key: value for key, value in item.items() if key != "id"} for item in known]
        known = [{**item, "status": None} if item["type"] == "message" else item for item in known]
    return [bare(item) for item in known]


@pytest.mark.parametrize("exchange", WHOLE, ids=name_of)
def test_a_whole_answer_says_what_its_body_says_and_goes_back_unchanged(exchange: Exchange) -> None:
    body = msgspec.json.decode(exchange.body)
    message = decode(exchange.body, origin())
    assert written(message) == read_response(body)
    assert [bare(item) for item in sent_back(message, Config())] == going_back(body["output"])


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
def test_a_stream_says_what_its_events_say_whole_and_byte_by_byte(exchange: Exchange) -> None:
    whole = replay(exchange, [])
    assert written(whole) == read_stream(exchange.body)
    assert [bare(item) for item in sent_back(whole, Config())] == going_back(last_response(exchange.body)["output"])
    assert replay(exchange, list(range(len(exchange.body)))) == whole


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_stream_may_be_cut_anywhere(exchange: Exchange, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(exchange.body)), max_size=30))
    assert replay(exchange, places) == replay(exchange, [])


def test_nothing_is_left_out() -> None:
    assert len(WHOLE) > 140
    assert len(STREAMS) > 10
    assert len(FAILED) == 3
    assert len(WHOLE) + len(STREAMS) + len(FAILED) + len(UNFINISHED) == len(ALL)


@pytest.mark.parametrize("exchange", [one for one in ALL if one.name in UNFINISHED], ids=name_of)
def test_an_answer_that_is_not_ready_is_none(exchange: Exchange) -> None:
    with pytest.raises(ModelUnavailable, match="queued"):
        decode(exchange.body, origin())


@pytest.mark.parametrize("exchange", FAILED, ids=name_of)
def test_a_failure_is_told_by_its_kind_and_in_the_vendors_words(exchange: Exchange) -> None:
    error = failure(origin(), exchange.status, exchange.headers, exchange.body, now=0)
    assert isinstance(error, ModelRejected)
    assert msgspec.json.decode(exchange.body)["error"]["message"] in error.message


def test_the_servers_are_where_they_were() -> None:
    for exchange in ALL:
        assert endpoint(BASES[exchange.family], "/responses", CONFIGS[exchange.family].version) == exchange.url


FOLLOW_UPS = [
    (first, second)
    for exchanges in CONVERSATIONS
    for first, second in pairwise(exchanges)
    if first.status == second.status == 200
    and first.name not in {*UNFINISHED, *REWRITTEN}
    and second.request["input"][: len(first.request["input"])] == first.request["input"]
    and len(second.request["input"]) > len(first.request["input"])
    and not (second.request.get("previous_response_id") or second.request.get("conversation"))
]


def is_said(item: dict[str, Any]) -> bool:
    """Whether an item is from the model."""
    return item.get("role") != "user" and item.get("type") != "function_call_output"


def attached(piece: dict[str, Any]) -> Attachment | None:
    found = re.fullmatch(r"data:([^;]+);base64,(.*)", piece.get("file_data") or piece.get("image_url") or "", re.S)
    if not found:
        return None
    data = b64decode(found[2])
    shown = found[1] == "application/pdf" or found[1].startswith("image/")
    return Attachment(piece.get("filename", ""), found[1], "", len(data), data) if shown else None


def as_message(item: dict[str, Any]) -> Message | None:
    """An item that is not from the model; None for one that we never send, such as a file kept at the vendor."""
    if item.get("type") == "function_call_output":
        output = item["output"]
        return ToolResult(item["call_id"], "tool", output) if isinstance(output, str) else None
    if isinstance(item["content"], str):
        return UserMessage(item["content"])
    text = "".join(piece["text"] for piece in item["content"] if piece["type"] == "input_text")
    files = [attached(piece) for piece in item["content"] if piece["type"] != "input_text"]
    return UserMessage(text, attachments=tuple(file for file in files if file)) if all(files) else None


def essence(item: dict[str, Any]) -> dict[str, Any] | None:
    """What must be the same however it is put; None for what says nothing, or only what the vendor kept."""
    kind = item.get("type", "message")
    if kind == "message":
        content = item["content"] if isinstance(item["content"], list) else [{"type": "text", "text": item["content"]}]
        text = "".join(piece.get("text", "") for piece in content)
        files = [bare({**piece, "detail": None}) for piece in content if "text" not in piece]
        return {"role": item["role"], "text": text, "files": files} if text or files else None
    if kind == "reasoning":
        thoughts = {key: item[key] for key in ("summary", "content") if item.get(key)}
        sealed = bool(item.get("encrypted_content")) and not item.get("content")
        return {**thoughts, "sealed": sealed} if sealed or item.get("content") else None
    if kind == "function_call":
        return {"name": item["name"], "id": item["call_id"], "arguments": msgspec.json.decode(item["arguments"])}
    return item if kind == "function_call_output" else {"type": kind}


def essences(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [told for item in items if (told := essence(item))]


@pytest.mark.parametrize(("first", "second"), FOLLOW_UPS, ids=lambda exchange: exchange.name)
def test_an_answer_goes_back_as_recorded(first: Exchange, second: Exchange) -> None:
    recorded = list(takewhile(is_said, second.request["input"][len(first.request["input"]) :]))
    recorded = [item for item in recorded if item.get("type") != "additional_tools"]
    assert recorded
    assert essences(sent_back(answered(first), CONFIGS[first.family])) == essences(recorded)


def as_request(exchange: Exchange, answers: list[AssistantMessage]) -> ModelRequest | None:
    """Our request for a recorded one, whose answers so far are given; None when it holds what we never send."""
    messages: list[Message | None] = []
    for said, items in groupby(exchange.request["input"], is_said):
        messages += [answers.pop(0) if answers else None] if said else map(as_message, items)
    if None in messages or any(tool["type"] != "function" for tool in exchange.request.get("tools", ())):
        return None
    return ModelRequest(
        exchange.request["model"],
        tuple(message for message in messages if message),
        exchange.request.get("instructions", ""),
        tuple(
            ToolSpec(tool["name"], tool["description"] or "", tool["parameters"])
            for tool in exchange.request.get("tools", ())
        ),
        stream=exchange.request.get("stream", False),
    )


REQUESTS = [
    (exchange, request)
    for exchanges in CONVERSATIONS
    for number, exchange in enumerate(exchanges)
    if exchange.status == 200
    and all(before.status == 200 and before.name not in {*UNFINISHED, *REWRITTEN} for before in exchanges[:number])
    and (request := as_request(exchange, [answered(before) for before in exchanges[:number]]))
]


@pytest.mark.parametrize(("exchange", "request_"), REQUESTS, ids=lambda value: getattr(value, "name", ""))
def test_a_conversation_makes_the_recorded_request(exchange: Exchange, request_: ModelRequest) -> None:
    sent = encode(request_, CONFIGS[exchange.family])
    recorded = exchange.request
    assert essences(sent["input"]) == essences(recorded["input"])
    assert sent["model"] == recorded["model"]
    assert sent["stream"] == recorded.get("stream", False)
    assert sent.get("instructions", "") == recorded.get("instructions", "")
    assert [{**tool, "strict": None} for tool in sent.get("tools", [])] == [
        {**tool, "strict": None, "description": tool["description"] or ""} for tool in recorded.get("tools", [])
    ]


def test_most_requests_are_made_again() -> None:
    assert len(FOLLOW_UPS) > 30
    assert len(REQUESTS) > 90
