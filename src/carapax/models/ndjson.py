"""Newline-delimited JSON, read from bytes: https://github.com/ndjson/ndjson-spec"""

from carapax.errors import Unavailable
from carapax.models.sse import MAX_EVENT, ServerSentEvent


class NdjsonParser:
    """Turns the bytes of a stream of JSON documents, however they are cut, into events, one for each line.

    Raises Unavailable for a line of more than `max_event` bytes.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._pieces: list[bytes] = []
        self._pending = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The lines that are complete with this chunk."""
        head, *rest = chunk.split(b"\n")
        self._pieces.append(head)
        self._pending += len(head)
        if self._pending > self._max or (rest and max(map(len, rest)) > self._max):
            raise Unavailable(f"the server sent a line of more than {self._max} bytes")
        if not rest:
            return []
        lines = [b"".join(self._pieces), *rest]
        last = lines.pop()
        self._pieces, self._pending = [last], len(last)
        return [event for line in lines if (event := _event(line))]

    def close(self) -> list[ServerSentEvent]:
        """The stream has ended: the line that was still open, if any."""
        event = _event(b"".join(self._pieces))
        self._pieces.clear()
        return [event] if event else []


def _event(line: bytes) -> ServerSentEvent | None:
    text = line.strip()
    return ServerSentEvent("message", text.decode(errors="replace")) if text else None
