import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import RateLimited
from carapax.throttle import LONGEST_BAN_S, PASSWORD, WINDOW_S, Bans, Rate


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


def banned(bans: Bans, key: str, now: float, *, grows: bool = True) -> float:
    """Guess until a ban begins, and how long it is."""
    for number in range(10):
        seconds = bans.fail(key, str(number).encode(), now, grows=grows)
        assert (seconds > 0) is (number == 9)
    return seconds


def test_ten_wrong_secrets_ban_for_a_time_that_doubles_up_to_a_day() -> None:
    bans, now, lengths = Bans(), 0.0, list[float]()
    for _ in range(12):
        lengths.append(banned(bans, "a", now))
        assert bans.wait("a", now) == lengths[-1]
        assert bans.wait("b", now) == 0
        now += lengths[-1]
        assert bans.wait("a", now) == 0
    assert lengths[:4] == [300, 600, 1200, 2400]
    assert lengths[-2:] == [LONGEST_BAN_S, LONGEST_BAN_S]
    assert banned(bans, "a", now + LONGEST_BAN_S + 1) == 300


def test_one_wrong_secret_again_and_again_is_one_guess() -> None:
    bans = Bans()
    assert [bans.fail("a", b"same", now * 60) for now in range(1000)] == [0] * 1000
    assert [bans.fail("a", str(number).encode(), 60_000) for number in range(9)] == [0] * 8 + [300]


def test_what_has_no_digest_is_a_guess_each_time() -> None:
    bans = Bans()
    assert [bans.fail("a", None, 0) for _ in range(10)] == [0] * 9 + [300]
    assert [bans.fail("a", None, 300) for _ in range(10)] == [0] * 9 + [600]


def test_a_key_whose_bans_do_not_grow_is_banned_as_long_each_time() -> None:
    bans = Bans()
    assert [banned(bans, "a", now, grows=False) for now in (0, 300, 600)] == [300] * 3


def test_a_ban_can_be_lifted_and_listed() -> None:
    bans = Bans()
    banned(bans, "a", 0)
    bans.fail("b", b"x", 0)
    assert bans.all(100) == {"a": 200}
    assert bans.lift("a", 100)
    assert not bans.lift("b", 100)
    assert bans.all(100) == {}
    assert banned(bans, "a", 100) == 300


def test_only_so_many_guessers_are_remembered() -> None:
    bans = Bans(keys=2)
    for key in "abc":
        banned(bans, key, 0)
    assert list(bans.all(0)) == ["b", "c"]


def test_however_many_guess_the_passwords_that_were_tried_stay_counted() -> None:
    bans = Bans(keys=2)
    banned(bans, PASSWORD, 0)
    for number in range(5):
        bans.fail(str(number), b"x", 0)
    assert (bans.wait(PASSWORD, 0), len(bans.all(0))) == (300, 1)


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(0, 20)), max_size=200))
def test_no_five_minutes_see_more_than_ten_guesses(tries: list[tuple[float, int]]) -> None:
    bans, now, guessed = Bans(), 0.0, list[tuple[float, int]]()
    for gap, secret in tries:
        now += gap
        if not bans.wait("a", now):
            bans.fail("a", str(secret).encode(), now)
            guessed.append((now, secret))
    for start, _ in guessed:
        assert len({secret for at, secret in guessed if start <= at < start + WINDOW_S}) <= 10
