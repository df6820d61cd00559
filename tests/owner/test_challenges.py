from carapax.owner.challenges import MOST, Challenges, Page, Purpose
from carapax.testing import FakeClock

HERE, THERE = Page("localhost", "http://localhost:1"), Page("localhost", "http://localhost:2")


def test_a_challenge_is_answered_once_for_what_it_was_made_for() -> None:
    challenges = Challenges(FakeClock())
    made = challenges.make("register", HERE, "ann")
    assert challenges.take(made, "register", HERE, "ann")
    assert not challenges.take(made, "register", HERE, "ann")
    others: list[tuple[Purpose, Page, str]] = [
        ("sign in", HERE, "ann"),
        ("register", THERE, "ann"),
        ("register", HERE, ""),
    ]
    for purpose, page, whose in others:
        made = challenges.make("register", HERE, "ann")
        assert not challenges.take(made, purpose, page, whose)
        assert not challenges.take(made, "register", HERE, "ann")


def test_it_lasts_five_minutes_and_no_two_are_the_same() -> None:
    clock = FakeClock()
    challenges = Challenges(clock)
    made = [challenges.make("sign in", HERE) for _ in range(2)]
    clock.advance(299.9)
    assert challenges.take(made[0], "sign in", HERE)
    clock.advance(0.1)
    assert not challenges.take(made[1], "sign in", HERE)
    assert made[0] != made[1]


def test_of_too_many_the_oldest_are_forgotten() -> None:
    challenges = Challenges(FakeClock())
    first, second = challenges.make("sign in", HERE), challenges.make("sign in", HERE)
    for _ in range(MOST - 1):
        challenges.make("sign in", HERE)
    assert not challenges.take(first, "sign in", HERE)
    assert challenges.take(second, "sign in", HERE)
