import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import Unavailable
from carapax.models.ndjson import NdjsonParser
from carapax.models.sse import ServerSentEvent
from tests.providers.reading import cut


def read(*chunks: bytes, max_event: int = 100) -> list[str]:
    parser = NdjsonParser(max_event)
    events = [event for chunk in chunks for event in parser.feed(chunk)] + parser.close()
    assert all(event == ServerSentEvent("message", event.data) for event in events)
    return [event.data for event in events]


def test_each_line_is_an_event_and_empty_ones_are_none() -> None:
    assert read(b'{"a":1}\n\n  \r\n{"b":2}\r\n') == ['{"a":1}', '{"b":2}']


def test_the_last_line_needs_no_end() -> None:
    assert read(b'{"a":1}\n{"b"', b":2}") == ['{"a":1}', '{"b":2}']


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))), st.data())
def test_lines_may_be_cut_anywhere(texts: list[str], data: st.DataObject) -> None:
    body = "\n".join(texts).encode()
    places = data.draw(st.lists(st.integers(0, len(body)), max_size=20))
    stripped = [text.encode().strip().decode() for text in texts]
    assert read(*cut(body, places), max_event=1 << 20) == [text for text in stripped if text]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert read(b'{"a":"\xff"}\n') == ['{"a":"\ufffd"}']


@pytest.mark.parametrize("chunks", [[b"x" * 101], [b"x" * 60, b"y" * 60], [b"{}\n" + b"x" * 101 + b"\n"]])
def test_a_line_that_is_too_long_is_refused(chunks: list[bytes]) -> None:
    with pytest.raises(Unavailable, match="more than 100 bytes"):
        read(*chunks)
