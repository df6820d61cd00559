"""Server-sent events, read from bytes.

They are read by the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
with one difference: an event that lacks its final blank line is delivered at the end, since vendors leave it out.
"""

from msgspec import Struct

from carapax.errors import Unavailable

MAX_EVENT = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(Struct, frozen=True):
    """One event. `id` is the last one the stream gave, which may be an earlier event's."""

    event: str
    data: str
    id: str = ""


class SseParser:
    """Turns the bytes of an event stream, however they are cut, into events.

    Raises Unavailable for an event of more than `max_event` bytes.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._pieces: list[bytes] = []
        self._pending = 0
        self._held = 0
        self._after_cr = False
        self._first = True
        self._data: list[bytes] = []
        self._event = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that are complete with this chunk."""
        if self._after_cr or b"\r" in chunk:
            chunk = self._line_feeds(chunk)
        events: list[ServerSentEvent] = []
        if b"\n" in chunk:
            if self._pieces:
                self._pieces.append(chunk)
                chunk = b"".join(self._pieces)
                self._pieces.clear()
            lines = chunk.split(b"\n")
            chunk = lines.pop()
            self._pending = 0
            for line in lines:
                self._line(line, events)
        if chunk:
            self._pieces.append(chunk)
            self._pending += len(chunk)
            self._check_size()
        return events

    def close(self) -> list[ServerSentEvent]:
        """The stream has ended: the event that was still open, if any."""
        events: list[ServerSentEvent] = []
        if self._pieces:
            self._line(b"".join(self._pieces), events)
            self._pieces.clear()
        self._line(b"", events)
        return events

    def _line_feeds(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _check_size(self) -> None:
        if self._held + self._pending > self._max:
            raise Unavailable(f"the server sent an event of more than {self._max} bytes")

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
            self._held += len(line)
            self._check_size()
        elif line:
            self._field(line)
        else:
            self._dispatch(events)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._held += len(line)
            self._check_size()
        elif name == b"event":
            self._event = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            data = (self._data[0] if len(self._data) == 1 else b"\n".join(self._data)).decode(errors="replace")
            events.append(ServerSentEvent(self._event or "message", data, self._id))
            self._data.clear()
            self._held = 0
        self._event = ""
