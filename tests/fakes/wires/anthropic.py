"""Messages on the wire: https://docs.anthropic.com/en/api/messages"""

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.fakes.answer import Answer, Wire, identified, json_bytes, split, text_of


def _messages_stop(answer: Answer) -> str:
    return answer.stop or ("tool_use" if answer.calls else "end_turn")


def messages_body(answer: Answer, model: str) -> bytes:
    """The answer as a message object."""
    content: list[dict[str, Any]] = []
    if answer.thinking:
        content.append({"type": "thinking", "thinking": answer.thinking, "signature": "c2lnbmVk"})
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    for call in identified(answer):
        arguments = msgspec.json.decode(call.arguments)
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    usage = {"input_tokens": answer.input, "output_tokens": answer.output}
    return json_bytes(_message(model, content, _messages_stop(answer), usage))


def _message(model: str, content: list[dict[str, Any]], stop: str | None, usage: dict[str, int]) -> dict[str, Any]:
    head = {"id": "msg_fake", "type": "message", "role": "assistant", "model": model, "content": content}
    return {**head, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def messages_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as the events of a Messages stream."""

    def event(kind: str, **fields: Any) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), json_bytes({"type": kind, **fields}))

    usage = {"input_tokens": answer.input, "output_tokens": 1}
    yield event("message_start", message=_message(model, [], None, usage))
    yield event("ping")
    index = 0
    for kind, field, text in (("thinking", "thinking", answer.thinking), ("text", "text", answer.text)):
        if not text:
            continue
        yield event("content_block_start", index=index, content_block={"type": kind, field: ""})
        for word in split(text, answer.pieces):
            yield event("content_block_delta", index=index, delta={"type": f"{kind}_delta", field: word})
        if kind == "thinking":
            signed = {"type": "signature_delta", "signature": "c2lnbmVk"}
            yield event("content_block_delta", index=index, delta=signed)
        yield event("content_block_stop", index=index)
        index += 1
    for call in identified(answer):
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        yield event("content_block_start", index=index, content_block=block)
        for piece in split(call.arguments, answer.pieces):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
        index += 1
    stopped = {"stop_reason": _messages_stop(answer), "stop_sequence": None}
    usage = {"output_tokens": answer.output}
    yield event("message_delta", delta=stopped, usage=usage)
    if answer.farewell:
        yield event("message_stop")


def _last(body: dict[str, Any]) -> tuple[str, bool]:
    content = body["messages"][-1]["content"]
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    results = any(block.get("type") == "tool_result" for block in blocks)
    return "".join(block.get("text") or text_of(block.get("content")) for block in blocks), results


def _failure(said: str) -> dict[str, Any]:
    return {"type": "error", "error": {"message": said, "type": "fake_error"}}


WIRE = Wire(".*messages", messages_body, messages_events, _last, failure=_failure)
