"""Which trace something belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.telemetry.trace import Root, coming_in, incoming, root_in, root_of, span_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "root"),
    [
        (f"00-{TRACE}-{PARENT}-01", Root(TRACE, PARENT, True)),
        (f"00-{TRACE}-{PARENT}-00", Root(TRACE, PARENT, False)),
        (f"01-{TRACE}-{PARENT}-01-more", Root(TRACE, PARENT, True)),
        (f"00-{TRACE}-{PARENT}-01-more", None),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}-01\n", None),
        (f"01-{TRACE}-{PARENT}-01-{'x' * 500}", None),
        ("", None),
    ],
)
def test_a_traceparent_is_taken_over_or_counts_as_absent(header: str, root: Root | None) -> None:
    assert root_in(header) == root
    with coming_in(header):
        assert incoming() == (header if root else "")
    assert incoming() == ""


@given(st.text(max_size=80))
def test_whatever_stands_in_the_header_is_survived(header: str) -> None:
    root = root_in(header)
    assert root is None or len(bytes.fromhex(root.trace)) == 16


def test_ids_are_always_the_same_and_of_the_right_size() -> None:
    assert root_of("r1") == root_of("r1") != root_of("r2")
    assert len(bytes.fromhex(root_of("r1").trace)) == 16
    assert len({span_of("r1"), span_of("r1", "tool", 1), span_of("r1", "tool", 2), span_of("r2")}) == 4
    assert len(bytes.fromhex(span_of("r1"))) == 8
