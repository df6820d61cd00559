"""Asks a fake server through the real litellm, and prints each outcome as a line of JSON. It runs in an environment of
its own, since litellm does not get on with what other tests need."""

import asyncio
import dataclasses
import sys

import msgspec

from carapax.clock import SystemClock
from carapax.errors import ModelError
from carapax.http import Http
from carapax.messages import ModelRequest, ToolSpec, UserMessage
from carapax.models.credential import Fixed
from carapax.models.server import Server
from carapax.providers.litellm import Config, Litellm
from carapax.redaction import Secret
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer

KEY = "sk-verysecretkey12345"
TURNS = {
    "whole": Answer("hello world"),
    "stream": Answer("hello world", thinking="hm"),
    "call": Answer(calls=(Call("look", '{"a": 1}'),)),
    "refused": Answer(status=401, error=f"no such key {KEY}"),
    "busy": Answer(status=429, error="too fast"),
    "long": Answer(status=400, error="This model's maximum context length is 10 tokens."),
    "cut": Answer("a b c d", cut_after=3),
    "error": Answer(error="broken inside", end_after=0),
    "stalled": Answer("a b c", stall_after=2),
}


async def outcome(provider: Litellm, *, stream: bool) -> object:
    tool = ToolSpec("look", "looks", {"type": "object", "properties": {"a": {"type": "integer"}}})
    request = ModelRequest("openai/fake-model", (UserMessage("hi"),), tools=(tool,), stream=stream)
    try:
        return [item async for item in provider.stream(request)]
    except ModelError as error:
        return {"error": type(error).__name__, "said": str(error)}


async def main() -> None:
    async with ModelServer(TURNS.values()) as server, Http() as http:
        reached = Server("long-tail", http, SystemClock(), f"{server.url}/v1", "", Fixed(Secret(KEY)))
        for name in TURNS:
            if name == "stalled":
                reached = dataclasses.replace(reached, idle_timeout_s=0.5)
            found = await outcome(Litellm(Config(), reached), stream=name != "whole")
            sent = server.requests[-1]
            line = {"turn": name, "found": found, "path": sent.path, "key": sent.headers["authorization"]}
            sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


if __name__ == "__main__":
    asyncio.run(main())
