"""The bound on a single WebSocket frame, which aiohttp has for whole messages only."""

from collections.abc import Callable
from typing import Protocol

_ENDLESS = b"\xff" + (2**62).to_bytes(8, "big")


class Parser(Protocol):
    def feed_data(self, data: bytes) -> tuple[bool, bytes]: ...

    def feed_eof(self) -> None: ...


class FrameLimit:
    """Stands before a WebSocket parser and watches frame headers (RFC 6455, 5.2).

    A frame longer than `limit`, which is asked each time, is passed on as one of endless length, which the parser
    refuses with 1009 before it keeps any of it.
    """

    __slots__ = ("_head", "_limit", "_parser", "_skip")

    def __init__(self, parser: Parser, limit: Callable[[], int]) -> None:
        self._parser = parser
        self._limit = limit
        self._skip = 0
        self._head = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        whole = len(data)
        position = min(self._skip, whole)
        self._skip -= position
        while position < whole:
            head = self._head + data[position : position + 14 - len(self._head)]
            size = _head_size(head)
            if len(head) < size:
                self._head = head
                break
            length = _payload_size(head)
            if length > self._limit():
                self._parser.feed_data(data[: max(0, position - len(self._head))])
                return self._parser.feed_data(head[:1] + _ENDLESS)
            position += size - len(self._head)
            self._head = b""
            self._skip = max(0, length - (whole - position))
            position += length
        return self._parser.feed_data(data)

    def feed_eof(self) -> None:
        self._parser.feed_eof()


def _head_size(head: bytes) -> int:
    """How many bytes the frame's head has, as far as they say; at least two."""
    if len(head) < 2:
        return 2
    return 2 + {126: 2, 127: 8}.get(head[1] & 0x7F, 0) + (4 if head[1] & 0x80 else 0)


def _payload_size(head: bytes) -> int:
    short = head[1] & 0x7F
    if short < 126:
        return short
    return int.from_bytes(head[2 : 4 if short == 126 else 10], "big")
