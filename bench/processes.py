"""The processes that measurements start: a gateway on a home of its own, a model server, and a bare relay."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CONFIG = """
[agents.main]
model = "bench/fake-model"

[providers.bench]
base_url = "{url}"

[limits]
socket_messages_per_minute = 1000000
anonymous_per_minute = 1000000
authenticated_per_minute = 1000000
"""
_RELAY = """
import asyncio, sys
import aiohttp, uvloop
from aiohttp import web

JSON = {"Content-Type": "application/json"}

async def relay(request):
    body = await request.read()
    answer = web.StreamResponse()
    async with request.app["http"].post(sys.argv[1], data=body, headers=JSON) as got:
        await answer.prepare(request)
        async for chunk in got.content.iter_any():
            await answer.write(chunk)
    await answer.write_eof()
    return answer

async def socket(request):
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    async for message in ws:
        async with request.app["http"].post(sys.argv[1], data=message.data, headers=JSON) as got:
            async for chunk in got.content.iter_any():
                for event in chunk.decode().split("\\n\\n"):
                    if event:
                        await ws.send_str(event)
        await ws.send_str("done")
    return ws

async def main():
    app = web.Application()
    app["http"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    app.add_routes([web.post("/v1/chat/completions", relay), web.get("/ws", socket)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print("http://127.0.0.1:%d" % site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""


@dataclass(frozen=True)
class Process:
    """A server that runs: where it listens, and what it has used so far."""

    url: str
    pid: int
    home: Path

    def cpu_s(self) -> float:
        """Seconds of processor, user and system; proc(5), stat."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss(self) -> int:
        """Resident bytes; proc(5), statm."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE


@asynccontextmanager
async def gateway(model_url: str) -> AsyncGenerator[Process, None]:
    """The gateway as its user starts it, with the model server as its one provider."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        (home / "carapax.toml").write_text(_CONFIG.format(url=model_url))
        command = (sys.executable, "-m", "carapax", "serve", "--home", str(home))
        async with _started(*command, marker=" is at ", home=home) as process:
            yield process


@asynccontextmanager
async def model_server(*arguments: str) -> AsyncGenerator[Process, None]:
    command = (sys.executable, "-m", "tests.fakes.model_server", *arguments)
    async with _started(*command, marker="", home=Path()) as process:
        yield process


@asynccontextmanager
async def relay(model_url: str) -> AsyncGenerator[Process, None]:
    """A server that passes a request on and its answer back, over HTTP or, event by event, a WebSocket, and no more."""
    target = f"{model_url.rstrip('/')}/chat/completions"
    async with _started(sys.executable, "-c", _RELAY, target, marker="", home=Path()) as process:
        yield process


@asynccontextmanager
async def _started(*command: str, marker: str, home: Path) -> AsyncGenerator[Process, None]:
    """Start it, and find its address behind the marker, or on its first line."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
        yield Process(line.rpartition(marker)[2].strip() if marker else line.strip(), process.pid, home)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
