"""What asking a model costs: CPU a token of decoding, CPU a token and time a turn over the wire."""

import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import aiohttp
import msgspec
import uvloop

from bench.table import Row
from carapax.clock import SystemClock
from carapax.http import Http
from carapax.messages import ModelRequest, UserMessage
from carapax.models.eventstream import EventStreamParser
from carapax.models.ndjson import NdjsonParser
from carapax.models.refusal import Origin
from carapax.models.server import Framing, Server, StreamDecoder
from carapax.models.sse import SseParser
from carapax.providers import anthropic, bedrock, cohere, gemini, ollama, openai_chat, openai_responses
from tests.fakes.answer import Answer
from tests.fakes.wires.anthropic import messages_events
from tests.fakes.wires.bedrock import converse_events
from tests.fakes.wires.cohere import cohere_events
from tests.fakes.wires.gemini import gemini_events
from tests.fakes.wires.ollama import ollama_events
from tests.fakes.wires.openai_chat import chat_events
from tests.fakes.wires.openai_responses import responses_events

_TOKENS = 200
_TURNS = 300
_DECODE_US = 8.0
_WIRE_MS = 1.0


def rows() -> list[Row]:
    answer = Answer("word " * _TOKENS)
    chat, messages = list(chat_events(answer, "m")), list(messages_events(answer, "m"))
    streamed, whole_ms = uvloop.run(_over_the_wire())
    return [
        _decoding("decode a token of a Chat Completions stream, CPU", chat, openai_chat.Decoder),
        _decoding(
            "decode a token of a Responses stream, CPU", list(responses_events(answer, "m")), openai_responses.Decoder
        ),
        _decoding("decode a token of a Messages stream, CPU", messages, anthropic.Decoder),
        _decoding(
            "decode a token of a Converse stream, CPU",
            list(converse_events(answer, "m")),
            bedrock.Decoder,
            EventStreamParser,
        ),
        _decoding("decode a token of a Gemini stream, CPU", list(gemini_events(answer, "m")), gemini.Decoder),
        _decoding("decode a token of a Cohere stream, CPU", list(cohere_events(answer, "m")), cohere.Decoder),
        _decoding(
            "decode a token of an Ollama stream, CPU", list(ollama_events(answer, "m")), ollama.Decoder, NdjsonParser
        ),
        streamed,
        whole_ms,
    ]


def _decoding(
    name: str,
    events: list[bytes],
    decoder: Callable[[Origin], StreamDecoder],
    framing: Callable[[], Framing] = SseParser,
) -> Row:
    """Each event in a chunk of its own, as vendors send them. The floor parses the JSON and does nothing with it."""
    origin = Origin("bench", "m")

    def ours() -> None:
        parser, decoding = framing(), decoder(origin)
        for chunk in events:
            for event in parser.feed(chunk):
                decoding.feed(event)

    def floor() -> None:
        for chunk in events:
            data = chunk[chunk.find(b"{") : chunk.rfind(b"}") + 1]
            if data:
                msgspec.json.decode(data)

    took_us, floor_us = _cpu_us(ours), _cpu_us(floor)
    aim = f"at most {_DECODE_US:g} µs"
    return Row(name, took_us, "µs", aim, took_us <= _DECODE_US, floor_us, "JSON parsed and dropped")


def _cpu_us(work: Callable[[], None]) -> float:
    times = []
    for _ in range(50):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) / _TOKENS * 1e6


@contextmanager
def _model_server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.fakes.model_server", "--words", str(_TOKENS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.kill()


async def _over_the_wire() -> tuple[Row, Row]:
    """Whole turns against a server in a process of its own, beside a bare client that only reads the bytes."""
    request = ModelRequest("m", (UserMessage("hi"),))
    with _model_server() as url:
        async with Http() as http, aiohttp.ClientSession() as session:
            config = openai_chat.Config()
            provider = openai_chat.OpenAIChat(config, Server("bench", http, SystemClock(), url))
            body = msgspec.json.encode(openai_chat.encode(request, config))

            async def ours() -> None:
                async for _ in provider.stream(request):
                    pass

            async def bare() -> None:
                async with session.post(f"{url}/v1/chat/completions", data=body) as response:
                    async for _ in response.content.iter_any():
                        pass

            our_cpu_us, our_ms = await _turns(ours)
            bare_cpu_us, bare_ms = await _turns(bare)
    name = f"a streamed answer of {_TOKENS} tokens over the wire"
    cpu = Row(
        f"{name}, CPU a token",
        our_cpu_us,
        "µs",
        f"at most {_DECODE_US:g} µs over the bare client",
        our_cpu_us <= bare_cpu_us + _DECODE_US,
        bare_cpu_us,
        "bare aiohttp client",
    )
    aim = f"at most {_WIRE_MS:g} ms over the bare client"
    return cpu, Row(name, our_ms, "ms", aim, our_ms <= bare_ms + _WIRE_MS, bare_ms, "bare aiohttp client")


async def _turns(turn: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """CPU microseconds a token and median milliseconds a turn."""
    times = []
    began_cpu = time.process_time()
    for _ in range(_TURNS):
        began = time.perf_counter()
        await turn()
        times.append(time.perf_counter() - began)
    return (time.process_time() - began_cpu) / _TURNS / _TOKENS * 1e6, statistics.median(times) * 1e3
