"""A conversation that was begun in one dialect goes on in any other, also under the same name of a provider: what one
vendor wants back is told to no other."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from carapax.messages import AssistantMessage, ModelRequest, Part, Text, Thinking, ToolCall, ToolResult, UserMessage
from carapax.providers import anthropic, bedrock, cohere, gemini, ollama, openai_chat, openai_responses

SEAL = "only-for-its-own-vendor"
LOOK = ("call_1", "look", '{"a":1}')
ANSWERS: dict[str, tuple[Part, ...]] = {
    "anthropic": (
        Thinking("hm", {"signature": SEAL}),
        Thinking("", {"redacted_thinking": SEAL}),
        Text("", {"block": {"type": "server_tool_use", "id": SEAL, "name": "search", "input": {}}}),
        Text("Hi", {"citations": [{"title": SEAL}]}),
        ToolCall(*LOOK, {"caller": {"type": SEAL}}),
    ),
    "bedrock": (
        Thinking("hm", {"redacted": SEAL}),
        Text("", {"block": {"toolUse": {"toolUseId": SEAL, "type": "server_tool_use"}}}),
        Text("Hi"),
        ToolCall(*LOOK),
    ),
    "gemini": (
        Thinking("hm", {"thought": True, "thoughtSignature": SEAL}),
        Text("", {"part": {"executableCode": {"code": SEAL}}}),
        Text("Hi", {"thoughtSignature": SEAL, "grounding_metadata": {"a": SEAL}}),
        ToolCall(*LOOK, {"id": SEAL, "thoughtSignature": SEAL}),
    ),
    "openai_chat": (
        Thinking("hm", {"reasoning_details": [{"type": "reasoning.encrypted", "data": SEAL}]}),
        Text("Hi"),
        ToolCall(*LOOK, {"extra_content": {"google": {"thought_signature": SEAL}}}),
    ),
    "openai_responses": (
        Thinking("hm", {"item": {"type": "reasoning", "id": SEAL, "encrypted_content": SEAL}}),
        Text("", {"item": {"type": "web_search_call", "id": SEAL}}),
        Text("Hi", {"item": {"type": "message", "id": SEAL}, "annotations": [{"url": SEAL}]}),
        ToolCall(*LOOK, {"item": {"type": "function_call", "id": SEAL}}),
    ),
}
ENCODERS: dict[str, Callable[[ModelRequest], dict[str, Any]]] = {
    "anthropic": lambda request: anthropic.encode(request, anthropic.Config()),
    "bedrock": lambda request: bedrock.encode(request, bedrock.Config()),
    "cohere": lambda request: cohere.encode(request, cohere.Config()),
    "gemini": lambda request: gemini.encode(request, gemini.Config({"m-*": "low"})),
    "ollama": lambda request: ollama.encode(request, ollama.Config()),
    "openai_chat": lambda request: openai_chat.encode(request, openai_chat.Config(thinking_field="reasoning_details")),
    "openai_responses": lambda request: openai_responses.encode(request, openai_responses.Config()),
}


@pytest.mark.parametrize("begun", ANSWERS)
@pytest.mark.parametrize("continued", ENCODERS)
def test_what_a_vendor_wants_back_is_told_to_itself_only(begun: str, continued: str) -> None:
    answer = AssistantMessage(ANSWERS[begun], "tool_calls", provider="mine", model=f"m-{begun}")
    messages = (UserMessage("Hello"), answer, ToolResult("call_1", "look", "a cat"))
    body = msgspec.json.encode(ENCODERS[continued](ModelRequest(f"m-{continued}", messages))).decode()
    assert (SEAL in body) == (begun == continued)
    for said in ("Hello", "Hi", "look", "a cat"):
        assert said in body
