"""Ollama's own API on the wire: https://docs.ollama.com/api/chat"""

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.fakes.answer import Answer, Wire, identified, json_bytes, split


def ollama_body(answer: Answer, model: str) -> bytes:
    """The answer as one document."""
    message = _message(content=answer.text)
    if answer.thinking:
        message["thinking"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = _calls(answer)
    return json_bytes({**_head(model), "message": message, **_ending(answer)})


def ollama_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as lines. Calls come whole, each in a line."""
    messages = [_message(content="", thinking=word) for word in split(answer.thinking, answer.pieces)]
    for word in split(answer.text, answer.pieces):
        messages += [_message(content=word), *([_message(content=""), _message()] if answer.hollow else ())]
    messages += [_message(content="", tool_calls=[call]) for call in _calls(answer)]
    for message in messages:
        yield json_bytes({**_head(model), "message": message, "done": False}) + b"\n"
    if answer.farewell:
        yield json_bytes({**_head(model), "message": _message(content=""), **_ending(answer)}) + b"\n"


def _head(model: str) -> dict[str, Any]:
    return {"model": model, "created_at": "2026-11-01T00:00:00.123456789Z"}


def _message(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", **fields}


def _calls(answer: Answer) -> list[dict[str, Any]]:
    calls = [
        {
            "id": call.id,
            "function": {"index": index, "name": call.name, "arguments": msgspec.json.decode(call.arguments)},
        }
        for index, call in enumerate(identified(answer), answer.first_index)
    ]
    return calls[::-1] if answer.interleaved else calls


def _ending(answer: Answer) -> dict[str, Any]:
    counts = {"prompt_eval_count": answer.input, "eval_count": answer.output} if answer.usage else {}
    reason = {} if answer.reasonless else {"done_reason": answer.stop or "stop"}
    return {"done": True, **reason, "total_duration": 5_000_000, **counts}


def _last(body: dict[str, Any]) -> tuple[str, bool]:
    message = body["messages"][-1]
    return message["content"], message["role"] == "tool"


def _tags(body: dict[str, Any], models: list[dict[str, Any]]) -> object:
    return {"models": [{"name": model["id"], "model": model["id"], "size": 1} for model in models]}


def _show(body: dict[str, Any], models: list[dict[str, Any]]) -> object:
    """What a model is said to have under `show`, else enough for a conversation."""
    common = {"capabilities": ["completion", "tools", "thinking", "vision"], "details": {"family": "fake"}}
    common["model_info"] = {"general.architecture": "fake", "fake.context_length": 32_768}
    return next((model["show"] for model in models if model["id"] == body["model"] and "show" in model), common)


WIRE = Wire(
    ".*api/chat",
    ollama_body,
    ollama_events,
    _last,
    streamed=lambda path, body: bool(body.get("stream", True)),
    failure=lambda said: {"error": said},
    error_event=lambda said: json_bytes({"error": said}) + b"\n",
    content_type="application/x-ndjson",
    pages={".*api/tags": _tags, ".*api/show": _show},
)
