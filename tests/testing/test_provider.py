import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from carapax.contracts import Provider
from carapax.errors import ModelBusy, ModelRejected
from carapax.events import Delta, TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.messages import AssistantMessage, ModelRequest, Text, Thinking, ToolCall, Usage, UserMessage
from carapax.testing import Pause, ProviderContract, ScriptedProvider, call
from tests.running import run

REQUEST = ModelRequest("model", (UserMessage("say something"),))


async def everything(provider: ScriptedProvider, request: ModelRequest = REQUEST) -> list[Delta | AssistantMessage]:
    return [item async for item in provider.stream(request)]


class TestScriptedProvider(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Provider]:
            yield ScriptedProvider([(Thinking("well"), "two words\nand more", call("shell", command="ls"))])

        return opened()

    def request(self, *, stream: bool = True) -> ModelRequest:
        return ModelRequest("model", (UserMessage("hello"),), stream=stream)


def test_an_answer_is_streamed_piece_by_piece_and_then_whole() -> None:
    provider = ScriptedProvider([(Thinking("hm"), "two words", call("shell", command="ls"))])
    arguments = '{"command": "ls"}'
    assert run(everything(provider)) == [
        ThinkingDelta("hm"),
        TextDelta("two "),
        TextDelta("words"),
        ToolArgumentsDelta(0, "", "call_1", "shell"),
        ToolArgumentsDelta(0, arguments),
        AssistantMessage(
            (Thinking("hm"), Text("two words"), ToolCall("call_1", "shell", arguments)),
            stop_reason="tool_calls",
            usage=Usage(input=1, output=3),
            provider="scripted",
            model="model",
        ),
    ]
    assert provider.requests == [REQUEST]


def test_answers_come_in_order_and_their_end_is_refused() -> None:
    async def scenario() -> None:
        provider = ScriptedProvider(["one", ModelBusy("too much", retry_after_s=3)])
        assert (await everything(provider))[0] == TextDelta("one")
        with pytest.raises(ModelBusy):
            await everything(provider)
        with pytest.raises(ModelRejected, match="no answer left"):
            await everything(provider)

    run(scenario())


def test_a_failure_may_come_in_the_middle() -> None:
    async def scenario() -> None:
        seen: list[Delta | AssistantMessage] = []
        with pytest.raises(ModelBusy):
            async for item in ScriptedProvider([("one", ModelBusy("cut"))]).stream(REQUEST):
                seen.append(item)
        assert seen == [TextDelta("one")]

    run(scenario())


def test_a_function_answers_each_request() -> None:
    provider = ScriptedProvider(lambda request: f"{len(request.messages)} message")
    assert run(everything(provider))[:2] == [TextDelta("1 "), TextDelta("message")]


def test_a_message_is_given_as_it_is() -> None:
    message = AssistantMessage((Text("cut"),), stop_reason="length", usage=Usage(7, 8))
    assert run(everything(ScriptedProvider([message])))[-1] is message


def test_the_model_waits_where_the_test_wants_it_to() -> None:
    async def scenario() -> None:
        pause, seen = Pause(), list[Delta | AssistantMessage]()

        async def read() -> None:
            async for item in ScriptedProvider([("one ", pause, "two")]).stream(REQUEST):
                seen.append(item)

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            await pause.reached()
            assert seen == [TextDelta("one ")]
            pause.release()
        assert seen[1] == TextDelta("two")

    run(scenario())
