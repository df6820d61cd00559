"""The connection that stays."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import WSCloseCode, web

from carapax.cli.client import Client, connect
from carapax.cli.rpc import Running
from carapax.errors import CarapaxError, InvalidRequest
from carapax.events import Envelope, RunFinished, SessionEnded
from tests.running import run

Answer = Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[Client]:
    """A client of a gateway that answers each request as told."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await answer(ws, msgspec.json.decode(message.data))
        return ws

    app = web.Application()
    app.router.add_get("/ws", serve)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with connect(Running(f"http://127.0.0.1:{port}", 1, "token")) as client:
            yield client
    finally:
        await runner.cleanup()


async def reply(ws: web.WebSocketResponse, request: dict[str, Any], result: object) -> None:
    await ws.send_json({"jsonrpc": "2.0", "id": request["id"], "result": result})


async def tell(ws: web.WebSocketResponse, envelope: Envelope) -> None:
    await ws.send_json({"jsonrpc": "2.0", "method": "event", "params": msgspec.to_builtins(envelope)})


def test_an_answer_is_the_one_to_the_question() -> None:
    async def answer(ws: web.WebSocketResponse, request: dict[str, Any]) -> None:
        await ws.send_json({"jsonrpc": "2.0", "id": 99, "result": "another"})
        await reply(ws, request, {"asked": request["params"]["what"]})

    async def scenario() -> None:
        async with server(answer) as client:
            assert await client.call("ask", {"what": "time"}, dict[str, str]) == {"asked": "time"}

    run(scenario())


def test_a_refusal_is_raised_with_its_hint() -> None:
    async def answer(ws: web.WebSocketResponse, request: dict[str, Any]) -> None:
        error = {"code": -32004, "message": "there is no such thing", "data": {"kind": "not_found", "hint": "look"}}
        await ws.send_json({"jsonrpc": "2.0", "id": request["id"], "error": error})

    async def scenario() -> None:
        async with server(answer) as client:
            with pytest.raises(CarapaxError, match=r"there is no such thing \(look\)"):
                await client.call("ask", {}, dict[str, str])

    run(scenario())


def test_a_lost_connection_is_made_again_and_events_go_on_after_the_last_one_seen() -> None:
    subscribed: list[int] = []

    async def answer(ws: web.WebSocketResponse, request: dict[str, Any]) -> None:
        if request["method"] != "session.subscribe":
            await reply(ws, request, {})
            return
        after = request["params"]["after"]
        subscribed.append(after)
        await reply(ws, request, {"session": "s", "active": True})
        await tell(ws, Envelope(after + 1, "s", 0.0, RunFinished("done")))
        if after == 4:
            await ws.close()
        else:
            await tell(ws, Envelope(after + 2, "s", 0.0, SessionEnded()))

    async def scenario() -> None:
        async with server(answer) as client:
            await client.watch("s", 4)
            seen = []
            async for envelope in client.events():
                seen.append(envelope.seq)
                if isinstance(envelope.event, SessionEnded):
                    break
            assert seen == [5, 6, 7]

    run(scenario())
    assert subscribed == [4, 5]


def test_nothing_happens_when_the_connection_is_lost_in_the_moment_of_sending() -> None:
    async def answer(ws: web.WebSocketResponse, request: dict[str, Any]) -> None:
        await reply(ws, request, {})
        assert ws._req is not None and ws._req.transport is not None  # nothing else hangs up at once
        ws._req.transport.abort()  # as above

    async def scenario() -> None:
        async with server(answer) as client:
            await client.call("health", {}, dict[str, str])
            for _ in range(50):
                await client.send("session.cancel", {})
                await asyncio.sleep(0)

    run(scenario())


def test_what_is_too_long_for_the_gateway_is_refused_and_not_said_again() -> None:
    asked: list[str] = []

    async def answer(ws: web.WebSocketResponse, request: dict[str, Any]) -> None:
        asked.append(request["method"])
        if request["method"] == "say":
            await ws.close(code=WSCloseCode.MESSAGE_TOO_BIG)
        else:
            await reply(ws, request, {})

    async def scenario() -> None:
        async with server(answer) as client:
            with pytest.raises(InvalidRequest, match="longer than the gateway takes"):
                await client.call("say", {}, dict[str, str])
            with pytest.raises(InvalidRequest, match="longer than the gateway takes"):
                await client.call("shout", {"text": "x" * 1_000_000}, dict[str, str])
            assert await client.call("health", {}, dict[str, str]) == {}

    run(scenario())
    assert asked == ["say", "health"]
