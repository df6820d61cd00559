import itertools

from hypothesis import given
from hypothesis import strategies as st

from carapax.gateway.frames import FrameLimit

LIMIT = 200


class Kept:
    """Takes what a WebSocket parser would be given."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        self.data += b"EOF"


def frame(size: int, *, masked: bool = True, opcode: int = 1) -> bytes:
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head = bytes([0x80 | opcode, mask_bit | size])
    elif size < 65536:
        head = bytes([0x80 | opcode, mask_bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, mask_bit | 127]) + size.to_bytes(8, "big")
    return head + (b"mask" if masked else b"") + b"x" * size


def feed(limit: FrameLimit, data: bytes, cuts: list[int]) -> None:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(places):
        limit.feed_data(data[start:end])


frames = st.lists(st.tuples(st.integers(0, LIMIT), st.booleans()), min_size=1, max_size=5)
cuts = st.lists(st.integers(0, 1200), max_size=30)


@given(frames, cuts)
def test_frames_within_the_limit_pass_unchanged_wherever_they_are_cut(
    sizes: list[tuple[int, bool]], places: list[int]
) -> None:
    kept = Kept()
    data = b"".join(frame(size, masked=masked) for size, masked in sizes)
    feed(FrameLimit(kept, lambda: LIMIT), data, places)
    assert kept.data == data


@given(frames, st.sampled_from([LIMIT + 1, 1000, 65_536, 70_000]), cuts)
def test_a_longer_frame_is_passed_on_as_endless_and_nothing_of_its_payload(
    before: list[tuple[int, bool]], size: int, places: list[int]
) -> None:
    kept = Kept()
    good = b"".join(frame(length, masked=masked) for length, masked in before)
    limit = FrameLimit(kept, lambda: LIMIT)
    feed(limit, good, places)
    limit.feed_data(frame(size)[:14])
    assert kept.data == good + b"\x81\xff" + (2**62).to_bytes(8, "big")


def test_the_end_is_passed_on() -> None:
    kept = Kept()
    FrameLimit(kept, lambda: LIMIT).feed_eof()
    assert kept.data == b"EOF"
