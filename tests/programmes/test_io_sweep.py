"""R3: every write, sync and truncate under a conversation fails once; nothing acknowledged may be lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from carapax.app import open_app
from carapax.config import AgentConfig, Config, DoorConfig, Home
from carapax.errors import CarapaxError, StoreError
from carapax.messages import Outbound, Receipt
from carapax.store.connection import Source
from carapax.store.journal import Journal
from carapax.store.outbox import Outbox
from carapax.store.writer import Outcome
from carapax.testing import MemoryChannel
from carapax.testing.simulated_database import SimulatedDatabase, Waiting
from carapax.testing.simulation import Life, SimulatedClock, simulate
from tests.programmes.invariants import Record, violations
from tests.programmes.simulated_gateway import NoEgress
from tests.programmes.world import World, WorldModel, WorldTool
from tests.store.faulty_disk import FaultyDisk, faulty_disk

SAID = ("m1 once", "m2 plain")


@dataclass
class Conversation:
    """What somebody saw who talks to a gateway on a failing disk, and says everything again until it is taken."""

    world: World
    channel: MemoryChannel = field(default_factory=lambda: MemoryChannel("chat"))
    acknowledged: dict[str, Receipt] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    starts: int = 0

    @property
    def taken(self) -> dict[str, Outbound]:
        return {message.key: message for message in self.channel.sent}

    @property
    def refused(self) -> dict[str, Outbound]:
        return {}

    @property
    def attempts(self) -> Counter[str]:
        return Counter(message.key for message in self.channel.attempts)

    @property
    def effects(self) -> Counter[tuple[str, str]]:
        return self.world.effects

    @property
    def malformed(self) -> list[str]:
        return self.world.malformed

    @property
    def said(self) -> int:
        return len(SAID)


async def converse(folder: Path, disk: FaultyDisk) -> tuple[Conversation, Record]:
    """Start the gateway until it starts, talk until all is answered, and read what a gateway on a good disk finds."""
    seen = Conversation(World(seed=1, calm=True))
    while len(seen.acknowledged) < len(SAID):
        seen.starts += 1
        try:
            await _live(seen, folder, disk)
        except StoreError as error:
            seen.told.append(str(error))
    database = SimulatedDatabase(Source(folder / "carapax.db"), Life(), random.Random(0))
    journal = Journal(database, SimulatedClock())
    journals = {info.id: await journal.read(info.id) for info in await journal.sessions()}
    unsent = await Outbox(database).next_due_at("chat")
    record = Record(journals, len(await journal.unfinished()), int(unsent is not None))
    assert await database.fetch("PRAGMA integrity_check") == [("ok",)]
    await database.close()
    return seen, record


async def _live(seen: Conversation, folder: Path, disk: FaultyDisk) -> None:
    life = Life()
    database = SimulatedDatabase(Source(folder / "carapax.db", vfs=disk.name), life, random.Random(0))
    try:
        async with open_app(
            Config(
                agents={"main": AgentConfig(sandbox="local", tools=("once",))},
                door={"chat": DoorConfig(owners=("ann",))},
            ),
            Home(folder, folder),
            environ={},
            clock=seen.world.clock,
            database=database,
            models=WorldModel(seen.world, life),
            egress=NoEgress(),
            channels=[seen.channel],
            tools=[WorldTool(seen.world, life, "once", "at_most_once")],
        ):
            for number, text in enumerate(SAID, 1):
                key = f"m{number}"
                await _insist(seen, key, text)
                await _hear(seen, key)
            await asyncio.sleep(60)
    finally:
        await database.close()


async def _hear(seen: Conversation, key: str) -> None:
    try:
        await seen.channel.reply(within_s=600)
    except TimeoutError:
        seen.malformed.append(f"{key} got no reply")


async def _insist(seen: Conversation, key: str, text: str) -> None:
    while key not in seen.acknowledged:
        try:
            seen.acknowledged[key] = await seen.channel.say(text, dedupe_key=key, within_s=60)
        except CarapaxError as error:
            seen.told.append(str(error))
            await asyncio.sleep(1)


def sweep(folder: Path, disk: FaultyDisk, error: type[apsw.Error]) -> Iterator[tuple[bool, list[str]]]:
    """Fail each operation once: whether anybody was told, and the rules that broke."""
    disk.fail_once(0, error)
    whole, record = simulate(converse(_new(folder, 0), disk))
    assert (list(violations(whole, record)), whole.told) == ([], [])
    for number in range(1, disk.operations + 1):
        disk.fail_once(number, error)
        seen, record = simulate(converse(_new(folder, number), disk))
        yield bool(seen.told), list(violations(seen, record))


@pytest.mark.slow
@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError], ids=["EIO", "ENOSPC"])
def test_no_failure_of_the_disk_is_silent_or_loses_anything(error: type[apsw.Error], tmp_path: Path) -> None:
    with faulty_disk() as disk:
        ends = list(sweep(tmp_path, disk, error))
    told, broken = sum(told for told, _ in ends), [found for _, found in ends if found]
    print(f"{len(ends)} operations failed once each: {told} told to whoever asked, {len(broken)} broke a rule")
    assert len(ends) > 100
    assert broken == []


def test_a_store_that_hides_failures_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell = SimulatedDatabase.tell

    def hide(self: SimulatedDatabase, group: list[Waiting], outcomes: Sequence[Outcome]) -> None:
        done: list[Outcome] = [
            [[(1,)] for _ in waiting.statements] if isinstance(outcome, StoreError) else outcome
            for waiting, outcome in zip(group, outcomes, strict=True)
        ]
        tell(self, group, done)

    monkeypatch.setattr(SimulatedDatabase, "tell", hide)
    with faulty_disk() as disk:
        assert any(broken for _, broken in sweep(tmp_path, disk, apsw.FullError))


def test_a_gateway_answers_again_when_a_full_disk_has_space(tmp_path: Path) -> None:
    async def scenario(disk: FaultyDisk) -> tuple[Conversation, Record]:
        async def fill_and_free() -> None:
            await asyncio.sleep(0.5)
            disk.fails = lambda _, operation: apsw.FullError if operation == "write" else None
            await asyncio.sleep(120)
            disk.fails = lambda _, operation: None

        async with asyncio.TaskGroup() as group:
            group.create_task(fill_and_free())
            return await group.create_task(converse(tmp_path, disk))

    with faulty_disk() as disk:
        seen, record = simulate(scenario(disk))
    assert list(violations(seen, record)) == []
    assert seen.starts == 1


def _new(folder: Path, number: int) -> Path:
    own = folder / str(number)
    own.mkdir()
    return own
