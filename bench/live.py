"""How long an edit of carapax.toml takes to be in force in a running gateway, and what watching the file costs."""

import asyncio
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import uvloop

from bench.table import Row, at_most
from carapax.configcheck import check
from carapax.configdoc import explain
from carapax.configfile import free_port
from carapax.home import Home
from carapax.settings import Settings

ROUNDS = 11
WATCHED_S = 20.0
_CARAPAX = str(Path(sys.executable).with_name("carapax"))


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="carapax-bench-") as folder:
        home = Home.resolve(Path(folder), None, None, {})
        text = explain(free_port()).replace('#model = "auto"', 'model = "demo/demo"', 1)
        home.config_file.write_text(text)
        with _serving(home):
            times = uvloop.run(_edited(home, text))
        yield at_most("carapax.toml: from its writing to being in force, median", statistics.median(times), "ms", 1000)
        yield at_most(f"carapax.toml: the same, slowest of {ROUNDS}", max(times), "ms", 1000)
        home.config_file.write_text(text)
        yield at_most("carapax.toml: a processor's time for watching it", uvloop.run(_idle(home)), "%", 0.5)


@contextmanager
def _serving(home: Home) -> Iterator[None]:
    command = [_CARAPAX, "serve", "--home", str(home.config_dir)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not home.run_file.exists():
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


async def _edited(home: Home, text: str) -> list[float]:
    """Milliseconds from each edit to its being in force."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{check(home).gateway.port}") as http:
        return [await _one_edit(http, home, f"{text}# edit {number}\n") for number in range(ROUNDS)]


async def _one_edit(http: aiohttp.ClientSession, home: Home, text: str) -> float:
    await asyncio.sleep(0.37)  # no whole number of looks
    digest = hashlib.sha256(text.encode()).hexdigest()
    begun = time.perf_counter()
    home.config_file.write_text(text)
    while True:
        async with http.get("/api/config/status") as response:
            if (await response.json())["digest"] == digest:
                return (time.perf_counter() - begun) * 1000
        await asyncio.sleep(0.005)


async def _idle(home: Home) -> float:
    """The share of one processor that watching takes, in percent."""
    settings = Settings(check(home), home)
    watching = asyncio.get_running_loop().create_task(settings.watch())
    await asyncio.sleep(1)
    before = sum(os.times()[:2])
    await asyncio.sleep(WATCHED_S)
    spent = sum(os.times()[:2]) - before
    watching.cancel()
    await asyncio.wait([watching])
    return spent / WATCHED_S * 100
