"""A model server for tests: speaks Chat Completions and Messages on the wire, says what it is told, and misbehaves on
command.

In a test, `async with ModelServer([Answer("Hello")]) as server:` and talk to `server.url`. By itself,
`python -m tests.fakes.model_server --port N` answers every request at once; see `converse` for what it understands.
"""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any

import msgspec
import uvloop
from aiohttp import web
from msgspec import Struct

from tests.fakes.answer import Answer, Call, Wire, json_bytes, patience_s
from tests.fakes.wires import anthropic, bedrock, cohere, embeddings, gemini, ollama, openai_chat, openai_responses

WIRES = (openai_chat.WIRE, openai_responses.WIRE, anthropic.WIRE, gemini.WIRE, ollama.WIRE, bedrock.WIRE, cohere.WIRE)
EMBEDDINGS = (embeddings.OPENAI, embeddings.GEMINI, embeddings.COHERE, embeddings.OLLAMA, bedrock.INVOKE)


GARBAGE = b'data: {"half\n\n<html>\xff\x00{"a": [}\n\n'


class Received(Struct, frozen=True):
    """A request as it came; header names in lower case. `peer` is unlike for each connection, `last_text` the text of
    the last message, `answers_a_tool` says whether that gives results of tools, `model` which model is asked."""

    path: str
    peer: str
    headers: dict[str, str]
    body: dict[str, Any]
    last_text: str = ""
    answers_a_tool: bool = False
    model: str = ""


Script = Iterable[Answer] | Callable[[Received], Answer]


def converse(received: Received) -> Answer:
    """A model for scenarios: `run-tool NAME JSON` in the last message calls that tool, "run `COMMAND`" the shell,
    `say TEXT` repeats the text, `words N` streams N words, results of tools are told, and all else gets "Hello from the
    fake model."."""
    text = received.last_text
    if received.answers_a_tool:
        return Answer(f"The tool said: {text}")
    if found := re.search(r"run-tool (\S+) (\{.*\})", text, re.S):
        return Answer(calls=(Call(found[1], found[2], f"call_{_turn(received.body)}"),))
    if found := re.search(r"\brun `(.+)`", text):
        return Answer(calls=(Call("shell", msgspec.json.encode({"command": found[1]}).decode()),))
    if found := re.search(r"\bwords (\d+)", text):
        return Answer("word " * int(found[1]))
    if found := re.search(r"\bsay (.+)", text, re.S):
        return Answer(found[1])
    return Answer("Hello from the fake model.")


def _turn(body: dict[str, Any]) -> int:
    """How many messages a conversation has, whatever the dialect calls them."""
    return next((len(body[name]) for name in ("messages", "contents", "input") if name in body), 0)


class ModelServer:
    """Listens on a free port of the loopback address unless told otherwise. A request beyond the end of the script
    gets a 400. `requests` are those received, `open` counts those being answered. `patience_s` is how long a client
    does well to wait for the answers of the script."""

    def __init__(
        self, script: Script = converse, *, port: int = 0, models: Iterable[str | dict[str, Any]] = ("fake-model",)
    ) -> None:
        self.requests: list[Received] = []
        self.open = 0
        self._idle = asyncio.Event()
        self.url = ""
        self._port = port
        self._models = [model if isinstance(model, dict) else {"id": model, "object": "model"} for model in models]
        answers = () if callable(script) else tuple(script)
        self.patience_s = patience_s(answers)
        self._find = script if callable(script) else _in_turn(answers)
        self._keep_requests = True
        app = web.Application(client_max_size=1 << 30)
        for wire in (*WIRES, *EMBEDDINGS):
            app.router.add_post(f"/{{path:{wire.path}}}", partial(self._answer, wire))
            for path, page in wire.pages.items():
                app.router.add_route("*", f"/{{path:{path}}}", partial(self._page, page))
        app.router.add_get("/{path:.*}models", self._list)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)

    async def __aenter__(self) -> "ModelServer":
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def idle(self) -> None:
        """Wait until no request is being answered: all are done, or their clients have hung up."""
        await self._idle.wait()

    def forget(self) -> None:
        """Keep no more requests, as a benchmark wants."""
        self._keep_requests = False

    async def _list(self, request: web.Request) -> web.Response:
        named = [{"name": model.get("id"), **model} for model in self._models]
        return web.json_response({"object": "list", "data": self._models, "models": named})

    async def _page(
        self, page: Callable[[dict[str, Any], list[dict[str, Any]]], object], request: web.Request
    ) -> web.Response:
        return web.json_response(page(msgspec.json.decode(await request.read() or b"{}"), self._models))

    async def _answer(self, wire: Wire, request: web.Request) -> web.StreamResponse:
        body = msgspec.json.decode(await request.read())
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = str(request.transport and request.transport.get_extra_info("peername"))
        model = wire.model(request.path_qs, body)
        received = Received(request.path_qs, peer, headers, body, *wire.last(body), model)
        if self._keep_requests:
            self.requests.append(received)
        answer = self._find(received)
        self.open += 1
        self._idle.clear()
        try:
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
            unstreamed = answer.unstreamed or not wire.streamed(request.path_qs, body)
            if answer.status != 200 or answer.body or answer.error or (unstreamed and _is_plain(answer)):
                return _plain(answer, wire, model, body)
            answer = msgspec.structs.replace(answer, unstreamed=unstreamed)
            return await _stream(request, answer, wire, model, body)
        finally:
            self.open -= 1
            if not self.open:
                self._idle.set()


def _in_turn(answers: Iterable[Answer]) -> Callable[[Received], Answer]:
    rest = iter(answers)
    return lambda received: next(rest, Answer(status=400, body='{"error":{"message":"the script has no answer left"}}'))


def _plain(answer: Answer, wire: Wire, model: str, asked: dict[str, Any]) -> web.Response:
    if answer.body:
        body = answer.body.encode()
    elif answer.error or answer.status != 200:
        body = json_bytes(wire.failure(answer.error or "the fake model was told to fail"))
    else:
        body = wire.reply(answer, asked) if wire.reply else wire.whole(answer, model)
    return web.Response(status=answer.status, headers=answer.headers, body=body, content_type=answer.content_type)


async def _stream(
    request: web.Request, answer: Answer, wire: Wire, model: str, asked: dict[str, Any]
) -> web.StreamResponse:
    events, content_type = wire.events(answer, model), wire.content_type
    if answer.unstreamed:
        whole = wire.reply(answer, asked) if wire.reply else wire.whole(answer, model)
        size = -(-len(whole) // 4)
        events, content_type = (whole[at : at + size] for at in range(0, len(whole), size)), answer.content_type
    response = web.StreamResponse(headers={"Content-Type": content_type, **answer.headers})
    await response.prepare(request)
    if _is_plain(answer):
        await response.write(b"".join(events))
        await response.write_eof()
        return response
    async for event in _faulty(request, answer, wire, events):
        for piece in (event[at : at + 1] for at in range(len(event))) if answer.dribble else (event,):
            await response.write(piece)
        if answer.chunk_delay_s:
            await asyncio.sleep(answer.chunk_delay_s)
    return response


def _is_plain(answer: Answer) -> bool:
    faults = (answer.cut_after, answer.stall_after, answer.end_after, answer.error_after, answer.garbage_after)
    return not (answer.chunk_delay_s or answer.dribble or answer.twice) and all(fault is None for fault in faults)


async def _faulty(request: web.Request, answer: Answer, wire: Wire, events: Iterator[bytes]) -> AsyncIterator[bytes]:
    for count, event in enumerate(events):
        if count == answer.end_after:
            return
        if count == answer.stall_after:
            await asyncio.sleep(3600)
        if count == answer.cut_after:
            assert request.transport is not None
            request.transport.abort()
            return
        if count == answer.error_after:
            yield wire.error_event("the fake model broke down")
            return
        if count == answer.garbage_after:
            yield GARBAGE
        yield event
        if answer.twice:
            yield event


async def _serve(port: int, text: str | None, words: int, word_delay_s: float) -> None:
    fixed = Answer(text or "word " * words, chunk_delay_s=word_delay_s)
    script = converse if text is None and not words else lambda received: fixed
    async with ModelServer(script, port=port) as server:
        server.forget()
        print(server.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--text", help="answer everything with this text")
    parser.add_argument("--words", type=int, default=0, help="answer everything with this many words")
    parser.add_argument("--word-delay", type=float, default=0, metavar="S", help="wait between words")
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.port, arguments.text, arguments.words, arguments.word_delay))


if __name__ == "__main__":
    main()
