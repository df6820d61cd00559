"""A model that says what a test tells it to, and the rules every provider keeps."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager

import msgspec

from carapax.contracts import Provider
from carapax.errors import ModelError, ModelRejected
from carapax.events import Delta, StreamReset, TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.messages import AssistantMessage, ModelInfo, ModelRequest, Part, Text, Thinking, ToolCall, Usage


class Pause:
    """A place in an answer where the model waits for the test."""

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._released = asyncio.Event()

    async def reached(self, within_s: float = 30) -> None:
        """Wait until the model stands here. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            await self._reached.wait()

    def release(self) -> None:
        """Let the model go on, now or as soon as it comes here."""
        self._released.set()

    async def hold(self) -> None:
        """Stand here until released; called by the provider."""
        self._reached.set()
        await self._released.wait()


Step = str | Text | Thinking | ToolCall | Pause | ModelError
"""A piece of an answer: text, a thought, a tool call, a wait, or a failure that ends it there."""

Answer = Step | AssistantMessage | tuple[Step, ...]
"""What the model says to one request; an `AssistantMessage` is given as it is, with its own usage and stop reason."""

Script = Iterable[Answer] | Callable[[ModelRequest], Answer]
"""The answers in order, or a function that finds one for each request."""


def call(tool: str, /, **arguments: object) -> ToolCall:
    """A tool call with these arguments; the provider numbers it when it says it."""
    return ToolCall("", tool, json.dumps(arguments))


class ScriptedProvider:
    """A `Provider` that answers from a script and keeps what it was asked in `requests`.

    A list is used up from the front; a request beyond its end is refused with ModelRejected. Text is streamed word by
    word, thoughts and arguments as a whole.
    """

    def __init__(self, script: Script, *, name: str = "scripted", context_tokens: int = 128_000) -> None:
        self.requests: list[ModelRequest] = []
        self.default_model = "model"
        self._name = name
        self._context_tokens = context_tokens
        self._find = script if callable(script) else _from_list(script)
        self._calls = 0

    @property
    def name(self) -> str:
        return self._name

    async def models(self) -> list[ModelInfo]:
        return [ModelInfo(self.default_model, self._context_tokens)]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        self.requests.append(request)
        answer = self._find(request)
        parts: list[Part] = []
        for step in _steps(answer):
            if isinstance(step, Pause):
                await step.hold()
                continue
            if isinstance(step, ModelError):
                raise step
            part = self._numbered(step)
            if request.stream:
                for delta in _deltas(part, index=sum(isinstance(known, ToolCall) for known in parts)):
                    yield delta
            parts.append(part)
        yield answer if isinstance(answer, AssistantMessage) else self._message(request, tuple(parts))

    def _numbered(self, step: str | Part) -> Part:
        if isinstance(step, str):
            return Text(step)
        if isinstance(step, ToolCall) and not step.id:
            self._calls += 1
            return msgspec.structs.replace(step, id=f"call_{self._calls}")
        return step

    def _message(self, request: ModelRequest, parts: tuple[Part, ...]) -> AssistantMessage:
        """Usage counts messages and parts: easy to foresee."""
        wants_tools = any(isinstance(part, ToolCall) for part in parts)
        return AssistantMessage(
            parts,
            stop_reason="tool_calls" if wants_tools else "end",
            usage=Usage(input=len(request.messages), output=len(parts)),
            provider=self._name,
            model=request.model,
        )


def _from_list(answers: Iterable[Answer]) -> Callable[[ModelRequest], Answer]:
    rest: Iterator[Answer] = iter(answers)

    def find(request: ModelRequest) -> Answer:
        for answer in rest:
            return answer
        raise ModelRejected("the script has no answer left", "give it as many answers as it gets requests")

    return find


def _steps(answer: Answer) -> tuple[Step, ...]:
    if isinstance(answer, AssistantMessage):
        return answer.parts
    return answer if isinstance(answer, tuple) else (answer,)


def _deltas(part: Part, index: int) -> Iterator[Delta]:
    match part:
        case Text(text=text):
            yield from (TextDelta(word) for word in _words(text))
        case Thinking(text=text):
            yield ThinkingDelta(text)
        case ToolCall(id=call_id, name=name, arguments=arguments):
            yield ToolArgumentsDelta(index, "", call_id, name)
            yield ToolArgumentsDelta(index, arguments)


def _words(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find(" ", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _valid(said: list[Delta | StreamReset | AssistantMessage]) -> list[Delta | StreamReset | AssistantMessage]:
    """What was said since the last reset, which made void all before it."""
    resets = [place for place, item in enumerate(said, 1) if isinstance(item, StreamReset)]
    return said[max(resets, default=0) :]


class ProviderContract:
    """The rules every provider keeps, as tests: inherit from it in a test class and say how to open yours.

    `request()` must be one that the provider answers. The checks run on a fresh event loop each.
    """

    def open(self) -> AbstractAsyncContextManager[Provider]:
        """A provider, ready to be asked, and closed at the end of the block."""
        raise NotImplementedError

    def request(self, *, stream: bool = True) -> ModelRequest:
        raise NotImplementedError

    def test_the_whole_message_comes_last_and_once(self) -> None:
        async def check(provider: Provider) -> None:
            said = [item async for item in provider.stream(self.request())]
            assert [isinstance(item, AssistantMessage) for item in said] == [False] * (len(said) - 1) + [True]

        self._with_provider(check)

    def test_the_deltas_add_up_to_the_message(self) -> None:
        async def check(provider: Provider) -> None:
            said = _valid([item async for item in provider.stream(self.request())])
            message = said[-1]
            assert isinstance(message, AssistantMessage)
            assert "".join(item.text for item in said if isinstance(item, TextDelta)) == message.text
            assert "".join(item.text for item in said if isinstance(item, ThinkingDelta)) == message.thinking
            for index, tool_call in enumerate(message.tool_calls):
                pieces = [item for item in said if isinstance(item, ToolArgumentsDelta) and item.index == index]
                assert "".join(piece.text for piece in pieces) == tool_call.arguments
                assert (pieces[0].id, pieces[0].name) == (tool_call.id, tool_call.name)

        self._with_provider(check)

    def test_without_streaming_only_the_message_comes(self) -> None:
        async def check(provider: Provider) -> None:
            said = [item async for item in provider.stream(self.request(stream=False))]
            assert [type(item) for item in said] == [AssistantMessage]

        self._with_provider(check)

    def test_a_reader_may_stop_in_the_middle(self) -> None:
        async def check(provider: Provider) -> None:
            stream = provider.stream(self.request())
            await anext(stream)
            await stream.aclose()

        self._with_provider(check)

    def test_every_model_has_a_name_and_room(self) -> None:
        async def check(provider: Provider) -> None:
            for model in await provider.models():
                assert model.name
                assert model.context_tokens > 0

        self._with_provider(check)

    def _with_provider(self, check: Callable[[Provider], Coroutine[object, object, None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(30), self.open() as provider:
                assert provider.name
                await check(provider)

        asyncio.run(main())
