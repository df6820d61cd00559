"""The machine's clock."""

from carapax.clock import SystemClock, is_id


def test_identifiers_are_short_differ_and_follow_the_time() -> None:
    clock = SystemClock()
    drawn = [clock.new_id() for _ in range(100)]
    assert len(set(drawn)) == 100
    assert {len(name) for name in drawn} == {20}
    assert all(is_id(name) and not is_id(name + "\n") and not is_id(name[1:]) for name in drawn)
    assert sorted(name[:9] for name in drawn) == [name[:9] for name in drawn]


def test_chance_is_less_than_one() -> None:
    assert 0 <= SystemClock().random() < 1
