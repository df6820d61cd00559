"""Amazon's event streams, read from bytes: https://smithy.io/2.0/aws/amazon-eventstream.html"""

from collections.abc import Mapping
from struct import Struct, error
from zlib import crc32

import msgspec

from carapax.errors import Unavailable
from carapax.models.refusal import BROKEN_JSON
from carapax.models.sse import MAX_EVENT, ServerSentEvent

_PRELUDE = Struct(">III")
_CHECKSUM = Struct(">I")
_LENGTH = Struct(">H")
_NUMBERS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_TEXTS = (6, 7)


class EventStreamParser:
    """Turns the bytes of an event stream, however they are cut, into events with the JSON of their payload as data.

    An exception in the stream becomes an event "error" with an object that has its `type` and `message`. Raises
    Unavailable for an event of more than `max_event` bytes and for what is damaged.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._held = bytearray()

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that are complete with this chunk."""
        self._held += chunk
        events: list[ServerSentEvent] = []
        at = 0
        while len(self._held) - at >= _PRELUDE.size:
            size, header_size = self._prelude(at)
            if len(self._held) - at < size:
                break
            events.append(_event(bytes(self._held[at : at + size]), header_size))
            at += size
        del self._held[:at]
        return events

    def close(self) -> list[ServerSentEvent]:
        """The stream has ended; of an event that was cut, nothing is left."""
        self._held.clear()
        return []

    def _prelude(self, at: int) -> tuple[int, int]:
        """The sizes of the event that begins here, and of its headers."""
        size, header_size, checksum = _PRELUDE.unpack_from(self._held, at)
        if crc32(self._held[at : at + 8]) != checksum:
            raise Unavailable("the server sent a damaged event")
        if size > self._max:
            raise Unavailable(f"the server sent an event of more than {self._max} bytes")
        if header_size + _PRELUDE.size + _CHECKSUM.size > size:
            raise Unavailable("the server sent an event that is shorter than its headers")
        return size, header_size


def _event(message: bytes, header_size: int) -> ServerSentEvent:
    if crc32(message[: -_CHECKSUM.size]) != _CHECKSUM.unpack(message[-_CHECKSUM.size :])[0]:
        raise Unavailable("the server sent a damaged event")
    payload_at = _PRELUDE.size + header_size
    try:
        headers = _headers(message[_PRELUDE.size : payload_at])
    except (error, IndexError, KeyError):
        raise Unavailable("the server sent an event with damaged headers") from None
    payload = message[payload_at : -_CHECKSUM.size].decode(errors="replace")
    if headers.get(":message-type", "event") == "event":
        return ServerSentEvent(headers.get(":event-type", "message"), payload)
    return ServerSentEvent("error", _failure(headers, payload))


def _headers(block: bytes) -> dict[str, str]:
    """The headers that hold text."""
    headers: dict[str, str] = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name, kind = block[at + 1 : name_end], block[name_end]
        at = name_end + 1
        if kind in _TEXTS:
            (size,) = _LENGTH.unpack_from(block, at)
            value = block[at + _LENGTH.size : at + _LENGTH.size + size]
            at += _LENGTH.size + size
            headers[name.decode(errors="replace")] = value.decode(errors="replace")
        else:
            at += _NUMBERS[kind]
    return headers


def _failure(headers: Mapping[str, str], payload: str) -> str:
    try:
        said = msgspec.json.decode(payload)
    except BROKEN_JSON:
        said = payload
    message = said.get("message") if isinstance(said, dict) else said
    told = {
        "type": headers.get(":exception-type") or headers.get(":error-code", ""),
        "message": message if message and isinstance(message, str) else headers.get(":error-message", ""),
    }
    return msgspec.json.encode(told).decode()
