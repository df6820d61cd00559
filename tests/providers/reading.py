"""What tests compare of an answer, and bytes cut into pieces."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from carapax.events import Delta, TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.messages import AssistantMessage, Usage
from carapax.models.refusal import Origin
from carapax.models.server import Framing, StreamDecoder
from carapax.models.sse import ServerSentEvent, SseParser


class Answer(Struct, frozen=True):
    """What a person reading the recorded body would write down. Arguments of calls are parsed."""

    text: str
    thinking: str
    calls: list[tuple[str, str, Any]]
    usage: Usage
    stop_reason: str
    stop_detail: str
    model: str


def written(message: AssistantMessage) -> Answer:
    """The same of a decoded message."""
    calls = [(call.id, call.name, msgspec.json.decode(call.arguments)) for call in message.tool_calls]
    return Answer(
        message.text, message.thinking, calls, message.usage, message.stop_reason, message.stop_detail, message.model
    )


def cut(body: bytes, places: Iterable[int]) -> Iterator[bytes]:
    start = 0
    for place in sorted({*places, len(body)}):
        yield body[start:place]
        start = place


def events(pieces: Iterable[bytes], framing: Callable[[], Framing] = SseParser) -> Iterator[ServerSentEvent]:
    parser = framing()
    for piece in pieces:
        yield from parser.feed(piece)
    yield from parser.close()


def fed(decoder: StreamDecoder, pieces: Iterable[bytes], framing: Callable[[], Framing] = SseParser) -> list[Delta]:
    return [delta for event in events(pieces, framing) for delta in decoder.feed(event)]


def check_deltas(deltas: list[Delta], message: AssistantMessage) -> None:
    """The deltas add up to the message."""
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == message.text
    assert "".join(delta.text for delta in deltas if isinstance(delta, ThinkingDelta)) == message.thinking
    for index, call in enumerate(message.tool_calls):
        pieces = [delta for delta in deltas if isinstance(delta, ToolArgumentsDelta) and delta.index == index]
        assert "".join(piece.text for piece in pieces) == call.arguments
        assert (pieces[0].id, pieces[0].name) == (call.id, call.name)
        assert not any(piece.id or piece.name for piece in pieces[1:])


def origin(model: str = "model", provider: str = "vendor") -> Origin:
    return Origin(provider, model, "id")
