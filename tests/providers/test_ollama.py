from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapax.config import AgentConfig, ProviderConfig
from carapax.config import Config as Settings
from carapax.contracts import Provider
from carapax.errors import (
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelRejected,
    ModelUnauthorized,
    ModelUnavailable,
)
from carapax.events import Delta, TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.http import Http
from carapax.messages import (
    AssistantMessage,
    Attachment,
    Effort,
    ModelInfo,
    ModelRequest,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.ndjson import NdjsonParser
from carapax.providers.ollama import Config, Decoder, Model, Ollama, decode, encode
from carapax.testing import ProviderContract
from tests.api.real_models import gateway_on
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer
from tests.fakes.reached import reached
from tests.providers.reading import check_deltas, origin
from tests.running import run

KEY = "sk-verysecretkey12345"
TOOL = ToolSpec("look", "Look at it.", {"type": "object", "properties": {"a": {"type": "integer"}}})
PIXEL = Attachment("dot.png", "image/png", "0" * 64, 3, b"\x89PN")
PAPER = Attachment("a.pdf", "application/pdf", "1" * 64, 3, b"%PD")


def line(done: bool = False, **message: Any) -> bytes:
    ending = {"done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3} if done else {}
    head = {"model": "m", "created_at": "2026-11-01T00:00:00Z"}
    said = {"role": "assistant", "content": "", **message}
    return msgspec.json.encode({**head, "message": said, "done": done, **ending}) + b"\n"


def read(*lines: bytes) -> AssistantMessage:
    decoder, parser = Decoder(origin()), NdjsonParser()
    events = [event for piece in lines for event in parser.feed(piece)] + parser.close()
    deltas = [delta for event in events for delta in decoder.feed(event)]
    message = decoder.finish()
    check_deltas(deltas, message)
    return message


def call(**fields: Any) -> dict[str, Any]:
    function = {"name": fields.pop("name", "look"), "arguments": fields.pop("arguments", {})}
    return {**fields, "function": function}


def test_thoughts_text_and_calls_come_in_their_order_with_what_was_counted() -> None:
    message = read(
        line(thinking="hm "),
        line(thinking="well"),
        line(content="Hello "),
        line(content="you"),
        line(tool_calls=[call(id="call_a", arguments={"a": 1})]),
        line(done=True),
    )
    assert message == AssistantMessage(
        (Thinking("hm well"), Text("Hello you"), ToolCall("call_a", "look", '{"a":1}')),
        "tool_calls",
        Usage(input=7, output=3),
        "vendor",
        "m",
        "stop",
    )


def test_calls_of_servers_that_give_no_ids_get_some() -> None:
    message = read(line(tool_calls=[call(arguments={"a": 1}), call(arguments=None)]), line(done=True))
    assert message.tool_calls == (
        ToolCall("call_id_0", "look", '{"a":1}'),
        ToolCall("call_id_1", "look", "{}"),
    )


@pytest.mark.parametrize("again", [call(id="a"), call()])
def test_lines_that_come_twice_never_make_a_call_twice(again: dict[str, Any]) -> None:
    message = read(*[line(tool_calls=[again])] * 2, *[line(done=True)] * 2)
    assert len(message.tool_calls) == 1


def test_thoughts_in_tags_are_thoughts() -> None:
    message = read(line(content="<thi"), line(content="nk>hm</think>\n\nYes"), line(done=True))
    assert message.parts == (Thinking("hm"), Text("Yes"))


def test_counts_that_never_come_are_none() -> None:
    body = b'{"model":"m","message":{"role":"assistant","content":"a"},"done":true}'
    assert decode(body, origin()) == AssistantMessage((Text("a"),), provider="vendor", model="m", stop_detail="stop")


def test_an_answer_that_was_cut_for_its_length_says_so() -> None:
    body = b'{"message":{"content":"a"},"done":true,"done_reason":"length"}'
    assert decode(body, origin()).stop_reason == "length"


@pytest.mark.parametrize(
    ("lines", "kind", "words"),
    [
        ([b'{"error":"model requires more system memory"}\n'], ModelUnavailable, "more system memory"),
        ([line(content="a"), b'{"error":"an error was encountered"}\n'], ModelUnavailable, "was encountered"),
        ([b'{"error":"the input length exceeds the context length"}'], ContextOverflow, "exceeds"),
        ([line(content="a")], ModelUnavailable, "broke off"),
        ([], ModelUnavailable, "no answer"),
        ([b'{"done":true,"done_reason":"load"}'], ModelUnavailable, "no more than load"),
        ([b"garbage\n"], ModelUnavailable, "no valid answer"),
    ],
)
def test_what_is_no_answer_is_told(lines: list[bytes], kind: type[ModelError], words: str) -> None:
    with pytest.raises(ModelError, match=words) as raised:
        read(*lines)
    assert type(raised.value) is kind


def asked(*messages: Any, **fields: Any) -> ModelRequest:
    return ModelRequest("m", messages or (UserMessage("hi"),), **fields)


def test_a_request_says_all_in_the_words_of_the_api() -> None:
    thought = AssistantMessage((Thinking("hm"), Text("So."), ToolCall("c1", "look", '{"a": 1}')))
    request = asked(
        UserMessage("hi"),
        thought,
        ToolResult("c1", "look", "it is"),
        AssistantMessage(()),
        system="Be brief.",
        tools=(TOOL,),
        max_output_tokens=50,
        temperature=0.5,
    )
    assert encode(request, Config(keep_alive="10m")) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": "So.",
                "thinking": "hm",
                "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": {"a": 1}}}],
            },
            {"role": "tool", "content": "it is", "tool_name": "look", "tool_call_id": "c1"},
        ],
        "stream": True,
        "truncate": False,
        "shift": False,
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look at it.", "parameters": TOOL.parameters},
            }
        ],
        "keep_alive": "10m",
        "options": {"num_ctx": 8192, "num_predict": 50, "temperature": 0.5},
    }


@pytest.mark.parametrize(
    ("family", "effort", "think"),
    [
        ("qwen3", "off", False),
        ("qwen3", "low", True),
        ("qwen3", "high", True),
        ("gptoss", "off", "low"),
        ("gpt-oss", "high", "high"),
    ],
)
def test_effort_is_put_as_the_model_takes_it(family: str, effort: Effort, think: bool | str) -> None:
    assert encode(asked(effort=effort), Config(), Model(capabilities=("thinking",), family=family))["think"] == think


def test_a_model_that_cannot_think_is_not_asked_to() -> None:
    for model in (Model(), Model(capabilities=("completion",))):
        assert "think" not in encode(asked(effort="high"), Config(), model)


@pytest.mark.parametrize(
    ("text", "model", "size"),
    [
        ("hi", Model(), 8_192),
        ("hi", Model(context_tokens=2_048), 2_048),
        ("hi", Model(least_tokens=16_384), 16_384),
        ("word " * 12_000, Model(), 32_768),
        ("word " * 12_000, Model(context_tokens=131_072), 32_768),
        ("word " * 120_000, Model(context_tokens=131_072), 131_072),
        ("字" * 12_000, Model(), 16_384),
    ],
)
def test_the_context_fits_the_request_and_the_model(text: str, model: Model, size: int) -> None:
    assert encode(asked(UserMessage(text)), Config(), model)["options"]["num_ctx"] == size


def test_a_context_that_is_configured_stays() -> None:
    assert encode(asked(UserMessage("word " * 12_000)), Config(num_ctx=4_096))["options"] == {"num_ctx": 4_096}


def test_room_is_kept_for_what_may_be_said_and_thought_and_for_pictures() -> None:
    def size(request: ModelRequest, *capabilities: str) -> int:
        return int(encode(request, Config(), Model(capabilities=capabilities))["options"]["num_ctx"])

    assert size(asked(max_output_tokens=8_192)) == 16_384
    assert size(asked(effort="low"), "thinking") == 16_384
    photo = msgspec.structs.replace(PIXEL, data=bytes(1_000_000))
    assert size(asked(UserMessage("hi", attachments=(photo,) * 3)), "vision") == 16_384


def test_pictures_are_shown_to_models_that_see() -> None:
    request = asked(UserMessage("look", attachments=(PIXEL, PAPER)))
    note = "[a.pdf, application/pdf: not shown]"
    images = [b64encode(PIXEL.data).decode()]
    for model in (Model(), Model(capabilities=("vision",))):
        assert encode(request, Config(), model)["messages"] == [
            {"role": "user", "content": f"look\n\n{note}", "images": images}
        ]
    assert encode(request, Config(), Model(capabilities=("completion",)))["messages"] == [
        {"role": "user", "content": f"look\n\n[dot.png, image/png: not shown]\n\n{note}"}
    ]


@asynccontextmanager
async def served(*answers: Answer, models: Any = ("m",), path: str = "") -> AsyncIterator[tuple[Ollama, ModelServer]]:
    async with ModelServer(answers, models=models) as server, Http() as http:
        yield Ollama(Config(), reached(http, server, KEY, path)), server


async def ask(provider: Ollama, *, stream: bool = True, text: str = "hi") -> list[Delta | AssistantMessage]:
    request = ModelRequest("m", (UserMessage(text),), tools=(TOOL,), stream=stream)
    return [item async for item in provider.stream(request)]


FULL = Answer("Hello you", thinking="hm well", calls=(Call("look", '{"a": 1}'), Call("look", '{"b": 2}')))
MESSAGE = AssistantMessage(
    (
        Thinking("hm well"),
        Text("Hello you"),
        ToolCall("call_0", "look", '{"a":1}'),
        ToolCall("call_1", "look", '{"b":2}'),
    ),
    "tool_calls",
    Usage(input=10, output=5),
    "fake",
    "m",
    "stop",
)


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/", "/v1", "/api/chat", "/v1/chat/completions"])
def test_an_answer_streams_piece_by_piece_wherever_the_address_ends(path: str) -> None:
    async def main() -> None:
        async with served(FULL, path=path) as (provider, server):
            assert await ask(provider) == [
                ThinkingDelta("hm "),
                ThinkingDelta("well"),
                TextDelta("Hello "),
                TextDelta("you"),
                ToolArgumentsDelta(0, '{"a":1}', "call_0", "look"),
                ToolArgumentsDelta(1, '{"b":2}', "call_1", "look"),
                MESSAGE,
            ]
            [request] = server.requests
            assert request.path == "/api/chat"
            assert request.headers["authorization"] == f"Bearer {KEY}"

    run(main())


def test_an_answer_comes_whole_when_asked_so() -> None:
    async def main() -> None:
        async with served(FULL) as (provider, server):
            assert await ask(provider, stream=False) == [MESSAGE]
            assert server.requests[0].body["stream"] is False

    run(main())


def test_a_model_that_was_given_more_context_keeps_it() -> None:
    async def main() -> None:
        async with served(*[Answer("a")] * 3) as (provider, server):
            for text in ("hi", "word " * 12_000, "hi"):
                await ask(provider, text=text)
            sizes = [request.body["options"]["num_ctx"] for request in server.requests]
            assert sizes == [8_192, 32_768, 32_768]

    run(main())


def test_what_the_server_says_of_a_model_is_heeded() -> None:
    shown = {
        "capabilities": ["completion", "thinking"],
        "details": {"family": "gptoss"},
        "model_info": {"gptoss.context_length": 131_072, "gptoss.rope.scaling": 1.5},
        "parameters": "temperature 1\nnum_ctx                        16384\n",
    }

    async def main() -> None:
        async with served(Answer("a"), models=[{"id": "m", "show": shown}]) as (provider, server):
            await ask(provider)
            body = server.requests[0].body
            assert (body["think"], body["options"]) == ("low", {"num_ctx": 16_384})

    run(main())


@pytest.mark.parametrize(
    "shown", ["garbage", {"model_info": {"a.context_length": "many"}}, {"capabilities": None, "model_info": None}, {}]
)
def test_a_server_that_says_strange_things_of_a_model_is_asked_all_the_same(shown: object) -> None:
    async def main() -> list[Delta | AssistantMessage]:
        async with served(Answer("a"), models=[{"id": "m", "show": shown}]) as (provider, _):
            return await ask(provider)

    if shown == "garbage":
        with pytest.raises(ModelUnavailable):
            run(main())
    else:
        assert len(run(main())) == 2


@pytest.mark.parametrize(
    "answer",
    [
        msgspec.structs.replace(FULL, dribble=True),
        msgspec.structs.replace(FULL, headers={"Content-Type": "text/plain"}),
    ],
)
def test_a_clumsy_but_whole_stream_is_an_answer(answer: Answer) -> None:
    async def main() -> None:
        async with served(answer) as (provider, _):
            assert (await ask(provider))[-1] == MESSAGE

    run(main())


BROKEN_STREAMS = [
    pytest.param(Answer("a b c", cut_after=2), ModelUnavailable, "cut the connection", id="cut"),
    pytest.param(Answer("a b c", end_after=2), ModelUnavailable, "broke off", id="ended early"),
    pytest.param(Answer("a b c", farewell=False), ModelUnavailable, "broke off", id="no farewell"),
    pytest.param(Answer("a b c", stall_after=2), ModelUnavailable, "silent", id="stalled"),
]
FAILURES = [
    pytest.param(Answer(status=500), ModelUnavailable, "500", id="500"),
    pytest.param(Answer(status=404), ModelRejected, "404", id="404"),
    pytest.param(Answer(status=429, headers={"Retry-After": "3"}), ModelBusy, "429", id="429"),
    pytest.param(Answer(status=401), ModelUnauthorized, "401", id="401"),
    pytest.param(
        Answer(status=400, body='{"error":"the input length exceeds the context length"}'),
        ContextOverflow,
        "context length",
        id="too long",
    ),
    pytest.param(Answer(body="<html>Sign in</html>", content_type="text/html"), ModelUnavailable, "HTML", id="HTML"),
    pytest.param(
        Answer(body="garbage", content_type="application/x-ndjson"), ModelUnavailable, "no valid answer", id="garbage"
    ),
    pytest.param(Answer(body="{}"), ModelUnavailable, "no valid answer", id="empty object"),
    pytest.param(Answer(error="out of luck"), ModelUnavailable, "out of luck", id="error in a 200"),
    pytest.param(Answer(error=f"wrong key {KEY}"), ModelUnavailable, r"wrong key \*", id="key in an error"),
]


async def fail(answer: Answer, kind: type[ModelError], words: str, *, stream: bool) -> None:
    async with served(answer) as (provider, _):
        with pytest.raises(ModelError, match=words) as raised:
            await ask(provider, stream=stream)
        assert type(raised.value) is kind
        assert (raised.value.vendor, raised.value.model) == ("fake", "m")
        assert raised.value.hint
        assert KEY not in str(raised.value)


@pytest.mark.parametrize(("answer", "kind", "words"), [*FAILURES, *BROKEN_STREAMS])
def test_a_server_that_misbehaves_is_told_by_what_it_did(answer: Answer, kind: type[ModelError], words: str) -> None:
    run(fail(answer, kind, words, stream=True))


@pytest.mark.parametrize(("answer", "kind", "words"), FAILURES)
def test_so_is_one_that_was_asked_for_a_whole_answer(answer: Answer, kind: type[ModelError], words: str) -> None:
    run(fail(answer, kind, words, stream=False))


def test_a_reader_that_stops_hangs_up() -> None:
    async def main() -> None:
        async with served(Answer("a b c", stall_after=2)) as (provider, server):
            stream = provider.stream(ModelRequest("m", (UserMessage("hi"),)))
            assert await anext(stream) == TextDelta("a ")
            await stream.aclose()
            await server.idle()

    run(main())


def test_models_for_conversation_are_listed_with_their_size() -> None:
    told = [
        {"id": "big", "show": {"capabilities": ["completion"], "model_info": {"llama.context_length": 5}}},
        {"id": "embed", "show": {"capabilities": ["embedding"]}},
        {"id": "old", "show": {}},
        {"id": "strange", "show": []},
    ]

    async def main() -> list[ModelInfo]:
        async with served(models=told) as (provider, _):
            return await provider.models()

    assert run(main()) == [ModelInfo("big", 5), ModelInfo("old"), ModelInfo("strange")]


def test_it_chats_and_uses_tools_through_a_whole_gateway(tmp_path: Path) -> None:
    async def main() -> None:
        script = [Answer(calls=(Call("list_files", '{"path": "."}'),)), Answer("It is empty.")]
        async with ModelServer(script, models=["m"]) as server:
            config = Settings(
                agents={"main": AgentConfig(model="local/m", sandbox="local")},
                providers={"local": ProviderConfig(vendor="ollama", base_url=f"{server.url}/v1")},
            )
            asked = {"model": "carapax", "messages": [{"role": "user", "content": "What is there?"}]}
            async with (
                gateway_on(tmp_path, config) as gateway,
                gateway.http.post(f"{gateway.url}/v1/chat/completions", json=asked) as response,
            ):
                answer = await response.json()
            assert answer["choices"][0]["message"]["content"] == "It is empty."
            *_, called, result = server.requests[1].body["messages"]
            assert called["tool_calls"][0]["function"] == {"name": "list_files", "arguments": {"path": "."}}
            assert (result["role"], result["tool_name"]) == ("tool", "list_files")
            assert server.requests[1].path == "/api/chat"

    run(main())


class TestContract(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Provider]:
            async with served(FULL) as (provider, _):
                yield provider

        return opened()

    def request(self, *, stream: bool = True) -> ModelRequest:
        return ModelRequest("m", (UserMessage("hi"),), stream=stream)
