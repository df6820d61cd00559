"""Who talks to the gateway while it is being killed: over REST, over a WebSocket, and on a chat platform."""

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from carapax.messages import Receipt
from tests.fakes.answer import Answer, Call
from tests.fakes.chat_platform import Platform, Said, Sent
from tests.fakes.model_server import Received

PATIENCE_S = 3.0
ASKED = re.compile(r"\b(m\d+) (talk|act)\b")


@dataclass
class Crowd:
    """Everybody outside of the gateway, and what they saw. Names of messages are never used twice."""

    chance: random.Random
    platform: Platform
    url: str = ""
    over: bool = False
    replied_at: float = 0.0
    said: int = 0
    calls: int = 0
    receipts: dict[str, Receipt | None] = field(default_factory=dict)
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    malformed: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> dict[str, Receipt | None]:
        return {**self.receipts, **dict.fromkeys(self.platform.acknowledged)}

    @property
    def taken(self) -> dict[str, Sent]:
        return self.platform.taken

    @property
    def refused(self) -> dict[str, Sent]:
        return {}

    @property
    def attempts(self) -> Counter[str]:
        return self.platform.attempts

    def next(self) -> tuple[str, str]:
        """A new name, and the text to say."""
        self.said += 1
        name = f"m{self.said}"
        return name, f"{name} {self.chance.choice(('talk', 'act'))}"

    def heard(self) -> None:
        """A reply came."""
        self.replied_at = time.monotonic()

    def keep(self, name: str, receipt: dict[str, Any]) -> None:
        """The gateway has acknowledged a message."""
        got = Receipt(receipt["session"], receipt["message"], receipt["seq"])
        if self.receipts.setdefault(name, got) != got:
            self.malformed.append(f"{name} was accepted twice: {self.receipts[name]} and {got}")

    def think(self, received: Received) -> Answer:
        """The model: does what it is asked for with the tool, then says whom it answered. Takes its time."""
        messages = received.body["messages"]
        users = [_text(message) for message in messages if message["role"] == "user"]
        answered = {word for message in messages if message["role"] == "assistant" for word in _text(message).split()}
        called = json.dumps([message.get("tool_calls") for message in messages])
        wishes = [wish for text in users for wish in ASKED.findall(text) if wish[0] not in answered]
        acts = [name for name, wish in wishes if wish == "act" and f'\\"{name}\\"' not in called]
        pace = self.chance.random() * 0.02
        if acts:
            return Answer(calls=tuple(map(self._call, acts)), delay_s=pace, chunk_delay_s=pace)
        return Answer("answered " + " ".join(name for name, _ in wishes), delay_s=pace, chunk_delay_s=pace)

    def _call(self, name: str) -> Call:
        self.calls += 1
        return Call("effect", json.dumps({"what": name}), f"call-{name}-{self.calls}")


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


Sending = Callable[[str, str, str], Coroutine[object, object, dict[str, Any]]]


async def insist(crowd: Crowd, conversation: str, send: Sending) -> None:
    """Say one thing until it is acknowledged, however often the gateway dies meanwhile."""
    name, text = crowd.next()
    while True:
        try:
            async with asyncio.timeout(PATIENCE_S):
                crowd.keep(name, await send(conversation, text, name))
            return
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            await asyncio.sleep(0.05)


async def rest_person(crowd: Crowd, conversation: Callable[[], str]) -> None:
    """Posts messages, and waits for the reply of some."""
    async with aiohttp.ClientSession() as http:

        async def send(conversation: str, text: str, key: str) -> dict[str, Any]:
            wait = crowd.chance.random() < 0.3
            body = {"text": text, "conversation": conversation, "dedupe_key": key, "wait": wait}
            async with http.post(f"{crowd.url}/api/messages", json=body) as response:
                receipt: dict[str, Any] = await response.json()
                if response.status != 202:
                    raise ConnectionError(f"{response.status} {receipt}")
            if wait:
                crowd.heard()
            return receipt

        while not crowd.over:
            await insist(crowd, conversation(), send)
            await asyncio.sleep(crowd.chance.random() * 0.2)


async def socket_person(crowd: Crowd, conversation: Callable[[], str]) -> None:
    """Sends over a WebSocket and watches all sessions over it; connects anew after each crash and says it again."""
    unacknowledged: list[tuple[str, str, str]] = []
    async with aiohttp.ClientSession() as http:
        while not crowd.over or unacknowledged:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    socket = await http.ws_connect(f"{crowd.url}/ws")
                async with socket:
                    await socket.send_json(_call("session.subscribe", {}, ""))
                    while not crowd.over or unacknowledged:
                        await _say(crowd, socket, conversation, unacknowledged)
            except (aiohttp.ClientError, ConnectionError, TimeoutError):
                await asyncio.sleep(0.05)


async def _say(
    crowd: Crowd,
    socket: aiohttp.ClientWebSocketResponse,
    conversation: Callable[[], str],
    unacknowledged: list[tuple[str, str, str]],
) -> None:
    """Say what is not acknowledged yet, or something new, and listen for a while."""
    if not unacknowledged:
        unacknowledged.append((*crowd.next(), conversation()))
    name, text, where = unacknowledged[0]
    await socket.send_json(_call("session.message", {"text": text, "conversation": where, "dedupe_key": name}, name))
    async with asyncio.timeout(PATIENCE_S):
        said = await _listen(crowd, socket, name)
    if "result" not in said:
        raise ConnectionError(str(said))
    crowd.keep(name, said["result"])
    unacknowledged.clear()
    with suppress(TimeoutError):
        async with asyncio.timeout(crowd.chance.random() * 0.2):
            await _listen(crowd, socket, "nothing")


async def _listen(crowd: Crowd, socket: aiohttp.ClientWebSocketResponse, number: str) -> dict[str, Any]:
    """Read until the answer to a call, and hear replies meanwhile."""
    async for message in socket:
        said: dict[str, Any] = json.loads(message.data)
        if said.get("method") == "event" and said["params"]["event"]["kind"] == "run_finished":
            crowd.heard()
        if said.get("id") == number:
            return said
    raise ConnectionError("the socket was closed")


def _call(method: str, params: dict[str, Any], number: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def chat_person(crowd: Crowd, conversation: Callable[[], str]) -> None:
    """Speaks on the chat platform, which sees to the delivery."""
    while not crowd.over:
        name, text = crowd.next()
        await crowd.platform.say(Said(name, conversation(), "eve", text))
        await asyncio.sleep(crowd.chance.random() * 0.4)
