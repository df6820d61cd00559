"""R5: a whole gateway in deterministic simulation, killed again and again. Everything printed is for the record."""

from pathlib import Path

import pytest

from tests.programmes.planted import PLANTS, Plant
from tests.programmes.simulated_gateway import play

SEEDS = 200
# Those that found a bug before are tried first: it saves time, and proves no less.
GOOD_SEEDS = (0, 5, 25, 130)
SEEDS_FOR_A_BUG = 400


@pytest.mark.slow
def test_no_rule_breaks_however_unlucky_the_gateway_is(
    tmp_path: Path,
) -> None:
    outcomes = [play(seed, tmp_path) for seed in range(SEEDS)]
    broken = {outcome.seed: outcome.broken for outcome in outcomes if outcome.broken}
    print(
        f"{SEEDS} seeds, {sum(outcome.lives for outcome in outcomes)} lives, "
        f"{sum(outcome.virtual_s for outcome in outcomes) / 3600:.1f} virtual hours, "
        f"{sum(outcome.acknowledged for outcome in outcomes)} messages acknowledged: {len(broken)} seeds broke a rule "
        f"(p < {3 / SEEDS:.3f} for another seed when 0)"
    )
    assert broken == {}


def test_the_same_seed_gives_the_same_life(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert [play(seed, first).digest for seed in (1, 2, 3)] == [play(seed, second).digest for seed in (1, 2, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = plant(monkeypatch)
    for seed in dict.fromkeys((*GOOD_SEEDS, *range(SEEDS_FOR_A_BUG))):
        outcome = play(seed, tmp_path, planted)
        if outcome.broken:
            print(f"{plant.__name__}: found with seed {seed}: {outcome.broken[0][:200]}")
            return
    pytest.fail(f"{plant.__name__} was not found in {SEEDS_FOR_A_BUG} seeds")
