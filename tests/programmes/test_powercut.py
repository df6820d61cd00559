"""R2 in small: power cuts on a loop file system. `make powercut` does the same for longer."""

import pytest

from bench.powercut import missing, rehearse


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_a_power_cut_takes_nothing_acknowledged_and_would_with_a_weaker_sync() -> None:
    ours, weak = rehearse(cuts=3, control=4, seed=1)
    print(f"{ours.line()}\n{weak.line()}")
    assert (ours.lost, ours.damaged) == (0, 0)
    assert weak.lost > 0
