"""The fake speaks the real formats: the vendors' own client libraries understand it."""

import pytest
from anthropic import AsyncAnthropic
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock
from openai import APIStatusError, AsyncOpenAI
from openai.types.chat import ChatCompletionMessageFunctionToolCall

from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer, converse
from tests.running import run

FULL = Answer("Hello you", thinking="hm well", calls=(Call("look", '{"a": 1}'), Call("look", '{"b": 2}', "mine")))


def test_openais_client_reads_answers_streamed_and_whole() -> None:
    async def main() -> None:
        async with (
            ModelServer([FULL, FULL]) as server,
            AsyncOpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as client,
        ):
            whole = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            async with client.chat.completions.stream(
                model="m", messages=[{"role": "user", "content": "hi"}], stream_options={"include_usage": True}
            ) as stream:
                streamed = await stream.get_final_completion()
            for completion in (whole, streamed):
                [choice] = completion.choices
                assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Hello you")
                calls = choice.message.tool_calls or []
                assert all(isinstance(call, ChatCompletionMessageFunctionToolCall) for call in calls)
                functions = [(call.id, call.function) for call in calls if call.type == "function"]
                assert [(name, function.name, function.arguments) for name, function in functions] == [
                    ("call_0", "look", '{"a": 1}'),
                    ("mine", "look", '{"b": 2}'),
                ]
                assert completion.usage
                assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (10, 5)
            assert [model.id async for model in client.models.list()] == ["fake-model"]

    run(main())


def test_openais_client_understands_its_refusals() -> None:
    async def main() -> None:
        async with (
            ModelServer([]) as server,
            AsyncOpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as client,
        ):
            with pytest.raises(APIStatusError, match="the script has no answer left"):
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])

    run(main())


def test_anthropics_client_reads_answers_streamed_and_whole() -> None:
    async def main() -> None:
        async with (
            ModelServer([FULL, FULL]) as server,
            AsyncAnthropic(base_url=server.url, api_key="k", max_retries=0) as client,
        ):
            whole = await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
            async with client.messages.stream(
                model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
            ) as stream:
                streamed = await stream.get_final_message()
            for message in (whole, streamed):
                thinking, text, *calls = message.content
                assert isinstance(thinking, ThinkingBlock)
                assert (thinking.thinking, thinking.signature) == ("hm well", "c2lnbmVk")
                assert isinstance(text, TextBlock)
                assert text.text == "Hello you"
                assert all(isinstance(call, ToolUseBlock) for call in calls)
                assert [(call.id, call.input) for call in calls if call.type == "tool_use"] == [
                    ("call_0", {"a": 1}),
                    ("mine", {"b": 2}),
                ]
                assert message.stop_reason == "tool_use"
                assert (message.usage.input_tokens, message.usage.output_tokens) == (10, 5)

    run(main())


def test_a_scenario_calls_a_tool_and_tells_what_it_gave() -> None:
    async def main() -> None:
        async with (
            ModelServer(converse) as server,
            AsyncOpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as client,
        ):
            asked = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": 'run-tool shell {"command": "date"}'}]
            )
            [call] = asked.choices[0].message.tool_calls or []
            assert call.type == "function"
            assert (call.function.name, call.function.arguments) == ("shell", '{"command": "date"}')
            told = await client.chat.completions.create(
                model="m",
                messages=[
                    {"role": "user", "content": "run-tool"},
                    {"role": "assistant", "tool_calls": [call.model_dump()]},  # type: ignore[list-item]  # as read
                    {"role": "tool", "tool_call_id": call.id, "content": "Monday"},
                ],
            )
            assert told.choices[0].message.content == "The tool said: Monday"

    run(main())
