"""What a turn costs on its way through the gateway: waiting, processor, memory, disk; against a bare relay."""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from bench.processes import Process, gateway, model_server, relay
from bench.table import Row, at_least, at_most
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer

_TURNS = 300
_SESSIONS = 64
_STREAMS = 500
_WORDS = 200
_REST_S = 0.5


class Talk:
    """One WebSocket with one session: sends a message, and waits for the end of its run."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.session = ""
        self.deltas = 0

    async def open(self) -> None:
        self.session = (await self._call("session.create", {}))["id"]
        await self._call("session.subscribe", {"session": self.session})

    async def turn(self, text: str) -> float:
        """Seconds from sending a message to hearing that its run is done."""
        began = time.perf_counter()
        self._number += 1
        call: dict[str, Any] = {"jsonrpc": "2.0", "id": self._number, "method": "session.message"}
        call["params"] = {"session": self.session, "text": text}
        await self._socket.send_str(msgspec.json.encode(call).decode())
        while True:
            heard: str = (await self._socket.receive()).data
            if '"run_finished"' in heard:
                if '"done"' not in heard:
                    raise RuntimeError(heard)
                return time.perf_counter() - began
            self.deltas += '"text_delta"' in heard

    async def _call(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        call = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        await self._socket.send_str(msgspec.json.encode(call).decode())
        while True:
            answer = msgspec.json.decode((await self._socket.receive()).data)
            if answer.get("id") == self._number:
                return answer["result"]


@asynccontextmanager
async def talks(url: str, count: int) -> AsyncGenerator[list[Talk], None]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        opened = [Talk(await stack.enter_async_context(http.ws_connect(f"{url}/ws"))) for _ in range(count)]
        for talk in opened:
            await talk.open()
        yield opened


class BareTalk:
    """One WebSocket to the bare relay."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def turn(self, text: str) -> None:
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}
        await self._socket.send_str(msgspec.json.encode(body).decode())
        while (await self._socket.receive()).data != "done":
            pass


@asynccontextmanager
async def bare_talks(url: str, count: int) -> AsyncGenerator[list[BareTalk], None]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        yield [BareTalk(await stack.enter_async_context(http.ws_connect(f"{url}/ws"))) for _ in range(count)]


async def _overhead() -> list[Row]:
    """One session, then 64 at once, with a model that answers at once."""
    async with model_server("--text", "ok") as model, gateway(model.url) as door, relay(model.url) as floor:
        async with talks(door.url, 1) as (talk,):
            for _ in range(20):
                await talk.turn("hello")
            ours = sorted([await talk.turn("hello") for _ in range(_TURNS)])
        bare = sorted(await _bare(floor.url, _TURNS))
        async with talks(door.url, _SESSIONS) as many:
            each = 20
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for talk in many:
                    group.create_task(_turns(talk, each))
            rate = _SESSIONS * each / (time.perf_counter() - began)
    median = statistics.median(ours) * 1000
    return [
        at_most("a turn, everything synced, median", median, "ms", 3),
        at_most("a turn, everything synced, 99th percentile", ours[int(len(ours) * 0.99)] * 1000, "ms", 15),
        Row("a bare relay's turn, median", statistics.median(bare) * 1000, "ms", "the floor", True),
        at_least(f"{_SESSIONS} sessions at once", rate, "turns/s", 500),
    ]


async def _turns(talk: Talk, count: int) -> None:
    for _ in range(count):
        await talk.turn("hello")


async def _bare(url: str, count: int) -> list[float]:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    took = []
    async with aiohttp.ClientSession() as http:
        for _ in range(count):
            began = time.perf_counter()
            async with http.post(f"{url}/v1/chat/completions", json=body) as response:
                await response.read()
            took.append(time.perf_counter() - began)
    return took


async def _relayed(name: str, limit: float, *, delay: float, streams: int) -> Row:
    """Microseconds of the gateway's processor for each further token of a stream, and of a bare relay's."""
    ours, floor = [], []
    for words in (1, _WORDS):
        async with model_server("--words", str(words), "--word-delay", str(delay)) as model:
            async with gateway(model.url) as door, talks(door.url, streams) as many:
                ours.append(await _cost_of_turn(door, many, 1 if delay else 100))
            async with relay(model.url) as bare, bare_talks(bare.url, streams) as many:
                floor.append(await _cost_of_turn(bare, many, 1 if delay else 100))
    per_token = [(long - short) / (_WORDS - 1) * 1e6 for short, long in (ours, floor)]
    return Row(
        name,
        per_token[0],
        "µs of CPU",
        f"at most {limit:g} µs of CPU",
        per_token[0] <= limit,
        per_token[1],
        "bare relay",
    )


async def _cost_of_turn(server: Process, many: Sequence[Talk | BareTalk], rounds: int) -> float:
    await asyncio.gather(*(talk.turn("hello") for talk in many))
    before = server.cpu_s()
    for _ in range(rounds):
        await asyncio.gather(*(talk.turn("hello") for talk in many))
    return (server.cpu_s() - before) / (rounds * len(many))


async def _many() -> list[Row]:
    """500 sessions streaming at once, 20 ms between words."""
    async with (
        model_server("--words", str(_WORDS), "--word-delay", "0.02") as model,
        gateway(model.url) as door,
        talks(door.url, _STREAMS) as many,
    ):
        peak = before = door.rss()
        async with asyncio.TaskGroup() as group:
            work = [group.create_task(talk.turn("hello")) for talk in many]
            while not all(task.done() for task in work):
                await asyncio.sleep(0.2)
                peak = max(peak, door.rss())
        whole = sum(talk.deltas >= _WORDS for talk in many)
    return [
        at_least(f"{_STREAMS} streams at once that came whole", whole, "streams", _STREAMS),
        at_most("memory of one open stream", (peak - before) / _STREAMS / 1024, "KB", 120),
    ]


async def _disk() -> Row:
    async with model_server("--text", "ok") as model, gateway(model.url) as door:
        async with talks(door.url, 1) as (talk,):
            before = _size(door.home)
            await _turns(talk, 500)
            await asyncio.sleep(_REST_S)
        return at_most("disk of a turn, after 500 and a rest", (_size(door.home) - before) / 500 / 1024, "KB", 4)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def _prompt() -> Row:
    async with ModelServer([Answer("ok")]) as model, gateway(model.url) as door:
        async with talks(door.url, 1) as (talk,):
            await talk.turn("hello")
        size = len(msgspec.json.encode(model.requests[0].body))
    return at_most("request for a one-word first message", size / 1024, "KB", 12)


async def _bad_news() -> Row:
    failing = Answer(status=500, body='{"error": {"message": "out of order"}}')
    async with (
        ModelServer(lambda received: failing) as model,
        gateway(model.url) as door,
        talks(door.url, 1) as (talk,),
    ):
        began = time.perf_counter()
        with suppress(RuntimeError):
            await talk.turn("hello")
        return at_most("until a person hears that the model server fails", time.perf_counter() - began, "s", 5)


async def _all() -> list[Row]:
    return [
        *await _overhead(),
        await _relayed("a token relayed at full speed", 20, delay=0, streams=1),
        await _relayed("a token relayed every 20 ms, 60 streams", 60, delay=0.02, streams=60),
        *await _many(),
        await _disk(),
        await _prompt(),
        await _bad_news(),
    ]


def rows() -> list[Row]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_all())
