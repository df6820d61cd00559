"""Every recorded exchange in the Gemini API replays: what is decoded is what the body says."""

from base64 import b64decode
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carapax.messages import (
    AssistantMessage,
    Attachment,
    Message,
    ModelRequest,
    Text,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.refusal import failure
from carapax.providers.gemini import Config, Decoder, decode, encode
from tests.fakes.recordings import Exchange, conversations, present
from tests.providers.reading import Answer, check_deltas, cut, fed, origin, written

pytestmark = present
NOT_OFFERED: dict[str, tuple[str, ...]] = {}
LEFT_OUT = {name for names in NOT_OFFERED.values() for name in names}
CONVERSATIONS = [
    exchanges for exchanges in conversations(("gemini",), "enerateContent") if exchanges[0].name not in LEFT_OUT
]
ALL = [exchange for exchanges in CONVERSATIONS for exchange in exchanges]
WHOLE = [exchange for exchange in ALL if not exchange.streamed and exchange.status == 200]
STREAMS = [exchange for exchange in ALL if exchange.streamed and exchange.status == 200]
FAILED = [exchange for exchange in ALL if exchange.status != 200]
STOPS = {"STOP": "end", "MAX_TOKENS": "length", "SAFETY": "filtered", "RECITATION": "filtered"}
URLSAFE = str.maketrans("-_", "+/")


def name_of(exchange: Exchange) -> str:
    return exchange.name


def read_usage(usage: dict[str, Any]) -> Usage:
    tool, reasoning = usage.get("toolUsePromptTokenCount", 0), usage.get("thoughtsTokenCount", 0)
    return Usage(
        input=usage["promptTokenCount"] + tool,
        output=usage.get("candidatesTokenCount", 0) + reasoning,
        cache_read=usage.get("cachedContentTokenCount", 0),
        reasoning=reasoning,
        tool=tool,
    )


def gather(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer that the chunks of a stream make together."""
    parts, stops = [], []
    for chunk in chunks:
        for candidate in chunk["candidates"][:1]:
            parts += candidate.get("content", {}).get("parts", [])
            stops += [candidate["finishReason"]] if "finishReason" in candidate else []
    last = chunks[-1]
    candidate = {"content": {"parts": parts}, "finishReason": stops[-1]}
    return {"candidates": [candidate], "usageMetadata": last["usageMetadata"], "modelVersion": last["modelVersion"]}


def events(body: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line[5:]) for line in body.decode().splitlines() if line.startswith("data:")]


def parts_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = answer["candidates"][0].get("content", {}).get("parts", [])
    return parts


def read_answer(answer: dict[str, Any]) -> Answer:
    parts = parts_of(answer)
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    stop = answer["candidates"][0]["finishReason"]
    return Answer(
        "".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
        "".join(part["text"] for part in parts if part.get("thought")),
        [(call.get("id", f"call_id_{at}"), call["name"], call.get("args", {})) for at, call in enumerate(calls)],
        read_usage(answer["usageMetadata"]),
        "tool_calls" if stop == "STOP" and calls else STOPS[stop],
        stop,
        answer["modelVersion"],
    )


def replay(exchange: Exchange, places: list[int]) -> AssistantMessage:
    decoder = Decoder(origin())
    deltas = fed(decoder, cut(exchange.body, places))
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def answered(exchange: Exchange) -> AssistantMessage:
    return replay(exchange, []) if exchange.streamed else decode(exchange.body, origin())


def joined(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With unsigned text that came in pieces put together, and without what is empty."""
    made: list[dict[str, Any]] = []
    for part in parts:
        before = made[-1] if made else {}
        if part == {"text": ""}:
            continue
        unsigned = "text" in part and "text" in before and "thoughtSignature" not in before.keys() | part.keys()
        if unsigned and part.get("thought") == before.get("thought"):
            before["text"] += part["text"]
        else:
            made.append(dict(part))
    return made


def sent_back(message: AssistantMessage) -> list[dict[str, Any]]:
    """The parts of the message in the next request."""
    contents = encode(ModelRequest("model", (UserMessage("before"), message)), Config())["contents"]
    parts: list[dict[str, Any]] = contents[1]["parts"] if len(contents) > 1 else []
    return parts


@pytest.mark.parametrize("exchange", WHOLE, ids=name_of)
def test_a_whole_answer_says_what_its_body_says_and_goes_back_unchanged(exchange: Exchange) -> None:
    body = msgspec.json.decode(exchange.body)
    message = decode(exchange.body, origin())
    assert written(message) == read_answer(body)
    assert sent_back(message) == joined(parts_of(body))


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
def test_a_stream_says_what_its_events_say_whole_and_byte_by_byte(exchange: Exchange) -> None:
    gathered = gather(events(exchange.body))
    whole = replay(exchange, [])
    assert written(whole) == read_answer(gathered)
    assert sent_back(whole) == joined(parts_of(gathered))
    assert replay(exchange, list(range(len(exchange.body)))) == whole


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_stream_may_be_cut_anywhere(exchange: Exchange, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(exchange.body)), max_size=30))
    assert replay(exchange, places) == replay(exchange, [])


@pytest.mark.parametrize("exchange", WHOLE, ids=name_of)
def test_a_whole_answer_reads_the_same_as_a_stream_of_one_event(exchange: Exchange) -> None:
    data = b"data: " + msgspec.json.encode(msgspec.json.decode(exchange.body)) + b"\r\n\r\n"
    assert replay(msgspec.structs.replace(exchange, body=data), []) == decode(exchange.body, origin())


def test_nothing_is_left_out() -> None:
    assert len(WHOLE) >= 123
    assert len(STREAMS) >= 9


def test_a_failure_is_told_in_the_vendors_words() -> None:
    for exchange in FAILED:
        error = failure(origin(), exchange.status, exchange.headers, exchange.body, now=0)
        assert msgspec.json.decode(exchange.body)["error"]["message"] in error.message


def normal(contents: list[dict[str, Any]], ids: set[str]) -> list[dict[str, Any]]:
    """Contents with the roles in turn, with the ids that the vendor gave and no others, signatures in the alphabet they
    came in, and results as what they say: another client's spelling of the same."""
    made: list[dict[str, Any]] = []
    for content in msgspec.json.decode(msgspec.json.encode(contents)):
        for part in content["parts"]:
            for kind in ("functionCall", "functionResponse"):
                if part.get(kind, {}).get("id", "") not in ids:
                    part[kind].pop("id", None) if kind in part else None
            if "thoughtSignature" in part:
                part["thoughtSignature"] = part["thoughtSignature"].translate(URLSAFE)
            if "inlineData" in part:
                part["inlineData"]["data"] = part["inlineData"]["data"].translate(URLSAFE)
            if "functionResponse" in part:
                part["functionResponse"] |= {"response": told(part["functionResponse"]["response"])}
        if made and made[-1]["role"] == content["role"]:
            made[-1]["parts"] += content["parts"]
        else:
            made.append({"role": content["role"], "parts": content["parts"]})
    kept = [{**content, "parts": joined(content["parts"])} for content in made]
    return [content for content in kept if content["parts"]]


def told(response: dict[str, Any]) -> tuple[str, bool]:
    """What a result says, and whether it is an error."""
    if response.keys() == {"error"}:
        return text_of(response["error"]), True
    return text_of(response[next(iter(response))] if len(response) == 1 else response), False


def text_of(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def rebuilt(contents: list[dict[str, Any]], answers: list[AssistantMessage]) -> tuple[Message, ...]:
    """The recorded conversation as ours: the model's turns are our decoded answers, the rest is read as recorded."""
    messages: list[Message] = []
    pending: list[str] = []
    rest = iter(answers)
    for content in contents:
        if content["role"] == "model":
            answer = next(rest)
            messages.append(answer)
            pending = [call.id for call in answer.tool_calls]
            continue
        for part in content["parts"]:
            if "functionResponse" in part:
                result = part["functionResponse"]
                said, is_error = told(result["response"])
                messages.append(ToolResult(pending.pop(0), result["name"], said, is_error))
            elif "inlineData" in part:
                sent = part["inlineData"]
                data = b64decode(sent["data"], altchars=b"-_")
                file = Attachment("file", sent["mimeType"], "", len(data), data)
                messages.append(UserMessage("", attachments=(file,)))
            else:
                messages.append(UserMessage(part["text"]))
    return tuple(messages)


def plain(exchange: Exchange) -> bool:
    """Whether a request is of text, files that go with it, calls of functions and their results, as ours are."""
    parts = [part for content in exchange.request["contents"] for part in content["parts"]]
    kinds = {"text", "thought", "thoughtSignature", "functionCall", "functionResponse", "inlineData"}
    return all(part.keys() <= kinds and "parts" not in part.get("functionResponse", {}) for part in parts)


def turns(exchanges: list[Exchange]) -> list[tuple[list[Exchange], Exchange]]:
    """Each request that goes on with answers recorded before it, and those."""
    found = []
    for at, exchange in enumerate(exchanges):
        said = sum(content["role"] == "model" for content in exchange.request["contents"])
        if 0 < said <= at and plain(exchange):
            chain = exchanges[at - said : at]
            before = [*(one.request["contents"] for one in chain[1:]), exchange.request["contents"]]
            if all(b[: len(a)] == a for a, b in pairwise([chain[0].request["contents"], *before])):
                found.append((chain, exchange))
    return found


FOLLOW_UPS = [turn for exchanges in CONVERSATIONS for turn in turns(exchanges)]


@pytest.mark.parametrize(("before", "exchange"), FOLLOW_UPS, ids=lambda value: getattr(value, "name", ""))
def test_our_next_request_is_the_recorded_one(before: list[Exchange], exchange: Exchange) -> None:
    answers = [answered(one) for one in before]
    ids = {call.vendor["id"] for answer in answers for call in answer.tool_calls if "id" in call.vendor}
    contents = exchange.request["contents"]
    declared = exchange.request.get("tools", [])
    tools = tuple(
        ToolSpec(tool["name"], tool["description"], tool.get("parameters_json_schema") or tool["parameters"])
        for tools in (declared if isinstance(declared, list) else [declared])
        for tool in tools.get("functionDeclarations") or tools.get("function_declarations", [])
    )
    system = exchange.request.get("systemInstruction", {"parts": []})["parts"]
    body = encode(
        ModelRequest("model", rebuilt(contents, answers), "\n".join(part["text"] for part in system), tools), Config()
    )
    assert normal(body["contents"], ids) == normal(contents, ids)
    assert body.get("systemInstruction", {"parts": []})["parts"] == system
    [ours] = body.get("tools") or [{"functionDeclarations": []}]
    assert [
        (tool["name"], tool["description"], tool["parametersJsonSchema"]) for tool in ours["functionDeclarations"]
    ] == [(tool.name, tool.description, tool.parameters) for tool in tools]


def test_many_conversations_go_on() -> None:
    assert len(FOLLOW_UPS) >= 40
    assert any(isinstance(part, Text) and "part" in part.vendor for one in ALL for part in answered(one).parts)
