"""Server-sent events, however their bytes are cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import Unavailable
from carapax.models.sse import ServerSentEvent, SseParser


def parse(*chunks: bytes, max_event: int = 1000) -> list[ServerSentEvent]:
    parser = SseParser(max_event)
    return [event for chunk in chunks for event in parser.feed(chunk)] + parser.close()


def reference(stream: bytes) -> list[ServerSentEvent]:
    """The algorithm of the specification, on all of the text at once; the last event needs no blank line."""
    events: list[ServerSentEvent] = []
    data: list[str] = []
    kind = last_id = ""
    for line in [*re.split("\r\n|\r|\n", stream.decode(errors="replace").removeprefix("\ufeff")), ""]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append(ServerSentEvent(kind or "message", "\n".join(data), last_id))
            data, kind = [], ""
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            last_id = value
    return events


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


PIECES = st.sampled_from(
    [b"data", b"event", b"id", b"retry", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"data: x\n", b"id: 1\r", b"\0"]
    + [text.encode() for text in ("é", "😀", "\ufeff")]
    + [b"\xff", b"\xc3", b"7", b""]
)


@given(st.lists(PIECES, max_size=40).map(b"".join), st.lists(st.integers(0, 200), max_size=20))
def test_any_bytes_cut_anywhere_give_the_events_of_the_specification(stream: bytes, places: list[int]) -> None:
    assert parse(*cut(stream, places)) == reference(stream)


def test_fields_comments_and_several_data_lines_are_read() -> None:
    stream = b": comment\nevent: delta\nid: 7\ndata: a\ndata:b\ndata\n\ndata:  c\nunknown: x\n\n"
    assert parse(stream) == [ServerSentEvent("delta", "a\nb\n", "7"), ServerSentEvent("message", " c", "7")]


def test_a_byte_order_mark_is_skipped_only_at_the_start() -> None:
    assert parse(b"\xef", b"\xbb", b"\xbfdata: \xef\xbb\xbfa\n\n") == [ServerSentEvent("message", "\ufeffa")]


def test_a_line_end_cut_in_two_is_one() -> None:
    assert parse(b"data: a\r", b"\n\r", b"\ndata: b\r", b"\r") == [
        ServerSentEvent("message", "a"),
        ServerSentEvent("message", "b"),
    ]


def test_an_event_is_complete_with_its_carriage_return() -> None:
    assert SseParser().feed(b"data: a\r\r") == [ServerSentEvent("message", "a")]


def test_an_event_without_its_blank_line_comes_at_the_end() -> None:
    assert parse(b"data: a\n\ndata: b") == [ServerSentEvent("message", "a"), ServerSentEvent("message", "b")]


def test_an_identifier_with_a_null_character_is_ignored() -> None:
    assert parse(b"id: 1\nid: 2\x003\ndata: a\n\n") == [ServerSentEvent("message", "a", "1")]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * 2000],
        [b"data: " + b"x" * 2000 + b"\n\n"],
        [b"data: " + b"x" * 50 + b"\n"] * 40,
        [b"data:\n"] * 2000,
        [b"x"] * 2000,
        [b": " + b"x" * 2000],
    ],
)
def test_an_event_that_grows_without_end_is_refused(chunks: list[bytes]) -> None:
    with pytest.raises(Unavailable, match="more than 1000 bytes"):
        parse(*chunks)


def test_a_long_stream_of_short_events_is_no_long_event() -> None:
    assert len(parse(*[b": " + b"x" * 500 + b"\n\n", b"data: x\n\n"] * 50)) == 50
