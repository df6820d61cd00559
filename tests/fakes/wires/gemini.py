"""The Gemini API on the wire: https://ai.google.dev/api/generate-content"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.fakes.answer import Answer, Wire, identified, json_bytes, split

SIGNATURE = "c2lnbmVk"


def _chunk(answer: Answer, model: str, parts: list[dict[str, Any]], counted: int, stop: str = "") -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if stop and not answer.reasonless:
        candidate["finishReason"] = stop
    chunk: dict[str, Any] = {"candidates": [candidate], "modelVersion": model, "responseId": "fake"}
    if answer.usage and not answer.late:
        counts = {"promptTokenCount": answer.input, "candidatesTokenCount": counted}
        chunk["usageMetadata"] = {**counts, "totalTokenCount": answer.input + counted}
    return chunk


def _calls(answer: Answer) -> list[dict[str, Any]]:
    """All of an answer at once; the first has the signature of the thoughts before them."""
    parts: list[dict[str, Any]] = [
        {"functionCall": {"id": call.id, "name": call.name, "args": msgspec.json.decode(call.arguments)}}
        for call in identified(answer)
    ]
    if parts:
        parts[0]["thoughtSignature"] = SIGNATURE
    return parts[::-1] if answer.interleaved else parts


def gemini_body(answer: Answer, model: str) -> bytes:
    """The answer as one response."""
    parts: list[dict[str, Any]] = []
    if answer.thinking:
        parts.append({"text": answer.thinking, "thought": True})
    if answer.text:
        parts.append({"text": answer.text})
    return json_bytes(_chunk(answer, model, parts + _calls(answer), answer.output, answer.stop or "STOP"))


def gemini_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as the events of a stream, of which the last says why it is the last. Counts grow with each."""
    parts: list[dict[str, Any]] = [
        *({"text": word, "thought": True} for word in split(answer.thinking, answer.pieces)),
        *({"text": word} for word in split(answer.text, answer.pieces)),
        *_calls(answer),
    ]
    for count, part in enumerate(parts, 1):
        yield _event(_chunk(answer, model, [part], count))
        if answer.hollow:
            yield _event(_chunk(answer, model, [], count))
            yield _event({"candidates": []})
    yield _event(_chunk(answer, model, [{"text": ""}], answer.output, answer.stop or "STOP"))
    if answer.late:
        yield _event({"usageMetadata": {"promptTokenCount": answer.input, "candidatesTokenCount": answer.output}})


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\r\n\r\n" % json_bytes(chunk)


def _last(body: dict[str, Any]) -> tuple[str, bool]:
    parts = body["contents"][-1]["parts"] if body.get("contents") else []
    results = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    told = [str(result.get("output") or result.get("error") or "") for result in results]
    return "".join([*told, *(part.get("text", "") for part in parts)]), bool(results)


def _model(path: str, body: dict[str, Any]) -> str:
    found = re.search(r"([^/]+):\w+", path)
    return found[1] if found else ""


def _failure(said: str) -> dict[str, Any]:
    return {"error": {"code": 500, "message": said, "status": "INTERNAL"}}


WIRE = Wire(
    ".*enerateContent",
    gemini_body,
    gemini_events,
    _last,
    _model,
    lambda path, body: ":stream" in path,
    _failure,
    lambda said: _event(_failure(said)),
)
