"""Responses on the wire: https://platform.openai.com/docs/api-reference/responses"""

from collections.abc import Iterator
from typing import Any

from tests.fakes.answer import Answer, Call, Wire, identified, in_turn, json_bytes, split, text_of

_LIMITS = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _reasoning(answer: Answer) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": answer.thinking}]
    return {"id": "rs_fake", "type": "reasoning", "summary": summary, "encrypted_content": "c2VhbGVk"}


def _message(answer: Answer) -> dict[str, Any]:
    content = [{"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}]
    head = {"id": "msg_fake", "type": "message", "status": "completed", "role": "assistant"}
    return {**head, "phase": "commentary" if answer.calls else "final_answer", "content": content}


def _function_call(call: Call) -> dict[str, Any]:
    head = {"id": f"fc_{call.id}", "type": "function_call", "status": "completed"}
    return {**head, "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _items(answer: Answer) -> list[dict[str, Any]]:
    thoughts = [_reasoning(answer)] if answer.thinking else []
    said = [_message(answer)] if answer.text else []
    return [*thoughts, *said, *map(_function_call, identified(answer))]


def _response(answer: Answer, model: str) -> dict[str, Any]:
    limit = _LIMITS.get(answer.stop)
    usage = {
        "input_tokens": answer.input,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": answer.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.input + answer.output,
    }
    return {
        "id": "resp_fake",
        "object": "response",
        "created_at": 0,
        "status": None if answer.reasonless else "incomplete" if limit else "completed",
        "error": None,
        "incomplete_details": {"reason": limit} if limit else None,
        "model": model,
        "output": _items(answer),
        "store": False,
        "usage": usage if answer.usage else None,
    }


def responses_body(answer: Answer, model: str) -> bytes:
    """The answer as a response object."""
    return json_bytes(_response(answer, model))


def responses_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as the events of a Responses stream."""
    whole = _response(answer, model)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    kinds = [("response.created", {"response": begun}), ("response.in_progress", {"response": begun})]
    items = list(enumerate(whole["output"], answer.first_index))
    parts = len(items) - len(answer.calls)
    for index, item in items[:parts]:
        kinds += _item_events(answer, index, item)
    kinds += in_turn(answer, (_item_events(answer, index, item) for index, item in items[parts:]))
    if not answer.reasonless:
        kinds.append((f"response.{whole['status']}", {"response": whole}))
    for number, (kind, fields) in enumerate(kinds):
        data = json_bytes({"type": kind, "sequence_number": number, **fields})
        yield b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
    if answer.farewell:
        yield b"data: [DONE]\n\n"


def _item_events(answer: Answer, index: int, item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"item_id": item["id"], "output_index": index}
    begun: dict[str, Any] = {"content": [], "summary": [], "arguments": "", "status": "in_progress"}
    yield (
        "response.output_item.added",
        {"output_index": index, "item": {key: begun.get(key, value) for key, value in item.items()}},
    )
    if item["type"] == "reasoning":
        empty = {"type": "summary_text", "text": ""}
        yield "response.reasoning_summary_part.added", {**place, "summary_index": 0, "part": empty}
        for word in split(answer.thinking, answer.pieces):
            yield "response.reasoning_summary_text.delta", {**place, "summary_index": 0, "delta": word}
        yield "response.reasoning_summary_text.done", {**place, "summary_index": 0, "text": answer.thinking}
    elif item["type"] == "message":
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        yield "response.content_part.added", {**place, "content_index": 0, "part": part}
        for word in split(answer.text, answer.pieces):
            fields = {"delta": word, "logprobs": [], "obfuscation": "x7fJk2"}
            yield "response.output_text.delta", {**place, "content_index": 0, **fields}
            if answer.hollow:
                yield "response.output_text.delta", {**place, "content_index": 0, **fields, "delta": ""}
                yield "response.in_progress", {"response": {}}
        yield "response.output_text.done", {**place, "content_index": 0, "text": answer.text, "logprobs": []}
        yield "response.content_part.done", {**place, "content_index": 0, "part": {**part, "text": answer.text}}
    else:
        words = split(item["arguments"], answer.pieces)
        for piece in ["", *words] if answer.hollow else words:
            yield "response.function_call_arguments.delta", {**place, "delta": piece, "obfuscation": "x7fJk2"}
        yield "response.function_call_arguments.done", {**place, "arguments": item["arguments"]}
    yield "response.output_item.done", {"output_index": index, "item": item}


def _last(body: dict[str, Any]) -> tuple[str, bool]:
    last = body["input"][-1]
    results = last.get("type") == "function_call_output"
    return text_of(last["output"] if results else last["content"]), results


def _failure(said: str) -> dict[str, Any]:
    return {"error": {"message": said, "type": "fake_error", "param": None, "code": None}}


def _error(said: str) -> bytes:
    data = json_bytes({"type": "error", "code": "server_error", "message": said, "param": None, "sequence_number": 9})
    return b"event: error\ndata: %b\n\n" % data


WIRE = Wire(".*responses", responses_body, responses_events, _last, failure=_failure, error_event=_error)
