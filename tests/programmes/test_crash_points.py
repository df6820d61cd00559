"""R4: one conversation, killed once at each moment where it makes a difference, for each class of tools."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from carapax.messages import Inbound, Sender
from carapax.testing.simulated_database import SimulatedDatabase, Waiting
from carapax.testing.simulation import simulate
from tests.programmes.invariants import violations
from tests.programmes.planted import at_most_once_run_again
from tests.programmes.simulated_gateway import Machine, Planted, peace
from tests.programmes.world import TOOLS, World


@dataclass
class End:
    """How a conversation ended that was killed at one point, or at none."""

    points: int
    broken: list[str]
    effects: Sequence[int]


def _mortal(world: World) -> type[SimulatedDatabase]:
    class Mortal(SimulatedDatabase):
        """May die just before a commit, and just after."""

        def commit(self, group: list[Waiting]) -> None:
            world.reach(self._life)
            super().commit(group)
            world.reach(self._life)

    return Mortal


async def _converse(wish: str, deadly: int, folder: Path) -> End:
    world = World(seed=3, calm=True, deadly=deadly)
    machine = Machine(world, folder, Planted(database=_mortal(world)))
    world.said = 1
    world.waiting["home"] = [Inbound("chat", "home", Sender("ann"), f"m1 {wish}", dedupe_key="m1")]
    gateway = await machine.start()
    for _ in range(100):
        await asyncio.sleep(0.2)
        if gateway is None or not gateway.life.alive:
            break
    if gateway and not gateway.life.alive:
        await machine.kill(gateway)
    while machine.gateway is None:
        await machine.start()
    record = await peace(machine)
    return End(world.points, list(violations(world, record)), sorted(world.effects.values()))


def converse(wish: str, deadly: int, folder: Path) -> End:
    own = folder / f"{wish}-{deadly}"
    own.mkdir()
    return simulate(_converse(wish, deadly, own))


@pytest.mark.parametrize("wish", [*TOOLS, "both"])
def test_a_crash_at_any_point_breaks_no_rule(wish: str, tmp_path: Path) -> None:
    whole = converse(wish, 0, tmp_path)
    assert whole.broken == []
    ends = {deadly: converse(wish, deadly, tmp_path) for deadly in range(1, whole.points + 1)}
    times = sorted({max(end.effects, default=0) for end in ends.values()})
    print(f"{wish}: killed at each of {len(ends)} points; a call took effect {times} times")
    assert {deadly: end.broken for deadly, end in ends.items() if end.broken} == {}
    if wish in ("once", "inside"):
        assert times == [0, 1]


def test_a_gateway_that_runs_tools_again_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_most_once_run_again(monkeypatch)
    points = converse("once", 0, tmp_path).points
    assert any(converse("once", deadly, tmp_path).broken for deadly in range(1, points + 1))
