import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from carapax.errors import RateLimited
from carapax.gateway.errors import TooLarge
from carapax.gateway.limits import Rate, check_text


def taken(rate: Rate, now: float, tries: int) -> int:
    done = 0
    for _ in range(tries):
        try:
            rate.take("a", now, "calls")
        except RateLimited:
            return done
        done += 1
    return done


def test_as_many_as_the_window_has_are_taken_at_once() -> None:
    assert taken(Rate(60), 0, 100) == 60


def test_what_is_refused_says_when_to_come_back_and_that_is_right() -> None:
    rate = Rate(10, 300)
    assert taken(rate, 1000, 20) == 10
    with pytest.raises(RateLimited, match="too many calls") as caught:
        rate.take("a", 1000, "calls")
    assert caught.value.retry_after_s == pytest.approx(30)
    assert taken(rate, 1029.9, 5) == 0
    assert taken(rate, 1030.1, 5) == 1


def test_keys_do_not_touch_each_other() -> None:
    rate = Rate(1)
    rate.take("a", 0, "calls")
    rate.take("b", 0, "calls")
    assert (rate.wait("a", 0), rate.wait("c", 0)) == (60, 0)


def test_only_so_many_keys_are_remembered() -> None:
    rate = Rate(1, keys=2)
    for key in "abc":
        rate.take(key, 0, "calls")
    assert [rate.wait(key, 0) for key in "abc"] == [0, 60, 60]


@given(st.integers(1, 50), st.lists(st.floats(0, 5), max_size=300))
def test_no_window_takes_more_than_twice_its_count(count: int, gaps: list[float]) -> None:
    rate, now, accepted = Rate(count, 60), 0.0, list[float]()
    for gap in gaps:
        now += gap
        if not rate.wait("a", now):
            rate.take("a", now, "calls")
            accepted.append(now)
    assert all(sum(start <= at < start + 60 for at in accepted) <= 2 * count for start in accepted)


class Send(Struct):
    text: str


@pytest.mark.parametrize(("text", "fits"), [("x" * 100, True), ("é" * 50, True), ("é" * 51, False), ("x" * 101, False)])
def test_a_text_is_measured_in_bytes(text: str, fits: bool) -> None:
    if fits:
        check_text(Send(text), 100)
    else:
        with pytest.raises(TooLarge):
            check_text(Send(text), 100)
