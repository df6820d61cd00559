from carapax.testing import FakeClock


def test_time_stands_still_until_moved() -> None:
    clock = FakeClock(now=100.0)
    assert clock.now() == clock.now() == 100.0
    clock.advance(5)
    assert clock.now() == 105.0
    clock.set(7.0)
    assert clock.now() == 7.0


def test_one_seed_gives_the_same_identifiers_and_chance() -> None:
    one, same, other = FakeClock(seed=1), FakeClock(seed=1), FakeClock(seed=2)
    drawn = [(clock.new_id(), clock.random()) for clock in (one, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_identifiers_sort_by_time() -> None:
    clock = FakeClock()
    earlier = clock.new_id()
    clock.advance(0.001)
    assert earlier < clock.new_id()
    assert len(earlier) == 20
