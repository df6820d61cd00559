"""R8: chat platforms give messages again, in every way they are known to. Each is answered once, in the order said."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carapax.api import Services
from carapax.app import open_app
from carapax.config import AgentConfig, Config, Home
from carapax.messages import ModelRequest, Receipt, UserMessage
from carapax.store.connection import Source
from carapax.testing import Answer, MemoryChannel, ScriptedProvider
from carapax.testing.models import OneProvider
from carapax.testing.simulated_database import SimulatedDatabase
from carapax.testing.simulation import Life, SimulatedClock, simulate
from tests.programmes.planted import repetitions_accepted
from tests.programmes.simulated_gateway import NoEgress

RESTART, END, DAY = "restart", "end", "day"
Pattern = tuple[str | tuple[str, ...], ...]
PATTERNS: dict[str, Pattern] = {
    "twice at the same time": (("a", "a"), "b"),
    "again after the answer": ("a", "a", "b"),
    "an older one after a newer one": ("a", "b", "a", "c"),
    "all since a lost offset": ("a", "b", "c", "a", "b", "c", "d"),
    "again after a restart": ("a", "b", RESTART, "a", "b", "c"),
    "at the same time after a restart": ("a", RESTART, ("a", "a", "a"), "b"),
    "again after the session has ended": ("a", END, "a", "b"),
    "again a day later": ("a", DAY, "a", RESTART, DAY, "a", "b"),
}


def echo(request: ModelRequest) -> Answer:
    return [message.text for message in request.messages if isinstance(message, UserMessage)][-1]


@asynccontextmanager
async def gateway(folder: Path, channel: MemoryChannel, clock: SimulatedClock, seed: int) -> AsyncIterator[Services]:
    database = SimulatedDatabase(Source(folder / "carapax.db", "OFF"), Life(), random.Random(seed), 0.3)
    async with open_app(
        Config(agents={"main": AgentConfig(sandbox="local", queue="followup")}),
        Home(folder, folder),
        environ={},
        clock=clock,
        database=database,
        models=OneProvider(ScriptedProvider(echo)),
        egress=NoEgress(),
        channels=[channel],
    ) as services:
        yield services


async def deliver(channel: MemoryChannel, keys: tuple[str, ...]) -> list[Receipt]:
    """Give messages to the gateway at the same time, and let it answer."""
    async with asyncio.TaskGroup() as group:
        saying = [group.create_task(channel.say(f"said {key}", dedupe_key=key, within_s=60)) for key in keys]
    await asyncio.sleep(60)
    return [task.result() for task in saying]


async def play(pattern: Pattern, folder: Path, seed: int) -> tuple[dict[str, set[str]], list[str]]:
    """The messages that each key was accepted as, and what was answered."""
    channel, clock = MemoryChannel(), SimulatedClock(seed)
    accepted: dict[str, set[str]] = {}
    steps = list(pattern)
    while steps:
        async with gateway(folder, channel, clock, seed) as services:
            while steps and (step := steps.pop(0)) != RESTART:
                if step == DAY:
                    await asyncio.sleep(86_400)
                elif step == END:
                    for info in await services.journal.sessions():
                        await services.sessions.end(info.id)
                else:
                    keys = (step,) if isinstance(step, str) else step
                    for key, receipt in zip(keys, await deliver(channel, keys), strict=True):
                        accepted.setdefault(key, set()).add(receipt.message)
    return accepted, [message.text for message in channel.sent]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_given_again_is_answered_once_and_in_order(pattern: str, tmp_path: Path) -> None:
    steps = [step for step in PATTERNS[pattern] if step not in (RESTART, END, DAY)]
    keys = sorted({key for step in steps for key in step})
    for seed in range(10):
        own = tmp_path / str(seed)
        own.mkdir()
        accepted, answers = simulate(play(PATTERNS[pattern], own, seed))
        assert {key: len(messages) for key, messages in accepted.items()} == dict.fromkeys(keys, 1)
        assert answers == [f"said {key}" for key in keys]


def test_a_gateway_that_forgets_keys_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repetitions_accepted(monkeypatch)
    accepted, _ = simulate(play(PATTERNS["again after the answer"], tmp_path, 0))
    assert len(accepted["a"]) == 2
