"""Cohere's Chat API on the wire: https://docs.cohere.com/reference/chat-stream"""

from collections.abc import Iterator
from typing import Any

from tests.fakes.answer import Answer, Call, Wire, identified, in_turn, json_bytes, split, text_of


def cohere_body(answer: Answer, model: str) -> bytes:
    """The answer as one document."""
    content = [{"type": "thinking", "thinking": answer.thinking}] if answer.thinking else []
    content += [{"type": "text", "text": answer.text}] if answer.text else []
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if answer.calls:
        message["tool_calls"] = [_call(call.id, call.name, call.arguments) for call in identified(answer)]
    return json_bytes({"id": "fake", "message": message, **_ending(answer)})


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json_bytes({"type": kind, **fields}))


def cohere_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as the events of a stream."""
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield _event("message-start", id="fake", delta={"message": empty})
    blocks = [("thinking", answer.thinking), ("text", answer.text)]
    for index, (kind, text) in enumerate(block for block in blocks if block[1]):
        yield _event("content-start", index=index, delta={"message": {"content": {"type": kind, kind: ""}}})
        for word in split(text, answer.pieces):
            yield _event("content-delta", index=index, delta={"message": {"content": {kind: word}}})
            if answer.hollow:
                yield _event("content-delta", index=index, delta={"message": {"content": {kind: ""}}})
                yield _event("content-delta", index=index, delta={})
        yield _event("content-end", index=index)
    numbered = enumerate(identified(answer), answer.first_index)
    yield from in_turn(answer, (_call_events(answer, index, call) for index, call in numbered))
    if answer.farewell:
        yield _event("message-end", delta=_ending(answer))


def _call_events(answer: Answer, index: int, call: Call) -> Iterator[bytes]:
    begun = _call(call.id, call.name, "")
    yield _event("tool-call-start", index=index, delta={"message": {"tool_calls": begun}})
    words = split(call.arguments, answer.pieces)
    for word in ["", *words] if answer.hollow else words:
        more = {"tool_calls": {"function": {"arguments": word}}}
        yield _event("tool-call-delta", index=index, delta={"message": more})
    yield _event("tool-call-end", index=index)


def _ending(answer: Answer) -> dict[str, Any]:
    usage = {"usage": _usage(answer)} if answer.usage else {}
    return usage if answer.reasonless else {"finish_reason": _stop(answer), **usage}


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _stop(answer: Answer) -> str:
    return answer.stop or ("TOOL_CALL" if answer.calls else "COMPLETE")


def _usage(answer: Answer) -> dict[str, Any]:
    billed = {"input_tokens": 1, "output_tokens": answer.output}
    return {"billed_units": billed, "tokens": {"input_tokens": answer.input, "output_tokens": answer.output}}


def _last(body: dict[str, Any]) -> tuple[str, bool]:
    message = body["messages"][-1]
    return text_of(message.get("content")), message["role"] == "tool"


def _failure(said: str) -> dict[str, Any]:
    return {"id": "fake", "message": said}


def _error(said: str) -> bytes:
    return _event("message-end", delta={"error": said, "finish_reason": "ERROR"})


WIRE = Wire(".*v2/chat", cohere_body, cohere_events, _last, failure=_failure, error_event=_error)
