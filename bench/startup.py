"""What starting costs, and what a gateway that does nothing weighs, beside a bare aiohttp server on uvloop."""

import asyncio
import http.client
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from bench.table import Row, at_most
from carapax.configfile import free_port

ROUNDS = 7
_CARAPAX = str(Path(sys.executable).with_name("carapax"))
_PASS = "python -c pass"
_BARE = "bare aiohttp"
_BARE_SERVER = """
import asyncio, sys
import uvloop
from aiohttp import web

async def health(request):
    return web.json_response({"status": "ok"})

async def socket(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        pass
    return ws

async def main():
    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/ws", socket)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    await asyncio.Event().wait()

uvloop.run(main())
"""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        subprocess.run([_CARAPAX, "token", "create", "--home", str(home)], capture_output=True, check=True)
        subprocess.run(
            [_CARAPAX, "token", "revoke", _token(home), "--home", str(home)], capture_output=True, check=True
        )
        yield from _commands(home)
        yield from _server(home)


def _commands(home: Path) -> Iterator[Row]:
    commands = [
        ("carapax --version", 3, ["--version"]),
        ("carapax config show", 12, ["config", "show", "--home", str(home)]),
        ("carapax sessions list", 12, ["sessions", "list", "--home", str(home)]),
        ("carapax token list", 12, ["token", "list", "--home", str(home)]),
        ("carapax config check", 12, ["config", "check", "--home", str(home)]),
        ("carapax doctor", 12, ["doctor", "--home", str(home)]),
    ]
    floor = [sys.executable, "-c", "pass"]
    times = _interleaved([floor, *([_CARAPAX, *arguments] for _, _, arguments in commands)])
    for (name, limit, _), took in zip(commands, times[1:], strict=True):
        yield at_most(name, took, "ms", limit, floor=times[0], floor_name=_PASS)


def _interleaved(commands: Sequence[Sequence[str]]) -> list[float]:
    """The median milliseconds of each command; they take turns, so that a slow moment meets all."""
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(ROUNDS):
        for command, own in zip(commands, times, strict=True):
            begun = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            own.append((time.perf_counter() - begun) * 1000)
    return [statistics.median(own) for own in times]


def _server(home: Path) -> Iterator[Row]:
    starts: dict[str, list[float]] = {"ours": [], "bare": []}
    weights: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(ROUNDS):
        for kind in starts:
            port = free_port()
            command = [sys.executable, "-c", _BARE_SERVER, str(port)]
            if kind == "ours":
                command = [_CARAPAX, "serve", "--home", str(home), "--port", str(port)]
            begun = time.perf_counter()
            with _running(command) as process:
                _await_health(port, process)
                starts[kind].append((time.perf_counter() - begun) * 1000)
                weights[kind].append(asyncio.run(_weight(process.pid, port, with_session=kind == "ours")))
    medians = {kind: statistics.median(values) for kind, values in starts.items()}
    yield at_most("start to the first 200", medians["ours"], "ms", 2, floor=medians["bare"], floor_name=_BARE)
    medians = {kind: statistics.median(values) for kind, values in weights.items()}
    yield at_most("idle memory, one page open", medians["ours"], "MB", 1.4, floor=medians["bare"], floor_name=_BARE)


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def _await_health(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.002)
        finally:
            connection.close()
    raise RuntimeError(f"{process.args!r} ended with {process.returncode} before it answered")


async def _weight(pid: int, port: int, *, with_session: bool) -> float:
    """Resident megabytes with one WebSocket open, and for a gateway one session."""
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as http_session:
        if with_session:
            for path in ("/", "/api/sessions"):
                async with http_session.get(url + path) as response:
                    await response.read()
            call = {"jsonrpc": "2.0", "id": 1, "method": "session.create", "params": {}}
            async with http_session.post(url + "/rpc", json=call) as response:
                response.raise_for_status()
        async with http_session.ws_connect(url + "/ws"):
            await asyncio.sleep(0.3)
            return _resident(pid)


def _resident(pid: int) -> float:
    """Megabytes; proc(5), statm, second field."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _token(home: Path) -> str:
    listed = subprocess.run(
        [_CARAPAX, "token", "list", "--home", str(home)], capture_output=True, check=True, text=True
    )
    return listed.stdout.split()[0]
