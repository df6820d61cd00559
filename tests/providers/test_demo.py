from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from carapax.contracts import Provider
from carapax.http import Http
from carapax.messages import (
    AssistantMessage,
    Message,
    ModelInfo,
    ModelRequest,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.server import Server
from carapax.providers.demo import GREETING, HELP, Config, Demo, respond
from carapax.testing import FakeClock, ProviderContract
from tests.running import run

TOOLS = ("shell", "read_file", "write_file", "list_files", "search_files", "web_fetch")


def request(*messages: Message | str, tools: tuple[str, ...] = TOOLS, stream: bool = True) -> ModelRequest:
    said = tuple(UserMessage(message) if isinstance(message, str) else message for message in messages)
    return ModelRequest("demo", said, tools=tuple(ToolSpec(name, "", {}) for name in tools), stream=stream)


def call(*messages: Message | str) -> tuple[str, dict[str, Any]]:
    [part] = respond(request(*messages), lambda: "id")
    assert isinstance(part, ToolCall)
    return part.name, msgspec.json.decode(part.arguments)


def text(*messages: Message | str, tools: tuple[str, ...] = TOOLS) -> str:
    [part] = respond(request(*messages, tools=tools), lambda: "id")
    assert isinstance(part, Text)
    return part.text


def used(tool: str) -> AssistantMessage:
    return AssistantMessage((ToolCall("id", tool, "{}"),), "tool_calls")


def gave(tool: str, output: str, *, is_error: bool = False) -> ToolResult:
    return ToolResult("id", tool, output, is_error)


@pytest.mark.parametrize(
    ("phrase", "tool", "arguments"),
    [
        ("run `uname -a`", "shell", {"command": "uname -a"}),
        ("Please RUN ls -la", "shell", {"command": "ls -la"}),
        ("run `if true; then echo hi; fi`", "shell", {"command": "if true; then echo hi; fi"}),
        ("run ```sh\necho a\necho b\n```", "shell", {"command": "echo a\necho b"}),
        ("read notes.md.", "read_file", {"path": "notes.md"}),
        ('read "my notes.txt"', "read_file", {"path": "my notes.txt"}),
        ("write hello world to a/b.txt", "write_file", {"path": "a/b.txt", "content": "hello world"}),
        ("write `go to bed` to 'plan b.txt'", "write_file", {"path": "plan b.txt", "content": "go to bed"}),
        ("list", "list_files", {"path": "."}),
        ("list the files in src", "list_files", {"path": "src"}),
        ("search needle in src", "search_files", {"pattern": "needle", "path": "src"}),
        ("find `a.b (c)`", "search_files", {"pattern": "a.b (c)", "path": "."}),
        ("fetch https://example.org/a?b=c", "web_fetch", {"url": "https://example.org/a?b=c"}),
        ("remember that I like tea", "write_file", {"path": "notes.md", "content": "- I like tea\n", "append": True}),
        ("What do you remember?", "read_file", {"path": "notes.md"}),
    ],
)
def test_a_phrase_drives_its_tool(phrase: str, tool: str, arguments: dict[str, Any]) -> None:
    assert call(phrase) == (tool, arguments)


def test_what_a_tool_gave_is_told_in_a_fence() -> None:
    assert text("run `uname`", used("shell"), gave("shell", "Linux\n")) == "`uname` gave:\n```\nLinux\n```"


def test_a_fence_is_longer_than_any_in_the_output() -> None:
    assert text("read a.md", used("read_file"), gave("read_file", "```\ncode\n```")).count("````") == 2


def test_a_tool_that_failed_is_told_to_have_failed() -> None:
    told = text("read a.md", used("read_file"), gave("read_file", "there is no a.md", is_error=True))
    assert told == "`read_file` did not work:\n```\nthere is no a.md\n```"


def test_requests_joined_by_then_are_done_in_turn_and_told_together() -> None:
    said = 'write "now, then go" to a.txt, then read a.txt then hello'
    assert call(said) == ("write_file", {"path": "a.txt", "content": "now, then go"})
    first = (used("write_file"), gave("write_file", "ok"))
    assert call(said, *first) == ("read_file", {"path": "a.txt"})
    second = (used("read_file"), gave("read_file", "now, then go"))
    assert text(said, *first, *second) == f"I wrote a.txt.\n\na.txt holds:\n```\nnow, then go\n```\n\n{HELP}"


def test_what_was_said_before_is_told_again() -> None:
    before = ("hello", AssistantMessage((Text("hi"),)), "I am here")
    assert text(*before, "What did I say?") == "You said:\n- hello\n- I am here"
    assert text("what did i say") == "You have said nothing before."


def test_what_is_to_be_remembered_is_confirmed() -> None:
    assert text("remember: tea", used("write_file"), gave("write_file", "ok")) == "I will remember: tea"
    recall = ("what do you remember", used("read_file"))
    assert text(*recall, gave("read_file", "- tea")) == "I remember:\n```\n- tea\n```"
    assert text(*recall, gave("read_file", "there is no notes.md", is_error=True)) == "I remember nothing yet."


def test_a_message_that_overtakes_a_result_does_not_hide_it_nor_run_anything_again() -> None:
    told = text("run `date`", used("shell"), gave("shell", "Monday"), "hello")
    assert told == f"`shell` gave:\n```\nMonday\n```\n\n{HELP}"


def test_who_it_is_stands_first_and_in_every_answer_to_what_it_does_not_understand() -> None:
    assert text("help") == HELP
    assert "demo" in HELP.splitlines()[0]
    assert text("compose a sonnet") == f"I do not understand 'compose a sonnet'.\n\n{HELP}"


def test_a_tool_that_is_not_offered_is_named() -> None:
    assert text("run `date`", tools=("read_file",)) == "For that I need the tool `shell`, which this agent may not use."


def test_asked_to_sum_up_it_repeats_what_the_person_said() -> None:
    task = "Summarise.\n\n<conversation>\nPerson: my name is Bo\n\nAgent: hello\n\nPerson: run `date`\n</conversation>"
    assert text(task) == "my name is Bo\nrun `date`"


@given(st.text(max_size=100))
def test_any_text_is_answered(said: str) -> None:
    assert respond(request(said), lambda: "id")


def test_an_answer_is_counted_roughly() -> None:
    async def main() -> AssistantMessage:
        async with Http() as http:
            demo = Demo(Config(), Server("demo", http, FakeClock()))
            said = [item async for item in demo.stream(request("run `date`", stream=False))]
            assert isinstance(said[-1], AssistantMessage)
            return said[-1]

    message = run(main())
    assert (message.stop_reason, message.usage) == ("tool_calls", Usage(input=3, output=5))
    assert run(Demo(Config(), Server("demo", Http(), FakeClock())).models()) == [ModelInfo("demo")]


class TestContract(ProviderContract):
    def open(self) -> AbstractAsyncContextManager[Provider]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Provider]:
            async with Http() as http:
                yield Demo(Config(delay_s=0.0001), Server("demo", http, FakeClock()))

        return opened()

    def request(self, *, stream: bool = True) -> ModelRequest:
        return request("hello", stream=stream)


class TestContractWithTools(TestContract):
    def request(self, *, stream: bool = True) -> ModelRequest:
        return request("run `date`", stream=stream)


PERSONA = ToolSpec(
    "write_persona", "", {"properties": {name: {} for name in ("user_name", "agent_name", "manner", "avoid")}}
)


def meeting(*messages: Message | str, offered: bool = True) -> str | tuple[str, dict[str, Any]]:
    """What it says or calls where nobody has said yet who it is to be, or no more."""
    asked = request(*messages)
    [part] = respond(replace(asked, tools=(*asked.tools, PERSONA) if offered else asked.tools), lambda: "id")
    if isinstance(part, ToolCall):
        return part.name, msgspec.json.decode(part.arguments)
    assert isinstance(part, Text)
    return part.text


def test_it_asks_who_it_is_to_be_writes_that_down_and_goes_on() -> None:
    greeting = meeting("hello")
    assert isinstance(greeting, str)
    assert greeting.startswith(GREETING)
    assert greeting.count("\n- ") == 4
    said = (
        "hello",
        AssistantMessage((Text(greeting),)),
        "Call me Sam and you are Ada. Be brief, please. Avoid jargon!",
    )
    answers = {"user_name": "Sam", "agent_name": "Ada", "manner": "brief, please", "avoid": "jargon"}
    assert meeting(*said) == ("write_persona", answers)
    after = (*said, used("write_persona"), gave("write_persona", "written"))
    assert meeting(*after, offered=False) == f"Thank you, Sam! I am Ada. I have written it down.\n\n{HELP}"


def test_who_wants_something_else_gets_it_instead() -> None:
    greeting = AssistantMessage((Text(str(meeting("hello"))),))
    assert meeting("hello", greeting, "list files") == ("list_files", {"path": "."})
    assert meeting("list files") == ("list_files", {"path": "."})
    assert meeting("help") == HELP
    assert str(meeting("hello", greeting, "be quiet", offered=False)).startswith("I do not understand")
