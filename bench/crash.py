"""R1: the whole gateway, killed with SIGKILL at random moments under load, and started again.

People talk to it over REST, WebSockets and a chat platform; a model outside of it answers and has a tool run whose
effects are counted outside. At the end nothing acknowledged may be lost, no reply sent twice, no effect have happened
twice, no run be without an end. `python -m bench.crash --rounds 200`; `--control` plants a bug that must be found.
"""

import argparse
import asyncio
import os
import random
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import apsw

from bench.crash_clients import Crowd, chat_person, rest_person, socket_person
from carapax.clock import SystemClock
from carapax.events import MessageReceived, RunFinished, RunStarted
from carapax.store.journal import Journal
from carapax.store.outbox import Outbox
from carapax.store.sqlite import open_database
from tests.fakes.chat_platform import Platform, serving
from tests.fakes.model_server import ModelServer
from tests.programmes.invariants import Record, violations

PEOPLE = 2
ROUNDS_OF_A_CONVERSATION = 4
HEALTH_S = 60.0
PEACE_S = 60.0
CONFIG = """
[gateway]
port = {port}

[log]
level = "error"

[limits]
socket_messages_per_minute = 1000000
authenticated_per_minute = 1000000
anonymous_per_minute = 1000000
queued_messages = 100000

[agents.main]
model = "fake/fake-model"
tools = ["effect"]
queue = "{queue}"

[providers.fake]
dialect = "openai_chat"
base_url = "{model}/v1"
default_model = "fake-model"

[channels."tests.fakes.chat_platform"]
url = "{platform}"
hasty = {hasty}

[door.chat]
owners = ["eve"]

[tools."tests.fakes.effects"]
file = "{effects}"
"""


@dataclass
class Figures:
    """What a rehearsal measured."""

    rounds: int = 0
    acknowledged: int = 0
    lost: int = 0
    runs: int = 0
    interrupted: int = 0
    sent: int = 0
    sent_twice: int = 0
    effects: int = 0
    twice: int = 0
    healthy_s: list[float] = field(default_factory=list)
    reply_s: list[float] = field(default_factory=list)
    integrity: str = ""
    broken: list[str] = field(default_factory=list)

    def table(self) -> str:
        """One line for each promise; next to each zero what it proves at most."""

        def none(count: int) -> tuple[str, str]:
            return str(count), "" if count else f"p < {3 / max(1, self.rounds):.3f} a kill"

        rows = [
            ("kills", str(self.rounds), ""),
            ("acknowledged messages", str(self.acknowledged), ""),
            ("acknowledged and lost", *none(self.lost)),
            ("replies on the platform", str(self.sent), ""),
            ("replies sent twice", *none(self.sent_twice)),
            ("tool effects", str(self.effects), ""),
            ("tool effects run twice", *none(self.twice)),
            ("runs started", str(self.runs), f"{self.interrupted} interrupted and resumed"),
            ("integrity", self.integrity, ""),
            ("rules broken", *none(len(self.broken))),
            ("start to /health", *_spread(self.healthy_s)),
            ("start to first reply", *_spread(self.reply_s)),
        ]
        return "\n".join(f"{name:<26}{value:>10}  {note}" for name, value, note in rows)


def _spread(seconds: list[float]) -> tuple[str, str]:
    if len(seconds) < 2:
        return "-", ""
    return f"{statistics.median(seconds):.2f} s", f"median; p95 {statistics.quantiles(seconds, n=20)[-1]:.2f} s"


class Gateway:
    """The process under test."""

    def __init__(self, home: Path, port: int, crowd: Crowd, figures: Figures) -> None:
        self._home = home
        self._crowd = crowd
        self._figures = figures
        self.url = f"http://127.0.0.1:{port}"

    async def start(self) -> None:
        self._started_at = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "carapax", "serve", "--home", self._home),
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, "CARAPAX_HOME": str(self._home)},
        )

    async def healthy(self) -> None:
        """Wait for the door to open. Raises TimeoutError, RuntimeError when the process has ended."""
        async with asyncio.timeout(HEALTH_S), aiohttp.ClientSession() as http:
            while self._process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with http.get(f"{self.url}/health") as response:
                        if response.status == 200:
                            self._figures.healthy_s.append(time.monotonic() - self._started_at)
                            return
                await asyncio.sleep(0.01)
        raise RuntimeError(f"the gateway ended with {self._process.returncode} instead of starting")

    async def replied(self) -> None:
        """Wait for the first reply of this life."""
        async with asyncio.timeout(HEALTH_S):
            while self._crowd.replied_at < self._started_at:  # noqa: ASYNC110 - several reporters, none of them timed
                await asyncio.sleep(0.005)
        self._figures.reply_s.append(self._crowd.replied_at - self._started_at)

    async def end(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        async with asyncio.timeout(HEALTH_S):
            await self._process.wait()


async def rehearse(rounds: int, seed: int, home: Path, *, control: bool = False) -> Figures:
    """Kill and restart so many times; what was measured, and every rule that broke."""
    chance = random.Random(seed)
    platform = Platform(faults=random.Random(seed + 1))
    crowd, figures = Crowd(chance, platform), Figures()
    async with AsyncExitStack() as stack:
        model = ModelServer(crowd.think)
        model.forget()
        await stack.enter_async_context(model)
        address = await stack.enter_async_context(serving(platform))
        port = _free_port()
        crowd.url = f"http://127.0.0.1:{port}"
        _configure(home, port=port, model=model.url, platform=address, hasty=control, queue=chance.choice(QUEUES))
        gateway = Gateway(home, port, crowd, figures)
        stack.push_async_callback(gateway.end, signal.SIGKILL)
        await gateway.start()
        await gateway.healthy()
        async with asyncio.TaskGroup() as group:
            _populate(group, crowd, figures)
            await _kill_again_and_again(gateway, rounds, chance, figures)
            crowd.over = True
        await _peace(home, platform)
        await gateway.end(signal.SIGTERM)
    await _judge(home, crowd, figures)
    return figures


QUEUES = ("steer", "followup", "collect")


def _free_port() -> int:
    """Below those that the system gives to outgoing connections, which could take it while the gateway is down; and not
    the one that another rehearsal of the same seed would choose at the same time."""
    chance = random.SystemRandom()
    while True:
        port = chance.randint(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _configure(home: Path, *, hasty: bool, **settings: object) -> None:
    home.mkdir(parents=True, exist_ok=True)
    text = CONFIG.format(effects=home / "effects", hasty=str(hasty).lower(), **settings)
    (home / "carapax.toml").write_text('extra_tools = ["tests.fakes.effects"]\n' + text)


def _populate(group: asyncio.TaskGroup, crowd: Crowd, figures: Figures) -> None:
    for kind in (rest_person, socket_person, chat_person):
        for number in range(PEOPLE):
            group.create_task(kind(crowd, partial(_conversation, f"{kind.__name__}-{number}", figures)))


def _conversation(person: str, figures: Figures) -> str:
    """Where a person speaks now: a new conversation now and then, so that none grows for ever."""
    return f"{person}-{figures.rounds // ROUNDS_OF_A_CONVERSATION}"


async def _kill_again_and_again(gateway: Gateway, rounds: int, chance: random.Random, figures: Figures) -> None:
    for _ in range(rounds):
        if chance.random() < 0.85:
            await gateway.healthy() if figures.rounds else None
            await gateway.replied()
            await asyncio.sleep(chance.random())
        else:
            await asyncio.sleep(chance.random() * 0.6)
        await gateway.end(signal.SIGKILL)
        figures.rounds += 1
        _progress(figures, rounds)
        await gateway.start()
    await gateway.healthy()


def _progress(figures: Figures, rounds: int) -> None:
    said = f"kill {figures.rounds}/{rounds}, start to /health {figures.healthy_s[-1]:.2f} s"
    if sys.stderr.isatty():
        done = 30 * figures.rounds // rounds
        said = f"\r[{'#' * done}{'.' * (30 - done)}] {said}"
    print(said, end="" if sys.stderr.isatty() and figures.rounds < rounds else "\n", file=sys.stderr, flush=True)


async def _peace(home: Path, platform: Platform) -> None:
    """Wait until the gateway has nothing left to do, for as long as anybody would."""
    database = await open_database(home / "data" / "carapax.db", read_only=True)
    try:
        journal, outbox = Journal(database, SystemClock()), Outbox(database)
        with suppress(TimeoutError):
            async with asyncio.timeout(PEACE_S):
                while platform.waiting or await journal.unfinished() or await outbox.next_due_at("chat"):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.1)
    finally:
        await database.close()


async def _judge(home: Path, crowd: Crowd, figures: Figures) -> None:
    """Read what the gateway has kept, and hold it against what everybody saw."""
    file = home / "data" / "carapax.db"
    connection = apsw.Connection(str(file))
    figures.integrity = str(connection.pragma("integrity_check"))
    connection.close()
    for line in (home / "effects").read_text().splitlines() if (home / "effects").exists() else []:
        crowd.effects["at_most_once", line.split()[1]] += 1
    database = await open_database(file)
    try:
        journal = Journal(database, SystemClock())
        journals = {info.id: await journal.read(info.id) for info in await journal.sessions(limit=1_000_000)}
        unsent = await Outbox(database).next_due_at("chat")
        record = Record(journals, len(await journal.unfinished()), int(unsent is not None))
    finally:
        await database.close()
    events = [envelope.event for journal in journals.values() for envelope in journal]
    kept = {event.dedupe_key for event in events if isinstance(event, MessageReceived)}
    figures.acknowledged = len(crowd.acknowledged)
    figures.lost = len(set(crowd.acknowledged) - kept)
    figures.runs = sum(isinstance(event, RunStarted) for event in events)
    figures.interrupted = sum(isinstance(event, RunFinished) and event.reason == "interrupted" for event in events)
    texts = Counter((reply.conversation, reply.text) for reply in crowd.taken.values() if reply.text[0] != "[")
    figures.sent = len(crowd.taken)
    figures.sent_twice = sum(times - 1 for times in texts.values())
    figures.effects = len(crowd.effects)
    figures.twice = sum(times > 1 for times in crowd.effects.values())
    figures.broken = list(violations(crowd, record))
    if figures.integrity != "ok":
        figures.broken.append(f"integrity check: {figures.integrity}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carapax-crash-") as folder:
        figures = asyncio.run(rehearse(options.rounds, options.seed, Path(folder) / "home", control=options.control))
    print(figures.table())
    for broken in figures.broken[:20]:
        print(f"BROKEN: {broken[:400]}")
    return 1 if figures.broken else 0


if __name__ == "__main__":
    sys.exit(main())
