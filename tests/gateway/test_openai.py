import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from carapax.config import AgentConfig, Config
from carapax.errors import ModelUnavailable
from carapax.events import MessageReceived
from carapax.messages import ModelRequest, Origin, UserMessage
from carapax.testing import Pause, Script, call
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.gateway.raw import eventually
from tests.running import run

HI: Any = [{"role": "user", "content": "hi"}]
TWO = Config(agents={"main": AgentConfig(description="the first"), "poet": AgentConfig()})


@asynccontextmanager
async def client(
    script: Script = (), config: Config | None = None
) -> AsyncGenerator[tuple[AsyncOpenAI, GatewayClient], None]:
    async with (
        gateway_client(script, config=config) as gateway,
        AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as library,
    ):
        yield library, gateway


def asked_of(request: ModelRequest) -> str:
    return request.messages[-1].text


def test_agents_are_listed_as_models() -> None:
    async def main() -> list[str]:
        async with client(config=TWO) as (library, _):
            return [model.id for model in (await library.models.list()).data]

    assert run(main()) == ["carapax", "carapax/main", "carapax/poet"]


def test_a_plain_answer() -> None:
    async def main() -> Any:
        async with client(["hello there"]) as (library, _):
            return await library.chat.completions.create(model="carapax", messages=HI)

    answer = run(main())
    choice = answer.choices[0]
    assert (answer.object, answer.model, choice.finish_reason) == ("chat.completion", "carapax", "stop")
    assert (choice.message.role, choice.message.content) == ("assistant", "hello there")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (1, 1, 2)


def test_a_streamed_answer_comes_in_pieces_with_usage_at_the_end() -> None:
    async def main() -> list[Any]:
        async with client(["one two three"]) as (library, _):
            stream = await library.chat.completions.create(
                model="carapax", messages=HI, stream=True, stream_options={"include_usage": True}
            )
            return [chunk async for chunk in stream]

    chunks = run(main())
    deltas = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert deltas == ["", "one ", "two ", "three", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices] == [None] * 4 + ["stop"]
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [2]
    assert len({chunk.id for chunk in chunks}) == 1


def test_pieces_are_sent_as_they_come() -> None:
    pause = Pause()

    async def main() -> list[str | None]:
        async with client([("first ", pause, "second")]) as (library, _):
            stream = await library.chat.completions.create(model="carapax", messages=HI, stream=True)
            seen = []
            async for chunk in stream:
                seen.append(chunk.choices[0].delta.content)
                if seen[-1] == "first ":
                    await pause.reached()
                    pause.release()
            return seen

    assert run(main()) == ["", "first ", "second", None]


TOOLS: Script = [("let me see ", call("list_files", path=".")), "it is empty"]


def test_what_tools_do_is_shown_in_a_stream_and_not_asked_of_the_client() -> None:
    async def main() -> list[Any]:
        async with client(TOOLS) as (library, _):
            stream = await library.chat.completions.create(model="carapax", messages=HI, stream=True)
            return [chunk async for chunk in stream]

    chunks = run(main())
    assert all(chunk.choices[0].delta.tool_calls is None for chunk in chunks)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == "let me see \n\nit is empty"
    events = [
        chunk.model_extra["carapax"]["event"] for chunk in chunks if "event" in chunk.model_extra.get("carapax", {})
    ]
    assert [event["kind"] for event in events] == ["tool_called", "tool_returned"]
    shown = [chunk.choices[0].delta.model_extra.get("reasoning_content") for chunk in chunks]
    assert [line for line in shown if line] == ['list_files {"path": "."}\n', "list_files done\n"]


def test_what_tools_did_is_in_a_plain_answer() -> None:
    async def main() -> Any:
        async with client(TOOLS) as (library, _):
            return await library.chat.completions.create(model="carapax", messages=HI)

    answer = run(main())
    assert answer.choices[0].message.content == "let me see \n\nit is empty"
    assert answer.choices[0].message.tool_calls is None
    assert [event["kind"] for event in answer.model_extra["carapax"]["events"]] == ["tool_called", "tool_returned"]


MESSAGES: Any = [
    {"role": "system", "content": "be brief\nand kind"},
    {"role": "user", "content": [{"type": "text", "text": "my name is Ada"}]},
    {"role": "assistant", "content": "hello Ada, write to eve@example.com"},
    {"role": "user", "content": "who am I?"},
]


def test_earlier_messages_of_the_caller_are_quoted_in_a_new_session() -> None:
    async def main() -> tuple[str, int]:
        async with client(["Ada"]) as (library, gateway):
            await library.chat.completions.create(model="carapax", messages=MESSAGES)
            return asked_of(gateway.model.requests[0]), len(await gateway.services.journal.sessions())

    asked, sessions = run(main())
    assert sessions == 1
    assert asked == (
        "Earlier in this conversation:\n> system: be brief\n> and kind\n> user: my name is Ada\n\nwho am I?"
    )


def test_earlier_answers_come_as_a_file_and_are_not_the_callers_words() -> None:
    async def main() -> tuple[bytes, tuple[Origin, ...], bool]:
        async with client(["Ada"]) as (library, gateway):
            await library.chat.completions.create(model="carapax", messages=MESSAGES)
            [session] = await gateway.services.journal.sessions()
            reading = (await gateway.services.sessions.transcript(session.id)).reading
            [received] = [
                envelope.event
                for envelope in await gateway.services.journal.read(session.id)
                if isinstance(envelope.event, MessageReceived)
            ]
            data = await gateway.services.files.read(received.attachments[0].digest)
            return data, reading.origins, "eve@example.com" in "".join(reading.vouching.all())

    assert run(main()) == (
        b"system: be brief\nand kind\nuser: my name is Ada\nassistant: hello Ada, write to eve@example.com",
        (Origin("file", "earlier messages.txt"),),
        False,
    )


def test_a_user_goes_on_with_its_session() -> None:
    async def main() -> tuple[list[str], int]:
        async with client(["a", "b"]) as (library, gateway):
            for text in ("first", "second"):
                messages: Any = [{"role": "user", "content": "old"}, {"role": "user", "content": text}]
                await library.chat.completions.create(model="carapax", messages=messages, user="ada")
            return [message.text for message in gateway.model.requests[1].messages], len(
                await gateway.services.journal.sessions()
            )

    assert run(main()) == (["first", "a", "second"], 1)


def test_the_session_header_goes_on_with_a_session() -> None:
    async def main() -> list[str]:
        async with client(["a", "b"]) as (library, gateway):
            first = await library.chat.completions.with_raw_response.create(model="carapax", messages=HI)
            header = {"X-Carapax-Session": first.headers["X-Carapax-Session"]}
            await library.chat.completions.create(model="carapax", messages=HI, extra_headers=header)
            return [message.text for message in gateway.model.requests[1].messages]

    assert run(main()) == ["hi", "a", "hi"]


def test_a_repeated_request_is_not_asked_twice() -> None:
    async def main() -> tuple[set[str | None], int]:
        async with client(["once"]) as (library, gateway):
            answers = [
                await library.chat.completions.create(
                    model="carapax", messages=HI, extra_headers={"Idempotency-Key": "k1"}
                )
                for _ in range(2)
            ]
            return {answer.choices[0].message.content for answer in answers}, len(gateway.model.requests)

    assert run(main()) == ({"once"}, 1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_run(stream: bool) -> None:
    pause = Pause()

    async def main() -> list[str]:
        async with client([("begun ", pause, "never")]) as (library, gateway):

            async def ask() -> None:
                answer: Any = await library.chat.completions.create(model="carapax", messages=HI, stream=stream)
                async for _ in answer:
                    pass

            asking = asyncio.get_running_loop().create_task(ask())
            await pause.reached()
            asking.cancel()
            await asyncio.wait([asking])
            [session] = await gateway.services.journal.sessions()
            await eventually(lambda: not gateway.services.sessions.running())
            events = await gateway.services.journal.read(session.id)
            return [str(type(envelope.event).__name__) for envelope in events][-2:]

    assert "RunFinished" in run(main())


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"model": "gpt-4o", "messages": HI}, 404, "not_found_error"),
        ({"model": "carapax/none", "messages": HI}, 404, "not_found_error"),
        ({"model": "carapax", "messages": []}, 400, "invalid_request_error"),
        ({"model": "carapax", "messages": [{"role": "assistant", "content": "x"}]}, 400, "invalid_request_error"),
        ({"model": "carapax", "messages": [{"role": "user", "content": " "}]}, 400, "invalid_request_error"),
        ({"model": "carapax", "messages": [{"role": "user", "content": "\x00"}]}, 400, "invalid_request_error"),
        ({"model": "carapax", "messages": [{"role": "robot", "content": "x"}]}, 400, "invalid_request_error"),
        ({"model": "carapax", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, None),
        ({"model": "carapax", "messages": HI, "n": 2}, 400, "invalid_request_error"),
        ({"model": "carapax", "messages": HI, "tools": [{"type": "function"}]}, 400, "invalid_request_error"),
        ({"model": 3, "messages": HI}, 400, "invalid_request_error"),
    ],
)
def test_errors_have_the_shape_that_the_library_reads(body: Any, status: int, kind: str | None) -> None:
    async def main() -> openai.APIStatusError:
        async with client() as (library, _):
            with pytest.raises(openai.APIStatusError) as caught:
                await library.chat.completions.create(**body)
            return caught.value

    error = run(main())
    assert error.status_code == status
    assert error.type == (kind or "invalid_request_error")
    assert error.message


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_fails_is_told_as_an_error(stream: bool) -> None:
    async def main() -> str:
        async with client([ModelUnavailable("the vendor is down", "wait")] * 20) as (library, _):
            with pytest.raises(openai.APIError) as caught:
                answer: Any = await library.chat.completions.create(model="carapax", messages=HI, stream=stream)
                async for _chunk in answer:
                    pass
            return caught.value.message

    assert "the vendor is down" in run(main())


def test_wrong_credentials_are_told_in_the_same_shape() -> None:
    async def main() -> openai.AuthenticationError:
        async with client() as (library, gateway):
            await gateway.services.tokens.create("first", ("admin",))
            with pytest.raises(openai.AuthenticationError) as caught:
                await library.chat.completions.create(model="carapax", messages=HI)
            return caught.value

    assert run(main()).type == "authentication_error"


def test_a_token_with_the_scope_opens() -> None:
    async def main() -> tuple[str | None, int]:
        async with client(["yes"]) as (library, gateway):
            _, reader = await gateway.services.tokens.create("reader", ("read",))
            _, writer = await gateway.services.tokens.create("writer", ("write",))
            with pytest.raises(openai.PermissionDeniedError) as caught:
                await library.with_options(api_key=reader.reveal()).chat.completions.create(
                    model="carapax", messages=HI
                )
            answer = await library.with_options(api_key=writer.reveal()).chat.completions.create(
                model="carapax", messages=HI
            )
            return answer.choices[0].message.content, caught.value.status_code

    assert run(main()) == ("yes", 403)


def test_images_and_files_come_along_as_data() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(1_200_000)
    table = {"file_data": f"data:text/csv;base64,{b64encode(b'a,b').decode()}", "filename": "a.csv"}
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(png).decode()}"}},
        {"type": "file", "file": table},
    ]

    async def main() -> None:
        async with client(["A picture."]) as (library, gateway):
            await library.chat.completions.create(model="carapax", messages=[{"role": "user", "content": parts}])
            message = gateway.model.requests[0].messages[0]
            assert isinstance(message, UserMessage)
            told = [(file.name, file.media_type, file.size) for file in message.attachments]
            assert told == [("", "image/png", len(png)), ("a.csv", "text/csv", 3)]
            assert await gateway.services.files.read(message.attachments[0].digest) == png

    run(main())


@pytest.mark.parametrize(
    "url", ["https://example.org/i.png", "data:image/png,x", "data:image/png;base64,", "data:;base64,!"]
)
def test_files_that_are_not_in_the_request_are_refused(url: str) -> None:
    async def main() -> openai.APIStatusError:
        parts: Any = [{"type": "image_url", "image_url": {"url": url}}]
        async with client() as (library, _):
            with pytest.raises(openai.APIStatusError) as caught:
                await library.chat.completions.create(model="carapax", messages=[{"role": "user", "content": parts}])
            return caught.value

    assert run(main()).status_code == 400
