"""Every recorded exchange in Chat Completions replays: what is decoded is what the body says."""

import re
from base64 import b64decode
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carapax.errors import ModelBusy, ModelError, ModelRejected, ModelUnavailable
from carapax.messages import AssistantMessage, Attachment, ModelRequest, ToolResult, Usage, UserMessage
from carapax.models.catalogue import vendors
from carapax.models.refusal import failure
from carapax.models.server import endpoint
from carapax.providers.openai_chat import Config, Decoder, decode, encode
from tests.fakes.recordings import Exchange, conversations, present
from tests.providers.reading import Answer, check_deltas, cut, fed, origin, written

pytestmark = present
FAMILIES = (
    "openai",
    "groq",
    "mistral",
    "deepseek",
    "openrouter",
    "cerebras",
    "huggingface",
    "zai",
    "crusoe",
    "ollama",
    "gemini",
)
ALL = [exchange for exchanges in conversations(FAMILIES, "/chat/completions") for exchange in exchanges]
STOPS = {"stop": "end", "length": "length", "content_filter": "filtered", "model_length": "length"}


def failed(exchange: Exchange) -> bool:
    return exchange.status != 200 or re.search(rb'"error": ?[{"]', exchange.body) is not None


WHOLE = [exchange for exchange in ALL if not exchange.streamed and not failed(exchange)]
STREAMS = [exchange for exchange in ALL if exchange.streamed and not failed(exchange)]
FAILED = [exchange for exchange in ALL if failed(exchange)]


def name_of(exchange: Exchange) -> str:
    return exchange.name


def read_usage(usage: dict[str, Any] | None) -> Usage:
    if not usage:
        return Usage()
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    cached = prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("num_cached_tokens")
    given, said = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    thought = completion.get("reasoning_tokens") or 0
    if usage.get("total_tokens", 0) > given + said:
        said, thought = usage["total_tokens"] - given, usage["total_tokens"] - given - said
    return Usage(given, said, cached or 0, prompt.get("cache_write_tokens") or 0, thought)


def read_thoughts(message: dict[str, Any]) -> str:
    thoughts = message.get("reasoning_content") or message.get("reasoning")
    if not thoughts:
        details = message.get("reasoning_details") or []
        thoughts = "".join(detail.get("text") or detail.get("summary") or "" for detail in details)
    content = message.get("content")
    for piece in content if isinstance(content, list) else []:
        thoughts += "".join(inner.get("text") or "" for inner in piece.get("thinking") or [])
    return str(thoughts)


def read_text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "".join(piece.get("text") or "" for piece in content)
    return str(content) + (message.get("refusal") or "")


def read_stop(word: str, message: dict[str, Any], calls: list[Any]) -> str:
    if word in STOPS and word != "stop":
        return STOPS[word]
    return "filtered" if message.get("refusal") else "tool_calls" if calls else "end"


def part_tags(text: str) -> tuple[str, str]:
    """Thoughts within `<think>` at the beginning, and the rest."""
    found = re.match(r"\s*<think>(.*?)(?:</think>\s*(.*)|$)\Z", text, re.S)
    return (found[1], found[2] or "") if found else ("", text)


def read_whole(body: dict[str, Any]) -> Answer:
    choice = body["choices"][0]
    message = choice["message"]
    tagged, text = part_tags(read_text(message))
    calls = [
        (
            call["id"] or f"call_id_{number}",
            call["function"]["name"],
            msgspec.json.decode(call["function"].get("arguments") or "{}"),
        )
        for number, call in enumerate(message.get("tool_calls") or [])
    ]
    word = choice["finish_reason"]
    thoughts = read_thoughts(message) + tagged
    return Answer(
        text, thoughts, calls, read_usage(body.get("usage")), read_stop(word, message, calls), word, body["model"]
    )


def read_stream(body: bytes) -> Answer:
    text = thoughts = word = model = refused = ""
    usage = Usage()
    calls: dict[int, dict[str, str]] = {}
    for block in body.decode().replace("\r\n", "\n").split("\n\n"):
        if not block.startswith("data: {"):
            continue
        chunk = msgspec.json.decode(block[6:])
        model = chunk.get("model") or model
        if counted := chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage"):
            usage = read_usage(counted)
        for choice in chunk.get("choices") or []:
            delta = choice.get("delta") or {}
            text += read_text(delta)
            refused += delta.get("refusal") or ""
            thoughts += read_thoughts(delta)
            for call in delta.get("tool_calls") or []:
                known = calls.setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
                known["id"] = known["id"] or call.get("id") or ""
                known["name"] = known["name"] or call["function"].get("name") or ""
                known["arguments"] += call["function"].get("arguments") or ""
            word = choice.get("finish_reason") or word
    tagged, text = part_tags(text)
    read = [(call["id"], call["name"], msgspec.json.decode(call["arguments"] or "{}")) for call in calls.values()]
    return Answer(text, thoughts + tagged, read, usage, read_stop(word, {"refusal": refused}, read), word, model)


def replay(exchange: Exchange, places: list[int]) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, cut(exchange.body, places))
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


@pytest.mark.parametrize("exchange", WHOLE, ids=name_of)
def test_a_whole_answer_says_what_its_body_says(exchange: Exchange) -> None:
    assert written(decode(exchange.body, origin())) == read_whole(msgspec.json.decode(exchange.body))


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
def test_a_stream_says_what_its_chunks_say_whole_and_byte_by_byte(exchange: Exchange) -> None:
    whole = replay(exchange, [])
    assert written(whole) == read_stream(exchange.body)
    assert replay(exchange, list(range(len(exchange.body)))) == whole


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_stream_may_be_cut_anywhere(exchange: Exchange, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(exchange.body)), max_size=30))
    assert replay(exchange, places) == replay(exchange, [])


def test_nothing_is_left_out() -> None:
    assert len(WHOLE) > 150
    assert len(STREAMS) > 30


def test_the_catalogue_knows_where_the_recorded_vendors_are() -> None:
    elsewhere = {
        "https://api.deepseek.com/chat/completions": "https://api.deepseek.com/v1/chat/completions",  # the same
        "https://ollama.com/v1/chat/completions": "http://127.0.0.1:11434/v1/chat/completions",  # its cloud
    }
    for exchange in ALL:
        if exchange.family not in ("huggingface", "gemini"):  # behind a router, beside its own language
            known = endpoint(vendors()[exchange.family].base_url, "/chat/completions")
            assert known == elsewhere.get(exchange.url, exchange.url)


EXPECTED = {200: ModelRejected, 400: ModelRejected, 404: ModelRejected, 429: ModelBusy}


@pytest.mark.parametrize("exchange", FAILED, ids=name_of)
def test_a_failure_is_told_by_its_kind_and_in_the_vendors_words(exchange: Exchange) -> None:
    with pytest.raises(ModelError) as raised:
        if exchange.status == 200:
            replay(exchange, [])
        raise failure(origin(), exchange.status, exchange.headers, exchange.body, now=0)
    passing = b"tool_use_failed" in exchange.body or b'"finish_reason":"length"' in exchange.body
    assert type(raised.value) is (ModelUnavailable if passing else EXPECTED[exchange.status])
    said = re.search(rb'"message":("(?:[^"\\]|\\.)*")', exchange.body)
    assert said and msgspec.json.decode(said[1]) in raised.value.message


def config_of(exchange: Exchange) -> Config:
    vendor = vendors()[exchange.family]
    if vendor.dialect != "openai_chat":  # recorded in a language that it speaks besides its own
        return Config(thinking_field="reasoning")
    return msgspec.convert(vendor.accent, Config)


FOLLOW_UPS = [
    (first, second)
    for exchanges in conversations(FAMILIES, "/chat/completions")
    for first, second in pairwise(exchanges)
    if not failed(first)
    and first.request.get("messages")
    and len(second.request.get("messages", [])) > len(first.request["messages"])
    and second.request["messages"][len(first.request["messages"])]["role"] == "assistant"
]


MADE_UP = re.compile(r"pyd_ai_\w+|call_id_\d")


def essence(message: dict[str, Any]) -> dict[str, Any]:
    """What must be the same however it is put: empty content in any spelling, arguments as values, ids that the vendor
    gave."""
    calls = [
        (MADE_UP.sub("", call["id"]), call["function"]["name"], msgspec.json.decode(call["function"]["arguments"]))
        for call in message.get("tool_calls") or []
    ]
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content)
    thoughts = {
        key: message[key] for key in ("reasoning", "reasoning_content", "reasoning_details") if message.get(key)
    }
    return {"role": message["role"], "content": part_tags(content)[1], "calls": calls, **thoughts}


@pytest.mark.parametrize(("first", "second"), FOLLOW_UPS, ids=lambda exchange: exchange.name)
def test_an_answer_goes_back_as_recorded(first: Exchange, second: Exchange) -> None:
    answer = replay(first, []) if first.streamed else decode(first.body, origin())
    request = ModelRequest("model", (UserMessage("before"), answer))
    sent = encode(request, config_of(first))["messages"][1]
    recorded = second.request["messages"][len(first.request["messages"])]
    assert essence(sent) == essence(recorded)


def test_results_of_tools_go_back_as_recorded() -> None:
    recorded = [
        message
        for exchange in ALL
        for message in exchange.request.get("messages", [])
        if message["role"] == "tool" and isinstance(message["content"], str)
    ]
    results = tuple(ToolResult(message["tool_call_id"], "tool", message["content"]) for message in recorded)
    sent = encode(ModelRequest("model", results), Config(tool_id=".*"))["messages"]
    assert sent == [{key: message[key] for key in ("role", "tool_call_id", "content")} for message in recorded]
    assert len(sent) > 50


def attached(piece: dict[str, Any]) -> Attachment | None:
    """The file of a part, if it is in there; None for one that the vendor is to fetch."""
    file = piece.get("file") or {"file_data": piece.get("document_url") or piece.get("image_url", {}).get("url")}
    found = re.fullmatch(r"data:([^;]+);base64,(.*)", file["file_data"], re.S)
    if not found or found[1] not in ("application/pdf", "image/png", "image/jpeg"):
        return None
    data = b64decode(found[2])
    return Attachment(file.get("filename", ""), found[1], "", len(data), data)


def test_files_are_shown_as_recorded() -> None:
    shown = 0
    for exchange in ALL:
        for message in exchange.request.get("messages", []):
            if message["role"] != "user" or isinstance(message["content"], str):
                continue
            words = [piece for piece in message["content"] if piece["type"] == "text"]
            files = [attached(piece) for piece in message["content"] if piece["type"] != "text"]
            if files and all(files) and len(words) == 1:
                files_ = tuple(file for file in files if file)
                config = Config(document_part="document_url" if exchange.family == "mistral" else "file")
                asked = UserMessage(words[0]["text"], attachments=files_)
                [sent] = encode(ModelRequest("model", (asked,)), config)["messages"]
                assert sent["content"] == message["content"]
                shown += 1
    assert shown > 3
