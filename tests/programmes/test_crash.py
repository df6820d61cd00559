"""R1 in small: the real gateway, killed with SIGKILL under load. `make crash` does the same for longer."""

import asyncio
from pathlib import Path

import pytest

from bench.crash import rehearse


@pytest.mark.slow
def test_a_killed_gateway_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    figures = asyncio.run(rehearse(8, 1, tmp_path / "home"))
    print(figures.table())
    assert figures.broken == []
    assert (figures.lost, figures.sent_twice, figures.twice, figures.integrity) == (0, 0, 0, "ok")
    assert figures.acknowledged > 50
    assert figures.effects > 10


@pytest.mark.slow
def test_a_gateway_that_acknowledges_too_early_is_caught(tmp_path: Path) -> None:
    figures = asyncio.run(rehearse(4, 1, tmp_path / "home", control=True))
    assert figures.lost > 0
