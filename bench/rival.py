"""The gateway beside a litellm proxy: the same requests, the same model, one core for each.

The proxy is the program that `LITELLM` names (`pip install 'litellm[proxy]'` somewhere); without it there is nothing
to measure.
"""

import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop

from bench.processes import Process, gateway, model_server
from bench.table import Row, at_least

_TURNS = 200
_SESSIONS = 16
_START_S = 90.0
_CONFIG = """
model_list:
  - model_name: carapax
    litellm_params: {{model: openai/fake-model, api_base: "{url}/v1", api_key: none}}
general_settings: {{}}
litellm_settings: {{telemetry: false, num_retries: 0}}
"""
_BODY = {"model": "carapax", "messages": [{"role": "user", "content": "hello"}]}


class _Measured:
    """What a server took of a turn: `added_ms` to the median of a whole answer and `first_ms` to that of a streamed
    one's first word, `rate` turns a second, `memory` bytes at the end."""

    def __init__(self, added_ms: float, first_ms: float, rate: float, memory: int) -> None:
        self.added_ms = added_ms
        self.first_ms = first_ms
        self.rate = rate
        self.memory = memory


def rows() -> list[Row]:
    program = os.environ.get("LITELLM")
    if not program:
        print("rival: LITELLM does not name a litellm proxy; not measured", file=sys.stderr)
        return []
    return uvloop.run(_rows(program))


async def _rows(program: str) -> list[Row]:
    async with model_server("--text", "ok") as model:
        direct = await _median_ms(model.url), await _median_ms(model.url, stream=True)
        async with _proxy(program, model.url) as proxy:
            theirs = await _measure(proxy, direct)
        async with gateway(model.url) as door:
            _alone(door.pid)
            ours = await _measure(door, direct)
    return [
        _times("latency added to a streamed first word", theirs.first_ms, ours.first_ms, "ms", 5),
        _times("latency added to a whole answer", theirs.added_ms, ours.added_ms, "ms", 5),
        _times("memory after these turns", theirs.memory / 1e6, ours.memory / 1e6, "MB", 3),
        at_least(
            "turns a second on one core, everything synced",
            ours.rate,
            "turns/s",
            5,
            floor=theirs.rate,
            floor_name="litellm proxy, which keeps nothing",
        ),
    ]


def _times(name: str, theirs: float, ours: float, unit: str, aim: float) -> Row:
    told = f"ours {ours:.2f}, a litellm proxy's {theirs:.2f} {unit}"
    ratio = theirs / ours
    return Row(f"{name}, its against ours ({told})", ratio, "times", f"at least {aim:g} times", ratio >= aim)


async def _measure(server: Process, direct_ms: tuple[float, float]) -> _Measured:
    await _median_ms(server.url, 30)
    added = await _median_ms(server.url) - direct_ms[0]
    first = await _median_ms(server.url, stream=True) - direct_ms[1]
    rate = await _rate(server.url)
    return _Measured(added, first, rate, server.rss())


async def _median_ms(url: str, turns: int = _TURNS, *, stream: bool = False) -> float:
    async with aiohttp.ClientSession() as http:
        took = [await (_first_word(http, url) if stream else _turn(http, url)) for _ in range(turns)]
        return statistics.median(took) * 1000


async def _rate(url: str) -> float:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def several() -> None:
            for _ in range(_TURNS // _SESSIONS):
                await _turn(http, url)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(_SESSIONS):
                group.create_task(several())
        return _TURNS // _SESSIONS * _SESSIONS / (time.perf_counter() - began)


async def _turn(http: aiohttp.ClientSession, url: str) -> float:
    began = time.perf_counter()
    async with http.post(f"{url}/v1/chat/completions", json=_BODY) as response:
        body = await response.read()
        if response.status != 200:
            raise RuntimeError(body.decode())
    return time.perf_counter() - began


async def _first_word(http: aiohttp.ClientSession, url: str) -> float:
    began, took = time.perf_counter(), 0.0
    async with http.post(f"{url}/v1/chat/completions", json={**_BODY, "stream": True}) as response:
        async for line in response.content:
            if b'"content"' in line and b'"content":""' not in line and b'"content": ""' not in line and not took:
                took = time.perf_counter() - began
    if not took:
        raise RuntimeError(f"{url} said nothing")
    return took


def _alone(pid: int) -> None:
    """One core for every thread of a process."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {0})


@asynccontextmanager
async def _proxy(program: str, model_url: str) -> AsyncGenerator[Process, None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(_CONFIG.format(url=model_url))
        environ = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True"}
        environ["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"
        process = await asyncio.create_subprocess_exec(
            *("taskset", "-c", "0", program, "--config", str(config)),
            *("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environ,
            cwd=folder,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await _ready(url)
            yield Process(url, process.pid, Path(folder))
        finally:
            process.terminate()
            await process.wait()


async def _ready(url: str) -> None:
    async with asyncio.timeout(_START_S), aiohttp.ClientSession() as http:
        while True:
            try:
                await _turn(http, url)
                return
            except (aiohttp.ClientError, RuntimeError):
                await asyncio.sleep(0.5)
