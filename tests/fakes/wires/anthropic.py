"""Messages on the wire: https://docs.anthropic.com/en/api/messages"""

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.fakes.answer import Answer, Call, Wire, identified, in_turn, json_bytes, split, text_of


def _messages_stop(answer: Answer) -> str | None:
    return None if answer.reasonless else answer.stop or ("tool_use" if answer.calls else "end_turn")


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
    return json_bytes(_message(answer, model, content, _messages_stop(answer), answer.output))


def _message(
    answer: Answer, model: str, content: list[dict[str, Any]], stop: str | None, output: int
) -> dict[str, Any]:
    head = {"id": "msg_fake", "type": "message", "role": "assistant", "model": model, "content": content}
    usage = {"usage": {"input_tokens": answer.input, "output_tokens": output}} if answer.usage else {}
    return {**head, "stop_reason": stop, "stop_sequence": None, **usage}


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json_bytes({"type": kind, **fields}))


def messages_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as the events of a Messages stream."""
    yield _event("message_start", message=_message(answer, model, [], None, 1))
    yield _event("ping")
    index = answer.first_index
    for kind, field, text in (("thinking", "thinking", answer.thinking), ("text", "text", answer.text)):
        if not text:
            continue
        yield _event("content_block_start", index=index, content_block={"type": kind, field: ""})
        for word in split(text, answer.pieces):
            yield _event("content_block_delta", index=index, delta={"type": f"{kind}_delta", field: word})
            if answer.hollow:
                yield _event("content_block_delta", index=index, delta={"type": f"{kind}_delta", field: ""})
                yield _event("ping")
        if kind == "thinking":
            signed = {"type": "signature_delta", "signature": "c2lnbmVk"}
            yield _event("content_block_delta", index=index, delta=signed)
        yield _event("content_block_stop", index=index)
        index += 1
    yield from in_turn(answer, (_call(answer, at, call) for at, call in enumerate(identified(answer), index)))
    stopped = {"stop_reason": _messages_stop(answer), "stop_sequence": None}
    usage = {"usage": {"output_tokens": answer.output}}
    yield _event("message_delta", delta=stopped, **(usage if answer.usage and not answer.late else {}))
    if answer.farewell:
        yield _event("message_stop")
    if answer.late:
        yield _event("message_delta", delta={}, **usage)


def _call(answer: Answer, index: int, call: Call) -> Iterator[bytes]:
    block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
    yield _event("content_block_start", index=index, content_block=block)
    words = split(call.arguments, answer.pieces)
    for word in ["", *words] if answer.hollow else words:
        yield _event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": word})
    yield _event("content_block_stop", index=index)


def _last(body: dict[str, Any]) -> tuple[str, bool]:
    content = body["messages"][-1]["content"]
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    results = any(block.get("type") == "tool_result" for block in blocks)
    return "".join(block.get("text") or text_of(block.get("content")) for block in blocks), results


def _failure(said: str) -> dict[str, Any]:
    return {"type": "error", "error": {"message": said, "type": "fake_error"}}


def _error(said: str) -> bytes:
    return _event("error", error={"message": said, "type": "fake_error"})


WIRE = Wire(".*messages", messages_body, messages_events, _last, failure=_failure, error_event=_error)
