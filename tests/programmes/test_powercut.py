"""R2 in small: power cuts on a loop file system. `make powercut` does the same for longer."""

from pathlib import Path

import pytest

from bench.powercut import Tally, cut, missing

MOST_CONTROL_CUTS = 12


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_a_power_cut_takes_nothing_acknowledged_and_would_with_a_weaker_sync(tmp_path: Path) -> None:
    ours, weak = Tally("FULL"), Tally("NORMAL")
    for _ in range(3):
        cut(tmp_path, ours.policy, 0.5, ours)
    while not weak.lost and weak.cuts < MOST_CONTROL_CUTS:
        cut(tmp_path, weak.policy, 0.5, weak)
    print(f"{ours.line()}\n{weak.line()}")
    assert (ours.lost, ours.damaged) == (0, 0)
    assert weak.lost > 0
