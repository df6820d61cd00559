"""One seed of the simulation: a gateway that is killed again and again, until luck turns and all must come right."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from carapax.app import open_app
from carapax.config import AgentConfig, Config, DoorConfig, Home
from carapax.contracts import Fetched
from carapax.errors import CarapaxError, Forbidden, Unavailable
from carapax.events import ApprovalAsked, QueueMode
from carapax.messages import Inbound
from carapax.sessions.sessions import Sessions
from carapax.store.audit import LOCAL
from carapax.store.connection import Source
from carapax.store.journal import Journal
from carapax.store.outbox import Outbox
from carapax.testing.simulated_database import SimulatedDatabase
from carapax.testing.simulation import Life, simulate
from tests.programmes.invariants import MOST_ATTEMPTS, Record, violations
from tests.programmes.world import TOOLS, World, WorldChannel, WorldModel, WorldTool, acknowledge

QUEUES: tuple[QueueMode, ...] = ("steer", "followup", "collect")
VERDICTS: tuple[Literal["allow", "deny"], ...] = ("allow", "deny")
CONVERSATIONS = 3
PEOPLE = ("ann", "bob")
VISITORS = 6
MESSAGES = 6
DISK_DELAYS_S = (0.004, 0.05, 0.5)
TROUBLE_S = 90.0
PATIENCE_S = 4 * 3600.0


@dataclass
class Planted:
    """What a bug to be found puts in the place of the world's own parts."""

    database: type[SimulatedDatabase] = SimulatedDatabase
    channel: type[WorldChannel] = WorldChannel


@dataclass
class Gateway:
    """One life of the gateway."""

    life: Life
    sessions: Sessions
    journal: Journal
    outbox: Outbox
    database: SimulatedDatabase


@dataclass
class Outcome:
    """What one seed gave. `broken` names every rule that did not hold."""

    seed: int
    digest: str
    broken: list[str]
    acknowledged: int
    lives: int
    virtual_s: float
    trace: list[str] = field(default_factory=list)


class NoEgress:
    """There is no network in a simulation."""

    async def fetch(
        self, url: str, *, max_bytes: int, timeout_s: float, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Fetched:
        raise Unavailable("there is no network")

    async def connect(self, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise Forbidden(f"{url} may not be reached")


class Machine:
    """Starts, kills and restarts the gateway on one database file."""

    def __init__(self, world: World, folder: Path, planted: Planted) -> None:
        self.world = world
        self.lives = 0
        self._folder = folder
        self._planted = planted
        self._disk_delay_s = world.chance.choice(DISK_DELAYS_S)
        self.gateway: Gateway | None = None
        """The one to speak to now."""

    async def start(self) -> Gateway | None:
        """A new life; None when it died while it started."""
        life = Life()
        self.lives += 1
        self.world.trace.add("life", self.lives)
        started: asyncio.Future[Gateway] = asyncio.get_running_loop().create_future()
        life.start(self._live(life, started))
        await asyncio.wait([started], timeout=30)
        if not started.done() or not life.alive:
            await life.kill()
            return None
        self.gateway = started.result()
        return self.gateway

    async def kill(self, gateway: Gateway) -> None:
        self.world.trace.add("kill")
        self.gateway = None
        await gateway.life.kill()

    async def _live(self, life: Life, started: "asyncio.Future[Gateway]") -> None:
        world = self.world
        source = Source(self._folder / "carapax.db", "OFF")
        database = self._planted.database(source, life, world.chance, self._disk_delay_s)
        async with open_app(
            Config(
                agents={"main": AgentConfig(queue=QUEUES[world.seed % 3], sandbox="local", tools=tuple(TOOLS))},
                door={"chat": DoorConfig(owners=(*PEOPLE, "eve"))},
            ),
            Home(self._folder, self._folder),
            environ={},
            clock=world.clock,
            database=database,
            models=WorldModel(world, life),
            egress=NoEgress(),
            channels=[self._planted.channel(world, life)],
            tools=[WorldTool(world, life, name, rerun) for name, rerun in TOOLS.items()],
        ) as services:
            started.set_result(Gateway(life, services.sessions, services.journal, Outbox(database), database))
            await asyncio.Event().wait()


async def person(machine: Machine, channel: str, conversation: str, sender: str, messages: int) -> None:
    """Says a few things, and says each again until it is acknowledged."""
    world = machine.world
    for _ in range(messages):
        await world.delay(TROUBLE_S / messages)
        inbound = world.message(channel, conversation, sender)
        if channel == "chat":
            world.waiting.setdefault(conversation, []).append(inbound)
        else:
            await insist(machine, inbound)


async def insist(machine: Machine, inbound: Inbound) -> None:
    """Send a message over the API until its receipt is there."""
    while True:
        gateway = machine.gateway
        if gateway is not None:
            submitting = gateway.life.start(gateway.sessions.submit(inbound))
            await asyncio.wait([submitting], timeout=5)
            if submitting.done() and not submitting.cancelled() and submitting.exception() is None:
                acknowledge(machine.world, inbound, submitting.result())
                return
            submitting.cancel()
        await machine.world.delay(2)


async def trouble(machine: Machine) -> None:
    """Kills and restarts, overlaps, full disks and jumping clocks, for a while; then one last start in peace."""
    world = machine.world
    loop = asyncio.get_running_loop()
    gateway = await machine.start()
    while loop.time() < TROUBLE_S * 1.2:
        await moment(world)
        if world.unlucky(0.3):
            world.clock.advance(world.chance.uniform(-600, 600))
        if gateway and world.unlucky(0.3):
            gateway.database.full = True
            await world.delay(4)
            gateway.database.full = False
        if gateway:
            await machine.kill(gateway)
        await world.delay(3)
        gateway = await machine.start()
    world.calm = True
    while gateway is None:
        gateway = await machine.start()


async def meddler(machine: Machine) -> None:
    """Cancels, forks and ends sessions now and then, and runs a tool by hand."""
    world = machine.world
    while not world.calm:
        await world.delay(15)
        gateway = machine.gateway
        running = gateway.sessions.running() if gateway else ()
        if gateway is None or not running:
            continue
        session, deed = world.chance.choice(running), world.chance.choice(("cancel", "fork", "end", "execute"))
        world.trace.add(deed, session)
        gateway.life.start(_meddle(gateway.sessions, session, deed))


async def approver(machine: Machine) -> None:
    """Answers what is asked now and then, if it is not forgotten."""
    while not machine.world.calm:
        await machine.world.delay(20)
        if machine.gateway:
            await approve(machine, machine.gateway)


async def approve(machine: Machine, gateway: Gateway) -> None:
    """Answer all that waits, at times twice."""
    world = machine.world
    for session, asked in gateway.sessions.approvals():
        for _ in range(2 if world.unlucky(0.3) else 1):
            verdict = world.chance.choice(VERDICTS)
            world.trace.add(verdict, session, asked.call_id)
            gateway.life.start(_answer(gateway.sessions, asked, verdict))


async def _answer(sessions: Sessions, asked: ApprovalAsked, verdict: Literal["allow", "deny"]) -> None:
    with suppress(CarapaxError):
        await sessions.answer(asked.id, asked.digest, verdict, LOCAL)


async def _meddle(sessions: Sessions, session: str, deed: str) -> None:
    with suppress(CarapaxError):
        match deed:
            case "cancel":
                await sessions.cancel(session)
            case "fork":
                await sessions.fork(session)
            case "end":
                await sessions.end(session, "enough")
            case "execute":
                await sessions.execute("once", {"what": "by hand"})


async def moment(world: World) -> None:
    """Wait for a moment to strike: any, or shortly after something happened."""
    await asyncio.sleep(world.chance.expovariate(1 / 5))
    until = len(world.trace.lines) + world.chance.randint(1, 8)
    for _ in range(60):
        if len(world.trace.lines) >= until:
            break
        await world.delay(0.5)


async def peace(machine: Machine) -> Record:
    """Wait until nothing is left to be done, or for as long as anybody would."""
    loop = asyncio.get_running_loop()
    gateway = machine.gateway
    assert gateway is not None
    given_up_at = loop.time() + PATIENCE_S
    while True:
        unfinished = await gateway.journal.unfinished()
        unsent = await gateway.outbox.next_due_at("chat")
        if not unfinished and unsent is None and not any(machine.world.waiting.values()):
            break
        if loop.time() > given_up_at or max(machine.world.attempts.values(), default=0) > 2 * MOST_ATTEMPTS:
            break
        await approve(machine, gateway)
        await asyncio.sleep(30)
    journals = {info.id: await gateway.journal.read(info.id) for info in await gateway.journal.sessions()}
    await machine.kill(gateway)
    return Record(journals, len(unfinished), int(unsent is not None))


async def _play(world_seed: int, folder: Path, planted: Planted) -> Outcome:
    world = World(world_seed)
    machine = Machine(world, folder, planted)
    async with asyncio.TaskGroup() as group:
        group.create_task(trouble(machine))
        group.create_task(meddler(machine))
        group.create_task(approver(machine))
        for number in range(CONVERSATIONS):
            channel = "api" if number == 0 else "chat"
            for sender in PEOPLE:
                group.create_task(person(machine, channel, f"room-{number}", sender, MESSAGES))
        for number in range(VISITORS):
            group.create_task(person(machine, ("api", "chat")[number % 2], f"visit-{number}", "eve", 1))
    record = await peace(machine)
    for session, journal in sorted(record.journals.items()):
        world.trace.add("journal", session, *journal)
    return Outcome(
        world_seed,
        world.trace.digest(),
        list(violations(world, record)),
        len(world.acknowledged),
        machine.lives,
        asyncio.get_running_loop().time(),
        world.trace.lines,
    )


def play(seed: int, folder: Path, planted: Planted | None = None) -> Outcome:
    """Run one seed to its end on a new database in the folder."""
    own = folder / str(seed)
    own.mkdir()
    return simulate(_play(seed, own, planted or Planted()))
