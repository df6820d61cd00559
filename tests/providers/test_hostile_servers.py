"""A model server may send anything: it is answered with a message that can be kept, or with a ModelError."""

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.errors import ModelError
from carapax.messages import AssistantMessage, ModelRequest
from carapax.models.ndjson import NdjsonParser
from carapax.models.refusal import Origin
from carapax.models.server import Framing, StreamDecoder
from carapax.models.sse import SseParser
from carapax.providers import anthropic, bedrock, cohere, gemini, ollama, openai_chat, openai_responses
from tests.fakes.answer import Answer, Call
from tests.fakes.wires.anthropic import messages_body, messages_events
from tests.fakes.wires.bedrock import converse_body, converse_fields
from tests.fakes.wires.cohere import cohere_body, cohere_events
from tests.fakes.wires.gemini import gemini_body, gemini_events
from tests.fakes.wires.ollama import ollama_body, ollama_events
from tests.fakes.wires.openai_chat import chat_body, chat_events
from tests.fakes.wires.openai_responses import responses_body, responses_events
from tests.providers.reading import fed, origin

ANSWER = Answer("Hello you", thinking="hm", calls=(Call("look", '{"a": 1}'), Call("look", "{}")))
FOREIGN = (
    b'data: {"type":"content_block_start","index":9,"content_block":{"type":"server_tool_use","content":""}}\n\n'
    b'data: {"type":"content_block_delta","index":9,"delta":{"type":"x","content":"a","partial_json":"{}"}}\n\n'
    b'data: {"type":"content_block_stop","index":9}\n\n'
)
DETAILS = (
    b'data: {"choices":[{"index":0,"delta":{"reasoning_details":[{"type":"a","text":"b","index":0}],"content":'
    b'[{"type":"thinking","thinking":[{"text":"c"}]}],"tool_calls":[{"function":{"arguments":{"d":1}},'
    b'"extra_content":{"e":1}}]}}],"error":null,"x_groq":{"usage":{}}}\n\n'
)
PARTS = (
    b'data: {"candidates":[{"content":{"parts":[{"executableCode":{"code":"1"}},{"text":"a","thoughtSignature":"s"}]},'
    b'"groundingMetadata":{"a":1},"finishMessage":"b"}],"promptFeedback":{"safetyRatings":[]},"error":null}\n\n'
)
ITEMS = [
    b'data: {"type":"response.output_item.done","output_index":9,"sequence_number":0,"item":{"type":"message","id":"m",'
    b'"content":[{"type":"output_text","text":"a","annotations":[{"a":1}]},{"type":"refusal","refusal":"b"}]}}\n\n',
    b'data: {"type":"response.output_item.done","output_index":8,"sequence_number":0,"item":{"type":"reasoning",'
    b'"id":"r","encrypted_content":"s","content":[{"type":"reasoning_text","text":"a"}]}}\n\n',
    b'data: {"type":"response.output_item.done","output_index":7,"sequence_number":0,"item":{"type":"mcp_call"}}\n\n',
]
BLOCKS = [
    ("contentBlockStart", {"contentBlockIndex": 9, "start": {"toolUse": {"type": "server_tool_use", "name": "a"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 9, "delta": {"toolUse": {"input": "{}"}}}),
    ("contentBlockStart", {"contentBlockIndex": 8, "start": {"toolResult": {"status": "success", "content": []}}}),
    ("contentBlockDelta", {"contentBlockIndex": 8, "delta": {"toolResult": [{"json": {"a": 1}}]}}),
    ("contentBlockDelta", {"contentBlockIndex": 7, "delta": {"text": "a"}}),
    ("contentBlockDelta", {"contentBlockIndex": 7, "delta": {"citation": {"title": "a"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 6, "delta": {"reasoningContent": {"redactedContent": "eA=="}}}),
    *converse_fields(ANSWER),
]
STREAMS: list[tuple[Callable[[Origin], StreamDecoder], list[bytes]]] = [
    (openai_chat.Decoder, [DETAILS, *chat_events(ANSWER, "m")]),
    (openai_responses.Decoder, [*ITEMS, *responses_events(ANSWER, "m")]),
    (anthropic.Decoder, [FOREIGN, *messages_events(ANSWER, "m")]),
    (
        bedrock.Decoder,
        [b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(event)) for kind, event in BLOCKS],
    ),
    (gemini.Decoder, [PARTS, *gemini_events(ANSWER, "m")]),
    (cohere.Decoder, list(cohere_events(ANSWER, "m"))),
    (ollama.Decoder, list(ollama_events(ANSWER, "m"))),
]
WHOLE: list[tuple[Callable[[bytes, Origin], AssistantMessage], bytes]] = [
    (openai_chat.decode, chat_body(ANSWER, "m")),
    (openai_responses.decode, responses_body(ANSWER, "m")),
    (anthropic.decode, messages_body(ANSWER, "m")),
    (bedrock.decode, converse_body(ANSWER, "m")),
    (gemini.decode, gemini_body(ANSWER, "m")),
    (cohere.decode, cohere_body(ANSWER, "m")),
    (ollama.decode, ollama_body(ANSWER, "m")),
]
FRAMINGS: dict[object, Callable[[], Framing]] = {ollama.Decoder: NdjsonParser}
WRONG = st.sampled_from(
    json.loads(
        """[null, true, 0, -1, 7, 1.5, 1e300, 9999999999999999999999999, "", "text", "<think>", [], {}, [[]], [null],
        ["a"], [{}], {"a": 9999999999999999999999999}, {"type": "text", "text": 5},
        [{"type": "tool_use", "input": "x", "id": 3, "name": []}]]"""
    )
).map(deepcopy)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, part in inner for place in places(part, (*path, key))]


def spoil(document: Any, data: st.DataObject) -> Any:
    """The document with something else in some place."""
    found = places(document)
    if not found:
        return document
    *way, last = data.draw(st.sampled_from(found))
    part = document
    for key in way:
        part = part[key]
    part[last] = data.draw(WRONG)
    return document


def keep(message: AssistantMessage) -> None:
    """What is done with every message: it is written to the journal and sent back in both dialects."""
    assert msgspec.json.decode(msgspec.json.encode(message), type=AssistantMessage) == message
    request = ModelRequest("m", (message,))
    for accent in ({}, {"thinking_field": "reasoning_details"}, {"thinking_field": "chunks"}):
        msgspec.json.encode(openai_chat.encode(request, msgspec.convert(accent, openai_chat.Config)))
    msgspec.json.encode(openai_responses.encode(request, openai_responses.Config()))
    msgspec.json.encode(anthropic.encode(request, anthropic.Config()))
    msgspec.json.encode(bedrock.encode(request, bedrock.Config()))
    msgspec.json.encode(gemini.encode(request, gemini.Config({"m": "low"})))
    msgspec.json.encode(cohere.encode(request, cohere.Config()))
    msgspec.json.encode(ollama.encode(request, ollama.Config()))


@pytest.mark.parametrize(("decoder", "events"), STREAMS)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_stream_with_something_wrong_in_it(
    decoder: Callable[[Origin], StreamDecoder], events: list[bytes], data: st.DataObject
) -> None:
    spoiled = list(events)
    for at in data.draw(st.lists(st.integers(0, len(events) - 2), min_size=1, max_size=3)):
        marked = b"data: " in spoiled[at]
        head, found, document = spoiled[at].partition(b"data: ") if marked else (b"", b"", spoiled[at])
        first, _, rest = document.partition(b"\n\n")
        spoiled[at] = head + found + json.dumps(spoil(json.loads(first), data)).encode() + b"\n\n" + rest
    decoding = decoder(origin())
    with suppress(ModelError):
        fed(decoding, spoiled, FRAMINGS.get(decoder, SseParser))
        keep(decoding.finish())


@pytest.mark.parametrize(("decode", "body"), WHOLE)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_whole_answer_with_something_wrong_in_it(
    decode: Callable[[bytes, Origin], AssistantMessage], body: bytes, data: st.DataObject
) -> None:
    with suppress(ModelError):
        keep(decode(json.dumps(spoil(spoil(json.loads(body), data), data)).encode(), origin()))


@pytest.mark.parametrize(("decode", "body"), WHOLE)
@pytest.mark.parametrize(
    "garbage", [b"[" * 100_000, b'{"error":' * 100_000, b'{"error":"\xff"}', b"\xff", b"", b"null"]
)
def test_a_body_of_garbage(decode: Callable[[bytes, Origin], AssistantMessage], body: bytes, garbage: bytes) -> None:
    with pytest.raises(ModelError):
        decode(garbage, origin())


@pytest.mark.parametrize(("decoder", "events"), STREAMS)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_stream_with_events_left_out_repeated_and_out_of_order(
    decoder: Callable[[Origin], StreamDecoder], events: list[bytes], data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.sampled_from(events), max_size=30))
    decoding = decoder(origin())
    with suppress(ModelError):
        fed(decoding, chosen, FRAMINGS.get(decoder, SseParser))
        keep(decoding.finish())


ENDLESS: list[tuple[Callable[[Origin], StreamDecoder], Callable[[int], bytes]]] = [
    (
        openai_chat.Decoder,
        lambda at: (
            b'data: {"choices":[{"delta":{"reasoning_details":[{"type":"a","index":%d,"text":"b"}],"tool_calls":'
            b'[{"index":%d,"id":"c%d","function":{"name":"d","arguments":"{}"}}]}}]}\n\n' % (at, at, at)
        ),
    ),
    (
        anthropic.Decoder,
        lambda at: (
            b'data: {"type":"content_block_delta","index":0,"delta":{"type":"a","content":"%s"}}\n\n' % (b"b" * 900)
            if at
            else b'data: {"type":"content_block_start","index":0,"content_block":{"type":"a","content":""}}\n\n'
        ),
    ),
    (
        gemini.Decoder,
        lambda at: (
            b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"a%d","name":"b","args":{}}}]}}]}\n\n'
            % at
        ),
    ),
]


@pytest.mark.parametrize(("decoder", "event"), ENDLESS)
def test_an_answer_of_very_many_pieces_takes_no_longer_for_each(
    decoder: Callable[[Origin], StreamDecoder], event: Callable[[int], bytes]
) -> None:
    """It would take minutes if each piece were looked for among all that came before."""
    decoding = decoder(origin())
    fed(decoding, [event(at) for at in range(15_000)])
