"""Gateways for the browser tests: one as people start it, which can be killed, and one whose model the test holds."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Coroutine, Generator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import uvloop

from carapax.api import Services
from carapax.app import open_app, supervise
from carapax.cli.rpc import find_gateway
from carapax.config import Config, Home
from carapax.gateway.server import open_gateway
from carapax.redaction import Secret
from carapax.testing import ScriptedProvider
from carapax.testing.models import OneProvider
from carapax.testing.provider import Script

START_S = 60.0
T = TypeVar("T")


class Process:
    """`carapax serve` on a home of its own, with the offline demo. Its page does not offer to set it up, unless
    `is_new`."""

    def __init__(self, folder: Path, config: str = "", *, is_new: bool = False) -> None:
        self.home = Home.resolve(folder, None, None, {})
        self._is_new = is_new
        self.url = ""
        self._running: subprocess.Popen[bytes] | None = None
        if config:
            folder.mkdir(parents=True, exist_ok=True)
            self.home.config_file.write_text(config, encoding="utf-8")

    def start(self) -> None:
        """Start it, unless it runs, and wait until it listens."""
        if self._running is not None and self._running.poll() is None:
            return
        command = [sys.executable, "-m", "carapax", "serve", "--home", str(self.home.config_dir)]
        log = (self.home.config_dir.parent / "gateway.log").open("ab")
        with log:
            self._running = subprocess.Popen(command, env=_environ(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while not self._announced(self._running.pid):
            if self._running.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(Path(log.name).read_text(encoding="utf-8"))
            time.sleep(0.02)
        if not self._is_new:
            self._is_new = True
            gateway = find_gateway(self.home)
            assert gateway is not None
            gateway.call("setup.finish", {}, dict[str, object])

    def kill(self) -> None:
        """As by power failure: it has no time to say anything."""
        assert self._running is not None
        self._running.kill()
        self._running.wait(START_S)
        self._running = None

    def close(self) -> None:
        if self._running is not None:
            self._running.terminate()
            self._running.wait(START_S)

    def carapax(self, *arguments: str) -> str:
        """The output of another command on the same home."""
        command = [sys.executable, "-m", "carapax", *arguments, "--home", str(self.home.config_dir)]
        done = subprocess.run(command, env=_environ(), capture_output=True, text=True, timeout=START_S, check=True)
        return done.stdout

    def _announced(self, pid: int) -> bool:
        try:
            running = msgspec.json.decode(self.home.run_file.read_bytes(), type=dict[str, object])
        except (OSError, msgspec.DecodeError):
            return False
        self.url = str(running["url"])
        return running["pid"] == pid


def _environ() -> Mapping[str, str]:
    """Without the keys that would choose another model."""
    kept = ("PATH", "PYTHONPATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR")
    return {name: value for name, value in os.environ.items() if name in kept}


class Served:
    """A gateway in a thread of this process."""

    def __init__(self, url: str, services: Services) -> None:
        self.url = url
        self.services = services
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine on the gateway's loop, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    async def stopped(self) -> None:
        await self._stop.wait()


@contextmanager
def served(
    folder: Path, script: Script, config: Config | None = None, environ: Mapping[str, str] | None = None
) -> Generator[Served, None, None]:
    """A gateway whose model says what the script says."""
    opened: Future[Served] = Future()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_run, folder, script, config or Config(), environ or {}, opened)
        running.add_done_callback(lambda _: opened.cancel())
        try:
            gateway = opened.result(START_S)
        except CancelledError:
            running.result()
            raise
        try:
            yield gateway
        finally:
            gateway.stop()
            running.result(START_S)


def _run(folder: Path, script: Script, config: Config, environ: Mapping[str, str], opened: Future[Served]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(folder, script, config, environ, opened))


async def _serve(
    folder: Path, script: Script, config: Config, environ: Mapping[str, str], opened: Future[Served]
) -> None:
    home = Home.resolve(folder, None, None, {})
    models = OneProvider(ScriptedProvider(script))
    async with (
        open_app(config, home, environ=environ, models=models) as services,
        open_gateway(services, supervise, local=Secret("local")) as gateway,
    ):
        running = Served(f"http://127.0.0.1:{gateway.port}", services)
        opened.set_result(running)
        await running.stopped()
