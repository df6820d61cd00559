"""What tools say holds no secrets."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from carapax.agent.redacted import Redacted
from carapax.agent.toolbox import Tools
from carapax.contracts import ToolContext
from carapax.errors import InvalidRequest
from carapax.messages import ToolCall
from carapax.redaction import MASK, Secret
from carapax.redactor import Redactor
from tests.agent.running import Book, FunctionTool
from tests.running import run

VALUE = "value-of-a-secret-1"
TOOL = FunctionTool("echo", lambda given: str(given["text"]))


async def redactor() -> Redactor:
    return Redactor([Secret(VALUE)])


class Talking(Tools):
    """Shows what it is given in pieces, then fails with it."""

    async def call(self, tool: object, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        for letter in arguments["text"]:
            context.progress(letter)
        raise InvalidRequest(f"no {arguments['text']}", f"try {arguments['text']}")


def test_the_answer_of_a_tool_holds_no_secret() -> None:
    toolbox = Redacted(Tools([TOOL]), redactor)
    assert ([spec.name for spec in toolbox.specs()], toolbox.find("echo")) == (["echo"], TOOL)
    context = Book([]).context(TOOL, ToolCall("1", "echo", "{}"))
    assert run(toolbox.call(TOOL, context, {"text": f"it is {VALUE}"})) == f"it is {MASK}"


def test_neither_do_progress_and_errors() -> None:
    shown: list[str] = []
    context = replace(Book([]).context(TOOL, ToolCall("1", "echo", "{}")), progress=shown.append)
    with pytest.raises(InvalidRequest) as caught:
        run(Redacted(Talking([TOOL]), redactor).call(TOOL, context, {"text": f"it is {VALUE}!"}))
    assert str(caught.value) == f"no it is {MASK}! (try it is {MASK}!)"
    assert "".join(shown) == f"it is {MASK}!"
