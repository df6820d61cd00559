"""The embedded default: a small offline model that understands a handful of phrases and drives the real tools.

It is no language model and says so. What it answers depends on nothing but the conversation.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from carapax.events import Delta, TextDelta, ToolArgumentsDelta
from carapax.messages import (
    AssistantMessage,
    Message,
    ModelInfo,
    ModelRequest,
    Part,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
)
from carapax.models.server import Server

NOTES = "notes.md"
HELP = """I am Carapax's built-in demo: a few fixed phrases, no language model, no network. I understand

- run `COMMAND`
- read FILE
- write TEXT to FILE
- list FOLDER
- search TEXT in FOLDER
- fetch URL
- remember SOMETHING, what do you remember
- what did I say
- help

and several of them joined by "then". To talk to a real model, set the key of a vendor such as ANTHROPIC_API_KEY or
OPENAI_API_KEY, or start a local server such as Ollama, and start the gateway again."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The built-in offline model.

    delay_s: wait before each word, to show streaming at a human pace
    """

    delay_s: float = 0.0


class _Say(Struct, frozen=True):
    text: str


class _Use(Struct, frozen=True):
    """A tool to call, the words that go before its output, and those for its failure if it needs none of its own."""

    tool: str
    arguments: dict[str, Any]
    done: str
    show: bool = True
    failed: str = ""


_Step = _Say | _Use


def _run(command: str) -> _Step:
    return _Use("shell", {"command": command}, f"`{command}` gave:")


def _read(path: str) -> _Step:
    return _Use("read_file", {"path": path}, f"{path} holds:")


def _write(text: str, path: str) -> _Step:
    return _Use("write_file", {"path": path, "content": text}, f"I wrote {path}.", show=False)


def _list(path: str = "") -> _Step:
    return _Use("list_files", {"path": path or "."}, f"In {path or 'the workspace'} there is:")


def _search(pattern: str, path: str = "") -> _Step:
    arguments = {"pattern": pattern, "path": path or "."}
    return _Use("search_files", arguments, f"I looked for {pattern!r} and found:")


def _fetch(url: str) -> _Step:
    return _Use("web_fetch", {"url": url}, f"{url} says:")


def _remember(what: str) -> _Step:
    arguments = {"path": NOTES, "content": f"- {what}\n", "append": True}
    return _Use("write_file", arguments, f"I will remember: {what}", show=False)


def _recall() -> _Step:
    return _Use("read_file", {"path": NOTES}, "I remember:", failed="I remember nothing yet.")


PERSONA = "write_persona"
GREETING = "Hello! I am new here: Carapax's built-in demo. Before we begin, tell me in one message"
_QUESTIONS = {
    "user_name": "what I shall call you (`call me Sam`)",
    "agent_name": "what you will call me (`you are Ada`)",
    "manner": "how I shall talk (`be brief`)",
    "avoid": "what I shall avoid (`avoid jargon`)",
}
_CALLED = r"\s+(?P<said>\w[^.,;!\n]*?)(?=\s+and\b|[.,;!\n]|$)"
_ANSWERS = {
    "user_name": rf"\b(?:call me|my name is|i am|i'm){_CALLED}",
    "agent_name": rf"\b(?:you are|you're|your name is|i(?:'ll| will)? call you){_CALLED}",
    "manner": r"(?:^|[.,;!\n]|\band\b)\s*be\s+(?P<said>[^.;!\n]+)",
    "avoid": r"\b(?:avoid|never)\s+(?P<said>[^.;!\n]+)",
}
_BARE = r"`+(?:\w+\n)?(.+?)`+|\"(.+?)\"|'(.+?)'|(.+?)"
_PHRASES: tuple[tuple[re.Pattern[str], Callable[..., _Step]], ...] = tuple(
    (re.compile(rf"(?:please\s+)?{pattern}".replace("OBJECT", f"(?:{_BARE})"), re.I | re.S), build)
    for pattern, build in (
        (r"(?:run|execute)\s+OBJECT", _run),
        (r"(?:read|show|cat)\s+OBJECT[.!?]?", _read),
        (r"write\s+OBJECT\s+(?:in)?to\s+OBJECT[.!?]?", _write),
        (r"(?:list|ls)(?:\s+(?:the\s+)?(?:files|folder)(?:\s+in)?)?(?:\s+OBJECT)?[.!?]?", _list),
        (r"(?:search(?:\s+for)?|find|grep)\s+OBJECT(?:\s+in\s+OBJECT)?[.!?]?", _search),
        (r"(?:fetch|open|get)\s+OBJECT[.!?]?", _fetch),
        (r"remember(?:\s+that)?[\s:]+OBJECT", _remember),
        (r"what\s+(?:do|can)\s+you\s+remember.*", _recall),
        (r"(?:hello|hi|hey|help|good \w+|who are you|what can you do)\b.*", lambda: _Say(HELP)),
    )
)
_ABOUT = re.compile(r"\s*(?:help|who are you|what (?:can|did|do|have))\b", re.I)
_SAID = re.compile(r"what\s+(?:did|have)\s+i\s+sa(?:y|id).*", re.I | re.S)
_THEN = re.compile(
    r"```.*?```|`[^`]*`|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|(?P<then>[\s,;]+(?:and\s+)?then[\s,:]+)", re.I | re.S
)


def respond(request: ModelRequest, new_id: Callable[[], str]) -> tuple[Part, ...]:
    """What the demo says next: one tool call, or the answer when all that was asked for is done."""
    place = max((at for at, message in enumerate(request.messages) if isinstance(message, UserMessage)), default=-1)
    if place < 0:
        return (Text(HELP),)
    before, text = request.messages[:place], request.messages[place].text
    results = [message for message in request.messages[place + 1 :] if isinstance(message, ToolResult)]
    offered = {tool.name: tool.parameters for tool in request.tools}
    steps = _first_meeting(text, before, offered, results) or _understand(text, before)
    steps = [_refused(step) if isinstance(step, _Use) and not _can(step, offered) else step for step in steps]
    uses = [step for step in steps if isinstance(step, _Use)]
    if len(results) < len(uses):
        following = uses[len(results)]
        return (ToolCall(new_id(), following.tool, msgspec.json.encode(following.arguments).decode()),)
    given = iter(results)
    told = [_report(step, next(given)) if isinstance(step, _Use) else step.text for step in steps]
    return (Text("\n\n".join([*_untold(request.messages[:place]), *told])),)


def _can(use: _Use, offered: Mapping[str, Any]) -> bool:
    """The tool for the persona goes away with its one call."""
    return use.tool in offered or use.tool == PERSONA


def _first_meeting(
    text: str, before: tuple[Message, ...], offered: Mapping[str, Any], results: list[ToolResult]
) -> list[_Step]:
    """Where nobody has said yet who it is to be: ask, when it is greeted; and what to do about the answers."""
    says = all(isinstance(step, _Say) for step in _understand(text, ()))
    if PERSONA in offered and not before and says and not _ABOUT.match(text):
        asked = [f"- {_QUESTIONS[name]}" for name in offered[PERSONA]["properties"] if name in _QUESTIONS]
        return [_Say("\n".join([GREETING, "", *asked, "", "Leave out what you like, or say what you want done."]))]
    greeting = before[-1] if before else None
    is_open = PERSONA in offered or any(result.name == PERSONA for result in results)
    if not (isinstance(greeting, AssistantMessage) and greeting.text.startswith(GREETING) and is_open):
        return []
    asked = [name for name, question in _QUESTIONS.items() if question in greeting.text]
    answers = {name: found["said"].strip() for name in asked if (found := re.search(_ANSWERS[name], text, re.I | re.M))}
    first = next((message.text for message in reversed(before) if isinstance(message, UserMessage)), "")
    return [_Use(PERSONA, answers, _thanks(answers), show=False), *_understand(first, ())] if answers else []


def _thanks(answers: Mapping[str, str]) -> str:
    whom, who = answers.get("user_name"), answers.get("agent_name")
    return f"Thank you{f', {whom}' if whom else ''}!{f' I am {who}.' if who else ''} I have written it down."


def _understand(text: str, before: tuple[Message, ...]) -> list[_Step]:
    if "<conversation>" in text:
        return [_Say(_gist(text))]
    return [_phrase(clause, before) for clause in _clauses(text)]


def _clauses(text: str) -> Iterator[str]:
    """What stands between the "then"s, those within quotes left alone."""
    start = 0
    for found in _THEN.finditer(text):
        if found["then"]:
            yield text[start : found.start()].strip()
            start = found.end()
    yield text[start:].strip()


def _phrase(clause: str, before: tuple[Message, ...]) -> _Step:
    if _SAID.fullmatch(clause):
        return _Say(_said(before))
    for pattern, build in _PHRASES:
        if found := pattern.fullmatch(clause):
            return build(*(group.strip() for group in found.groups() if group is not None))
    return _Say(f"I do not understand {_short(clause)!r}.\n\n{HELP}")


def _refused(use: _Use) -> _Say:
    return _Say(f"For that I need the tool `{use.tool}`, which this agent may not use.")


def _said(before: tuple[Message, ...]) -> str:
    told = [f"- {message.text}" for message in before if isinstance(message, UserMessage)]
    return "\n".join(["You said:", *told]) if told else "You have said nothing before."


def _gist(text: str) -> str:
    """Asked to sum up a conversation, the demo repeats what the person said, newest last."""
    said = [line for line in text.splitlines() if line.startswith("Person: ")]
    return "\n".join(_short(line.removeprefix("Person: ")) for line in said[-30:]) or "Nothing was said."


def _untold(before: tuple[Message, ...]) -> list[str]:
    """Results of calls that a new message overtook before they were told."""
    told = max((at for at, message in enumerate(before) if _speaks(message)), default=-1)
    return [
        f"`{message.name}` gave:\n{_fence(message.text)}"
        for message in before[told + 1 :]
        if isinstance(message, ToolResult)
    ]


def _speaks(message: Message) -> bool:
    return isinstance(message, AssistantMessage) and not message.tool_calls


def _report(use: _Use, result: ToolResult) -> str:
    if result.is_error:
        return use.failed or f"`{use.tool}` did not work:\n{_fence(result.text)}"
    return f"{use.done}\n{_fence(result.text)}" if use.show else use.done


def _fence(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"


def _tokens(text: str) -> int:
    return -(-len(text) // 4)


class Demo:
    """The offline model as a provider; it never fails."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._clock = server.clock

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        parts = respond(request, lambda: f"demo_{self._clock.new_id()}")
        for delta in _deltas(parts) if request.stream else ():
            if self._config.delay_s:
                await asyncio.sleep(self._config.delay_s)
            yield delta
        calls = any(isinstance(part, ToolCall) for part in parts)
        asked = request.system + "".join(getattr(message, "text", "") for message in request.messages)
        yield AssistantMessage(
            parts,
            stop_reason="tool_calls" if calls else "end",
            usage=Usage(input=_tokens(asked), output=sum(_tokens(_words(part)) for part in parts)),
            provider=self.name,
            model=request.model,
        )

    async def models(self) -> list[ModelInfo]:
        return [ModelInfo("demo")]


def _words(part: Part) -> str:
    return part.arguments if isinstance(part, ToolCall) else part.text


def _deltas(parts: tuple[Part, ...]) -> Iterator[Delta]:
    for part in parts:
        if isinstance(part, ToolCall):
            yield ToolArgumentsDelta(0, part.arguments, part.id, part.name)
        else:
            yield from (TextDelta(word) for word in re.findall(r"\S+\s*|\s+", part.text))


EXTENSION = Demo
