"""The machine's clock."""

from carapax.clock import SystemClock


def test_identifiers_are_short_differ_and_follow_the_time() -> None:
    clock = SystemClock()
    drawn = [clock.new_id() for _ in range(100)]
    assert len(set(drawn)) == 100
    assert {len(name) for name in drawn} == {20}
    assert sorted(name[:9] for name in drawn) == [name[:9] for name in drawn]


def test_chance_is_less_than_one() -> None:
    assert 0 <= SystemClock().random() < 1
