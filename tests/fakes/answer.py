"""What a fake model says to one request, and how it goes wrong, whatever the dialect."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, zip_longest
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

json_bytes = msgspec.json.Encoder().encode
T = TypeVar("T")


class Call(Struct, frozen=True):
    """A tool call to make; `arguments` is JSON text."""

    name: str
    arguments: str = "{}"
    id: str = ""


class Answer(Struct, frozen=True):
    """What the server says to one request, and how it goes wrong.

    Text, thinking and arguments are streamed in pieces: words, unless `pieces` says into how many. `status` and `body`
    replace the answer; `error` is put inside a 200. Faults count events of the stream: after `cut_after` the connection
    breaks, after `stall_after` nothing more comes, after `end_after` the stream ends as if it were whole, after
    `error_after` an error comes in place of the rest, after `garbage_after` what nobody can read. `dribble` sends
    single bytes, `twice` every event two times, and without `farewell` the last event ([DONE], message_stop) is
    missing. An `unstreamed` answer is one document though a stream was asked for; faults then count its quarters.

    What follows is up to the dialect. `usage` can be left out, or come `late`, after the end, where it comes in an
    event of its own. A `reasonless` answer does not say why it stopped. Its calls, or what else has a number in the
    dialect, are numbered from `first_index`; `interleaved` ones come in turn, the last one first (`in_turn`); and
    `hollow` answers have events between their pieces that say nothing.
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
    late: bool = False
    reasonless: bool = False
    first_index: int = 0
    interleaved: bool = False
    hollow: bool = False
    error_after: int | None = None
    garbage_after: int | None = None
    unstreamed: bool = False


def patience_s(answers: Iterable[Answer]) -> float:
    """How long a client of these does well to wait: not for one that falls silent, and for others as long as a busy
    machine takes."""
    return 0.5 if any(answer.delay_s or answer.stall_after is not None for answer in answers) else 30.0


class Wire(Struct, frozen=True):
    """A dialect as it looks on the wire.

    path: a regular expression that the paths of its requests match as a whole
    whole: the body of an answer that is not streamed, given the model's name
    events: the pieces of one that is, each as its bytes
    last: the text of a request's last message, and whether that gives results of tools
    model: the name of the model that is asked, from the path and the body
    streamed: whether a stream is asked for, likewise
    failure: the body of an answer that is an error, with these words
    error_event: likewise, as an event of a stream
    content_type: of a stream
    reply: the body of an answer that depends on the request's body, in place of `whole`
    pages: other paths, likewise, and what they give, from the request's body and the models of the server
    """

    path: str
    whole: Callable[[Answer, str], bytes]
    events: Callable[[Answer, str], Iterator[bytes]]
    last: Callable[[dict[str, Any]], tuple[str, bool]]
    model: Callable[[str, dict[str, Any]], str] = lambda path, body: str(body["model"])
    streamed: Callable[[str, dict[str, Any]], bool] = lambda path, body: bool(body.get("stream"))
    failure: Callable[[str], dict[str, Any]] = lambda said: {"error": {"message": said, "type": "fake_error"}}
    error_event: Callable[[str], bytes] = lambda said: (
        b'event: error\ndata: {"error":{"message":"%b"}}\n\n' % said.encode()
    )
    content_type: str = "text/event-stream"
    reply: Callable[[Answer, dict[str, Any]], bytes] | None = None
    pages: Mapping[str, Callable[[dict[str, Any], list[dict[str, Any]]], object]] = {}


def split(text: str, pieces: int) -> list[str]:
    if not pieces:
        return re.findall(r"\S+\s*|\s+", text)
    size = max(1, -(-len(text) // pieces))
    return [text[at : at + size] for at in range(0, len(text), size)]


def text_of(content: object) -> str:
    if isinstance(content, list):
        return "".join(block.get("text", "") for block in content)
    return content if isinstance(content, str) else ""


def identified(answer: Answer) -> list[Call]:
    return [Call(call.name, call.arguments, call.id or f"call_{at}") for at, call in enumerate(answer.calls)]


def in_turn(answer: Answer, calls: Iterable[Iterable[T]]) -> Iterator[T]:
    """The events of the calls one after the other, or interleaved as the answer wants them."""
    if not answer.interleaved:
        return chain.from_iterable(calls)
    rows = zip_longest(*reversed([list(call) for call in calls]))
    return (event for row in rows for event in row if event is not None)
