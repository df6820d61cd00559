"""Chat Completions on the wire: https://platform.openai.com/docs/api-reference/chat"""

from collections.abc import Iterator
from typing import Any

from tests.fakes.answer import Answer, Wire, identified, in_turn, json_bytes, split, text_of


def _chat_usage(answer: Answer) -> dict[str, Any]:
    total = answer.input + answer.output
    return {"prompt_tokens": answer.input, "completion_tokens": answer.output, "total_tokens": total}


def chat_body(answer: Answer, model: str) -> bytes:
    """The answer as a chat.completion object."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in identified(answer)
        ]
    choice = {"index": 0, "message": message, "finish_reason": None if answer.reasonless else _chat_stop(answer)}
    body = {"id": "chatcmpl-fake", "object": "chat.completion", "created": 0, "model": model, "choices": [choice]}
    return json_bytes({**body, "usage": _chat_usage(answer)} if answer.usage else body)


def _chat_stop(answer: Answer) -> str:
    return answer.stop or ("tool_calls" if answer.calls else "stop")


def chat_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as chat.completion.chunk events."""
    head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 0, "model": model}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return b"data: %b\n\n" % json_bytes(
            {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        )

    hollow = [chunk({}), chunk({"content": "", "tool_calls": []}), b'data: {"choices":[]}\n\n', b": nothing\n\n"]
    usage = b"data: %b\n\n" % json_bytes({**head, "choices": [], "usage": _chat_usage(answer)})
    yield chunk({"role": "assistant", "content": ""})
    for word in split(answer.thinking, answer.pieces):
        yield chunk({"reasoning_content": word})
    for word in split(answer.text, answer.pieces):
        yield chunk({"content": word})
        yield from hollow if answer.hollow else ()
    yield from in_turn(answer, ([chunk(piece) for piece in call] for call in _pieces(answer)))
    yield chunk({}, None if answer.reasonless else _chat_stop(answer))
    if answer.usage and not answer.late:
        yield usage
    if answer.farewell:
        yield b"data: [DONE]\n\n"
    if answer.late:
        yield usage


def _pieces(answer: Answer) -> Iterator[list[dict[str, Any]]]:
    """Each call as its deltas."""
    for index, call in enumerate(identified(answer), answer.first_index):
        first = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        words = ["", *split(call.arguments, answer.pieces)] if answer.hollow else split(call.arguments, answer.pieces)
        more = [{"index": index, "function": {"arguments": word}} for word in words]
        yield [{"tool_calls": [piece]} for piece in [first, *more]]


def _last(body: dict[str, Any]) -> tuple[str, bool]:
    message = body["messages"][-1]
    return text_of(message.get("content")), message["role"] == "tool"


def _error(said: str) -> bytes:
    return b"data: %b\n\n" % json_bytes({"error": {"message": said, "type": "fake_error"}})


WIRE = Wire(".*chat/completions", chat_body, chat_events, _last, error_event=_error)
