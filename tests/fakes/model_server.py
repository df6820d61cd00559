"""A model server for tests: speaks Chat Completions and Messages on the wire, says what it is told, and misbehaves on
command.

In a test, `async with ModelServer([Answer("Hello")]) as server:` and talk to `server.url`. By itself,
`python -m tests.fakes.model_server --port N` answers every request at once; see `converse` for what it understands.
"""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

import msgspec
import uvloop
from aiohttp import web
from msgspec import Struct

_json = msgspec.json.Encoder()


class Call(Struct, frozen=True):
    """A tool call to make; `arguments` is JSON text."""

    name: str
    arguments: str = "{}"
    id: str = ""


class Answer(Struct, frozen=True):
    """What the server says to one request, and how it goes wrong.

    Text, thinking and arguments are streamed in pieces: words, unless `pieces` says into how many. `status` and `body`
    replace the answer; `error` is put inside a 200. Faults count events of the stream: after `cut_after` the connection
    breaks, after `stall_after` nothing more comes, after `end_after` the stream ends as if it were whole. `dribble`
    sends single bytes, `twice` every event two times, and without `farewell` the last event ([DONE], message_stop) is
    missing.
    """

    text: str = ""
    thinking: str = ""
    calls: tuple[Call, ...] = ()
    input: int = 10
    output: int = 5
    stop: str = ""
    pieces: int = 0
    delay_s: float = 0
    chunk_delay_s: float = 0
    status: int = 200
    headers: dict[str, str] = {}
    body: str = ""
    content_type: str = "application/json"
    error: str = ""
    cut_after: int | None = None
    stall_after: int | None = None
    end_after: int | None = None
    dribble: bool = False
    twice: bool = False
    farewell: bool = True
    usage: bool = True


class Received(Struct, frozen=True):
    """A request as it came; header names in lower case. `peer` is unlike for each connection."""

    path: str
    peer: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def last_text(self) -> str:
        """The text of the last message, in either dialect."""
        content = self.body["messages"][-1].get("content") or ""
        if isinstance(content, str):
            return content
        return "".join(block.get("text") or _text(block.get("content")) for block in content)

    @property
    def answers_a_tool(self) -> bool:
        """Whether the last message gives results of tools."""
        last = self.body["messages"][-1]
        content = last.get("content")
        blocks = content if isinstance(content, list) else []
        return last["role"] == "tool" or any(block.get("type") == "tool_result" for block in blocks)


Script = Iterable[Answer] | Callable[[Received], Answer]


def converse(received: Received) -> Answer:
    """A model for scenarios: `run-tool NAME JSON` in the last message calls that tool, "run `COMMAND`" the shell,
    `say TEXT` repeats the text, `words N` streams N words, results of tools are told, and all else gets "Hello from the
    fake model."."""
    text = received.last_text
    if received.answers_a_tool:
        return Answer(f"The tool said: {text}")
    if found := re.search(r"run-tool (\S+) (\{.*\})", text, re.S):
        return Answer(calls=(Call(found[1], found[2], f"call_{len(received.body['messages'])}"),))
    if found := re.search(r"\brun `(.+)`", text):
        return Answer(calls=(Call("shell", msgspec.json.encode({"command": found[1]}).decode()),))
    if found := re.search(r"\bwords (\d+)", text):
        return Answer("word " * int(found[1]))
    if found := re.search(r"\bsay (.+)", text, re.S):
        return Answer(found[1])
    return Answer("Hello from the fake model.")


class ModelServer:
    """Listens on a free port of the loopback address unless told otherwise. A request beyond the end of the script
    gets a 400. `requests` are those received, `open` counts those being answered."""

    def __init__(
        self, script: Script = converse, *, port: int = 0, models: Iterable[str | dict[str, Any]] = ("fake-model",)
    ) -> None:
        self.requests: list[Received] = []
        self.open = 0
        self._idle = asyncio.Event()
        self.url = ""
        self._port = port
        self._models = [model if isinstance(model, dict) else {"id": model, "object": "model"} for model in models]
        self._find = script if callable(script) else _in_turn(script)
        self._keep_requests = True
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/{path:.*}models", self._list)
        app.router.add_post("/{path:.*}chat/completions", self._chat)
        app.router.add_post("/{path:.*}messages", self._messages)
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
        return web.json_response({"object": "list", "data": self._models})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, chat_body, chat_events)

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, messages_body, messages_events)

    async def _answer(
        self,
        request: web.Request,
        whole: Callable[[Answer, str], bytes],
        events: Callable[[Answer, str], Iterator[bytes]],
    ) -> web.StreamResponse:
        body = msgspec.json.decode(await request.read())
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(
            request.path, str(request.transport and request.transport.get_extra_info("peername")), headers, body
        )
        if self._keep_requests:
            self.requests.append(received)
        answer = self._find(received)
        self.open += 1
        self._idle.clear()
        try:
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
            if answer.status != 200 or answer.body or answer.error or not body.get("stream"):
                return _plain(answer, whole(answer, body["model"]))
            return await _stream(request, answer, events(answer, body["model"]))
        finally:
            self.open -= 1
            if not self.open:
                self._idle.set()


def _in_turn(answers: Iterable[Answer]) -> Callable[[Received], Answer]:
    rest = iter(answers)
    return lambda received: next(rest, Answer(status=400, body='{"error":{"message":"the script has no answer left"}}'))


def _plain(answer: Answer, body: bytes) -> web.Response:
    if answer.body:
        body = answer.body.encode()
    elif answer.error or answer.status != 200:
        said = answer.error or "the fake model was told to fail"
        body = _json.encode({"type": "error", "error": {"message": said, "type": "fake_error"}})
    return web.Response(status=answer.status, headers=answer.headers, body=body, content_type=answer.content_type)


async def _stream(request: web.Request, answer: Answer, events: Iterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **answer.headers})
    await response.prepare(request)
    if _is_plain(answer):
        await response.write(b"".join(events))
        await response.write_eof()
        return response
    async for event in _faulty(request, answer, events):
        for piece in (event[at : at + 1] for at in range(len(event))) if answer.dribble else (event,):
            await response.write(piece)
        if answer.chunk_delay_s:
            await asyncio.sleep(answer.chunk_delay_s)
    return response


def _is_plain(answer: Answer) -> bool:
    faults = (answer.cut_after, answer.stall_after, answer.end_after)
    return not (answer.chunk_delay_s or answer.dribble or answer.twice) and all(fault is None for fault in faults)


async def _faulty(request: web.Request, answer: Answer, events: Iterator[bytes]) -> AsyncIterator[bytes]:
    for count, event in enumerate(events):
        if count == answer.end_after:
            return
        if count == answer.stall_after:
            await asyncio.sleep(3600)
        if count == answer.cut_after:
            assert request.transport is not None
            request.transport.abort()
            return
        yield event
        if answer.twice:
            yield event


def _split(text: str, pieces: int) -> list[str]:
    if not pieces:
        return re.findall(r"\S+\s*|\s+", text)
    size = max(1, -(-len(text) // pieces))
    return [text[at : at + size] for at in range(0, len(text), size)]


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(block.get("text", "") for block in content)
    return content if isinstance(content, str) else ""


def _identified(answer: Answer) -> list[Call]:
    return [Call(call.name, call.arguments, call.id or f"call_{at}") for at, call in enumerate(answer.calls)]


def _chat_usage(answer: Answer) -> dict[str, Any]:
    total = answer.input + answer.output
    return {"prompt_tokens": answer.input, "completion_tokens": answer.output, "total_tokens": total}


def chat_body(answer: Answer, model: str) -> bytes:
    """The answer as a chat.completion object."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in _identified(answer)
        ]
    choice = {"index": 0, "message": message, "finish_reason": _chat_stop(answer)}
    body = {"id": "chatcmpl-fake", "object": "chat.completion", "created": 0, "model": model, "choices": [choice]}
    return _json.encode({**body, "usage": _chat_usage(answer)})


def _chat_stop(answer: Answer) -> str:
    return answer.stop or ("tool_calls" if answer.calls else "stop")


def chat_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as chat.completion.chunk events."""
    head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 0, "model": model}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return b"data: %b\n\n" % _json.encode(
            {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        )

    yield chunk({"role": "assistant", "content": ""})
    for word in _split(answer.thinking, answer.pieces):
        yield chunk({"reasoning_content": word})
    for word in _split(answer.text, answer.pieces):
        yield chunk({"content": word})
    for index, call in enumerate(_identified(answer)):
        first = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield chunk({"tool_calls": [first]})
        for piece in _split(call.arguments, answer.pieces):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, _chat_stop(answer))
    if answer.usage:
        yield b"data: %b\n\n" % _json.encode({**head, "choices": [], "usage": _chat_usage(answer)})
    if answer.farewell:
        yield b"data: [DONE]\n\n"


def _messages_stop(answer: Answer) -> str:
    return answer.stop or ("tool_use" if answer.calls else "end_turn")


def messages_body(answer: Answer, model: str) -> bytes:
    """The answer as a message object."""
    content: list[dict[str, Any]] = []
    if answer.thinking:
        content.append({"type": "thinking", "thinking": answer.thinking, "signature": "c2lnbmVk"})
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    for call in _identified(answer):
        arguments = msgspec.json.decode(call.arguments)
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    usage = {"input_tokens": answer.input, "output_tokens": answer.output}
    return _json.encode(_message(model, content, _messages_stop(answer), usage))


def _message(model: str, content: list[dict[str, Any]], stop: str | None, usage: dict[str, int]) -> dict[str, Any]:
    head = {"id": "msg_fake", "type": "message", "role": "assistant", "model": model, "content": content}
    return {**head, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def messages_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as the events of a Messages stream."""

    def event(kind: str, **fields: Any) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _json.encode({"type": kind, **fields}))

    usage = {"input_tokens": answer.input, "output_tokens": 1}
    yield event("message_start", message=_message(model, [], None, usage))
    yield event("ping")
    index = 0
    for kind, field, text in (("thinking", "thinking", answer.thinking), ("text", "text", answer.text)):
        if not text:
            continue
        yield event("content_block_start", index=index, content_block={"type": kind, field: ""})
        for word in _split(text, answer.pieces):
            yield event("content_block_delta", index=index, delta={"type": f"{kind}_delta", field: word})
        if kind == "thinking":
            signed = {"type": "signature_delta", "signature": "c2lnbmVk"}
            yield event("content_block_delta", index=index, delta=signed)
        yield event("content_block_stop", index=index)
        index += 1
    for call in _identified(answer):
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        yield event("content_block_start", index=index, content_block=block)
        for piece in _split(call.arguments, answer.pieces):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
        index += 1
    stopped = {"stop_reason": _messages_stop(answer), "stop_sequence": None}
    usage = {"output_tokens": answer.output}
    yield event("message_delta", delta=stopped, usage=usage)
    if answer.farewell:
        yield event("message_stop")


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
