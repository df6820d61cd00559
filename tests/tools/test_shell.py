"""Commands of the model."""

from collections.abc import Mapping
from typing import Any

import pytest

from carapax.contracts import Execution
from carapax.errors import InvalidRequest
from carapax.redaction import Secret
from carapax.testing.sandbox import MemorySandbox
from carapax.tools.shell import EXTENSION, Config
from tests.tools.calling import call


def said(execution: Execution, **arguments: Any) -> str:
    return call(EXTENSION, Config(), MemorySandbox(script=lambda command: execution), command="x", **arguments)


@pytest.mark.parametrize(
    ("execution", "answer"),
    [
        (Execution(0, "out\n"), "out\n[exit code 0]"),
        (Execution(1, "no line end"), "no line end\n[exit code 1]"),
        (Execution(0, ""), "[exit code 0]"),
        (Execution(-11, ""), "[ended by signal 11]"),
        (Execution(-9, "so far\n", killed="time"), "so far\n[killed after 30 s, the time limit]"),
        (Execution(-9, "y\n", truncated=True, killed="output"), "y\n[killed: too much output]"),
    ],
)
def test_the_answer_tells_the_output_and_how_it_ended(execution: Execution, answer: str) -> None:
    assert said(execution) == answer


def test_the_command_reaches_a_shell_unchanged() -> None:
    sandbox = MemorySandbox()
    command = "echo \"$HOME\" 'a b' | cat; exit 3"
    call(EXTENSION, Config(), sandbox, command=command)
    assert [parts[-1] for parts in sandbox.commands] == [command]


def test_a_time_limit_beyond_the_allowed_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="more than the 600 allowed"):
        said(Execution(0, ""), timeout_s=601)


@pytest.mark.parametrize(
    ("command", "effects"),
    [("ls -l | head", {"read"}), ("ls; rm a", {"read", "write", "execute"}), ("ls '", {"read", "write", "execute"})],
)
def test_a_command_that_only_reads_has_no_other_effect(command: str, effects: set[str]) -> None:
    assert EXTENSION.effects_of({"command": command}) == effects


def test_a_command_gets_the_secrets_of_its_agent_as_variables() -> None:
    class Token:
        def told(self) -> str:
            return ""

        async def environment(self) -> Mapping[str, Secret]:
            return {"TOKEN": Secret("a value")}

    sandbox = MemorySandbox()
    call(EXTENSION, Config(), sandbox, credentials=Token(), command="true")
    call(EXTENSION, Config(), sandbox, command="true")
    assert sandbox.environments == [{"TOKEN": Secret("a value")}, {}]
