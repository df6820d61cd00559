from struct import pack
from zlib import crc32

import msgspec
import pytest
from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]  # it has no type hints
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import Unavailable
from carapax.models.eventstream import EventStreamParser
from carapax.models.sse import ServerSentEvent
from tests.fakes.wires.bedrock import converse_event, converse_exception, frame
from tests.providers.reading import cut

STREAM = (
    converse_event("messageStart", role="assistant")
    + converse_event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Grüße 👋"})
    + converse_event("messageStop", stopReason="end_turn")
)
EVENTS = [
    ServerSentEvent("messageStart", '{"role":"assistant"}'),
    ServerSentEvent("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"text":"Grüße 👋"}}'),
    ServerSentEvent("messageStop", '{"stopReason":"end_turn"}'),
]


def read(*pieces: bytes, max_event: int = 1 << 20) -> list[ServerSentEvent]:
    parser = EventStreamParser(max_event)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


def sealed(prelude: bytes, rest: bytes) -> bytes:
    """A message with right checksums, whatever it says."""
    message = prelude + pack(">I", crc32(prelude)) + rest
    return message + pack(">I", crc32(message))


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_a_stream_may_be_cut_anywhere(places: list[int]) -> None:
    assert read(*cut(STREAM, places)) == EVENTS


def test_a_stream_may_come_byte_by_byte() -> None:
    assert read(*cut(STREAM, range(len(STREAM)))) == EVENTS


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_a_damaged_stream_is_noticed_wherever_the_damage_is(place: int, change: int) -> None:
    damaged = bytearray(STREAM)
    damaged[place] ^= change
    with pytest.raises(Unavailable, match="damaged event"):
        read(bytes(damaged))


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=50)), max_size=4))
def test_another_implementation_reads_the_same(messages: list[tuple[str, bytes]]) -> None:
    stream = b"".join(frame({":event-type": kind}, payload) for kind, payload in messages)
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    expected = [
        ServerSentEvent(message.headers[":event-type"], message.payload.decode(errors="replace")) for message in buffer
    ]
    assert read(stream) == expected


def test_headers_of_every_kind_are_passed_over() -> None:
    others = (
        b"\x01a\x00\x01b\x01\x01c\x02\x07\x01d\x03\x00\x07\x01e\x04" + bytes(4) + b"\x01f\x05" + bytes(8)
        + b"\x01g\x06\x00\x02xy\x01h\x08" + bytes(8) + b"\x01i\x09" + bytes(16)
    )  # fmt: skip
    block = others + b"\x0b:event-type\x07\x00\x04ping"
    assert read(sealed(pack(">II", 16 + len(block) + 2, len(block)), block + b"{}")) == [ServerSentEvent("ping", "{}")]


@pytest.mark.parametrize("block", [b"\x05ab", b"\x01a", b"\x01a\x07\x00", b"\x01a\x0a", b"\xff\x07"])
def test_headers_that_end_early_or_are_of_no_known_kind_are_damage(block: bytes) -> None:
    with pytest.raises(Unavailable, match="damaged headers"):
        read(sealed(pack(">II", 16 + len(block), len(block)), block))


def test_an_event_shorter_than_its_headers_is_refused() -> None:
    with pytest.raises(Unavailable, match="shorter than its headers"):
        read(sealed(pack(">II", 16, 1), b""))


def test_an_event_too_long_is_refused_before_it_has_come() -> None:
    prelude = pack(">II", 2000, 0)
    with pytest.raises(Unavailable, match="more than 1000 bytes"):
        read(prelude + pack(">I", crc32(prelude)), max_event=1000)


def test_an_event_that_was_cut_is_left_out() -> None:
    assert read(STREAM[:-1]) == EVENTS[:-1]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            converse_exception("throttlingException", "Too many tokens"),
            {"type": "throttlingException", "message": "Too many tokens"},
        ),
        (
            frame({":message-type": "error", ":error-code": "500", ":error-message": "Broken"}, b""),
            {"type": "500", "message": "Broken"},
        ),
        (frame({":message-type": "exception", ":exception-type": "x"}, b"no JSON"), {"type": "x", "message": ""}),
        (frame({":message-type": "exception"}, b"[" * 100_000), {"type": "", "message": ""}),
        (frame({":message-type": "exception"}, b'{"message": 5}'), {"type": "", "message": ""}),
    ],
)
def test_an_exception_becomes_an_event_that_is_an_error(message: bytes, told: dict[str, str]) -> None:
    [event] = read(message)
    assert event.event == "error"
    said = msgspec.json.decode(event.data)
    assert said["type"] == told["type"]
    assert said["message"] == told["message"] or not told["message"]
