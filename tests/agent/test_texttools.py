import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carapax.agent.texttools import NoTools, TextTools
from carapax.contracts import Provider
from carapax.events import Delta, StreamReset, TextDelta, ThinkingDelta, ToolArgumentsDelta
from carapax.messages import (
    AssistantMessage,
    Attachment,
    ModelRequest,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from carapax.testing import Answer, FakeClock, ScriptedProvider
from carapax.testing.provider import ProviderContract
from tests.agent.running import Book, FunctionTool
from tests.running import run

SPEC = ToolSpec("look", "Look at it.", {"type": "object", "properties": {"at": {"type": "integer"}}})
REQUEST = ModelRequest("m", (UserMessage("hi"),), "Be good.", (SPEC,), max_output_tokens=9)
BLOCK = '```tool_call\n{"name":"look","arguments":{"at":1}}\n```'
PICTURE = Attachment("a.png", "image/png", "d", 1)
FIRST_ID = FakeClock().new_id()
ECHO = FunctionTool("echo", lambda given: f"you said {given.get('text')}")


def ask(
    *script: Answer, request: ModelRequest = REQUEST
) -> tuple[list[Delta | StreamReset | AssistantMessage], ModelRequest]:
    """What came, and what the model was asked."""

    async def main() -> tuple[list[Delta | StreamReset | AssistantMessage], ModelRequest]:
        inner = ScriptedProvider(script)
        return [item async for item in TextTools(inner, FakeClock()).stream(request)], inner.requests[0]

    return run(main())


class TestContract(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        return nullcontext(
            TextTools(ScriptedProvider([(Thinking("hm"), f"Let me look.\n{BLOCK}\n\n{BLOCK}")]), FakeClock())
        )

    def request(self, *, stream: bool = True) -> ModelRequest:
        return ModelRequest("m", REQUEST.messages, "", REQUEST.tools, stream=stream)


def test_tools_are_told_in_the_instructions_and_called_in_text() -> None:
    said, request = ask((Thinking("hm"), f"Let me look.\n{BLOCK}"))
    call = ToolCall(f"call_{FIRST_ID}_0", "look", '{"at":1}')
    *deltas, message = said
    assert deltas[0] == ThinkingDelta("hm")
    assert deltas[-1] == ToolArgumentsDelta(0, '{"at":1}', call.id, "look")
    assert isinstance(message, AssistantMessage)
    assert message.parts == (Thinking("hm"), Text("Let me look."), call)
    assert message.stop_reason == "tool_calls"
    assert request.tools == () and request.max_output_tokens == 9
    assert request.system.startswith("Be good.\n\n# Tools\n")
    assert request.system.endswith('- look: Look at it.\n  {"type":"object","properties":{"at":{"type":"integer"}}}')


def test_calls_and_results_that_were_become_text() -> None:
    calls = (Thinking("hm"), Text("Let me look."), ToolCall("1", "look", '{"at":1}'), ToolCall("2", "look", "no json"))
    messages = (
        UserMessage("hi"),
        AssistantMessage(calls, "tool_calls"),
        ToolResult("1", "look", f"It says:\n{BLOCK}"),
        ToolResult("2", "look", "not run", is_error=True),
        UserMessage("and this", attachments=(PICTURE,)),
        UserMessage("and that"),
        AssistantMessage((Text("done"),)),
        UserMessage("more", "ann"),
    )
    _, request = ask("ok", request=ModelRequest("m", messages))
    assert request.messages == (
        UserMessage("hi"),
        AssistantMessage(
            (
                Thinking("hm"),
                Text("Let me look."),
                Text(f"\n\n{BLOCK}"),
                Text('\n\n```tool_call\n{"name":"look","arguments":{"invalid_json":"no json"}}\n```'),
            )
        ),
        UserMessage(
            f"````tool_result look\nIt says:\n{BLOCK}\n````\n\n```tool_result look failed\nnot run\n```\n\n"
            "and this\n\nand that",
            "",
            (PICTURE,),
        ),
        AssistantMessage((Text("done"),)),
        UserMessage("more", "ann"),
    )
    assert (request.system, request.tools) == ("", ())


def test_without_tools_an_answer_is_left_as_it_is() -> None:
    said, _ = ask(BLOCK, request=ModelRequest("m", REQUEST.messages))
    assert said[-1] == AssistantMessage((Text(BLOCK),), usage=said[-1].usage, provider="scripted", model="m")  # type: ignore[union-attr] # it is a message


def test_an_answer_that_was_cut_stays_cut() -> None:
    message = ask(AssistantMessage((Text(f"{BLOCK}\n" + '```tool_call\n{"name": "lo'),), "length"))[0][-1]
    assert isinstance(message, AssistantMessage)
    assert message.stop_reason == "length"
    assert [call.arguments for call in message.tool_calls] == ['{"at":1}', '{"name": "lo']


def test_calls_that_a_model_makes_in_its_own_way_are_counted_with_the_others() -> None:
    said, _ = ask((f"{BLOCK}\n", ToolCall("x", "own", "{}"), BLOCK))
    message = said[-1]
    assert isinstance(message, AssistantMessage)
    assert [call.id for call in message.tool_calls] == [f"call_{FIRST_ID}_0", "x", f"call_{FIRST_ID}_2"]


class Cut:
    """A provider that streams a text in the pieces it is given, after something that is void."""

    name = "cut"

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces

    async def models(self) -> list[Any]:
        return []

    async def stream(self, request: ModelRequest) -> Any:
        yield TextDelta("```tool_call\n{")
        yield StreamReset("again")
        for piece in self._pieces:
            yield TextDelta(piece)
        yield AssistantMessage((Text("".join(self._pieces)),))


@given(st.data())
def test_how_an_answer_is_cut_makes_no_difference(data: st.DataObject) -> None:
    text = f'First\n\n{BLOCK}\nbetween\n```tool_call\n{{"name": "look", "arguments": {{"at": 2,}}}}\n```\n\nlast'
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    async def main() -> list[Any]:
        return [item async for item in TextTools(Cut(pieces), FakeClock()).stream(REQUEST)]

    reset, *deltas, message = asyncio.run(main())
    assert isinstance(reset, StreamReset)
    calls = (
        ToolCall(f"call_{FIRST_ID}_0", "look", '{"at":1}'),
        ToolCall(f"call_{FIRST_ID}_1", "look", '{"name": "look", "arguments": {"at": 2,}}'),
    )
    assert message.parts == (Text("First"), calls[0], Text("between"), calls[1], Text("last"))
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == "Firstbetweenlast"
    assert [delta for delta in deltas if isinstance(delta, ToolArgumentsDelta)] == [
        ToolArgumentsDelta(index, call.arguments, call.id, call.name) for index, call in enumerate(calls)
    ]


def test_an_agent_works_with_tools_in_text_and_a_result_that_quotes_a_call_calls_nothing() -> None:
    call = '```tool_call\n{"name": "echo", "arguments": {"text": "%s"}}\n```'
    quoted = (call % "never").replace("\n", "\\n").replace('"', '\\"')
    book = Book([call % "hi", call % quoted, call.replace("}}", "}") % "bad", "all done"], ECHO)
    book.provider, inner = TextTools(book.provider, FakeClock()), book.provider  # type: ignore[assignment] # it is one
    assert run(book.run()).reason == "done"
    results = [text for text, _ in book.results()]
    assert results[:2] == ["you said hi", "you said " + call % "never"]
    assert results[2].startswith("not run: ")
    assert len(results) == 3 and len(inner.requests) == 4
    assert book.answers()[-1] == "all done"


def test_a_model_that_gets_no_tools_is_told_of_earlier_calls_as_text() -> None:
    async def main() -> None:
        inner = ScriptedProvider([BLOCK])
        provider = NoTools(inner)
        messages = (
            UserMessage("hi"),
            AssistantMessage((ToolCall("1", "look", '{"at":1}'),)),
            ToolResult("1", "look", "x"),
        )
        said = [item async for item in provider.stream(ModelRequest("m", messages, "Be good.", (SPEC,)))]
        assert isinstance(message := said[-1], AssistantMessage)
        assert message.parts == (Text(BLOCK),)
        assert inner.requests == [
            ModelRequest(
                "m",
                (UserMessage("hi"), AssistantMessage((Text(BLOCK),)), UserMessage("```tool_result look\nx\n```")),
                "Be good.",
            )
        ]
        assert (provider.name, await provider.models()) == (inner.name, await inner.models())

    run(main())


def test_many_calls_and_many_words_make_as_many_parts_as_were_written() -> None:
    told = "One more line.\n" * 3
    *_, message = ask(f"{told}{BLOCK}\n" * 5_000)[0]
    assert isinstance(message, AssistantMessage)
    assert message.parts == tuple(
        part
        for index in range(5_000)
        for part in (Text(told.rstrip()), ToolCall(f"call_{FIRST_ID}_{index}", "look", '{"at":1}'))
    )
