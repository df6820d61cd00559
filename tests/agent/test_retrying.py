"""Asking again."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from carapax.agent.retrying import Retrying
from carapax.errors import ModelBusy, ModelError, ModelRejected, ModelUnauthorized, ModelUnavailable
from carapax.events import Delta, StreamReset, TextDelta
from carapax.messages import AssistantMessage, ModelInfo, ModelRequest, Text, ToolCall, UserMessage
from carapax.testing import Answer, FakeClock, ScriptedProvider
from carapax.testing.simulation import simulate
from tests.running import run

REQUEST = ModelRequest("m", (UserMessage("hi"),))
DOWN = ModelUnavailable("the server is down")
EMPTY = AssistantMessage(())


def busy(retry_after_s: float) -> ModelBusy:
    return ModelBusy("too much", retry_after_s=retry_after_s)


def ask(*script: Answer, **settings: Any) -> tuple[list[object], float]:
    """What came, a message as its text and a failure as itself, and how long it took in virtual seconds."""

    async def main() -> tuple[list[object], float]:
        said: list[object] = []
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async for item in Retrying(ScriptedProvider(script), FakeClock(), **settings).stream(REQUEST):
                said.append(item.text if isinstance(item, AssistantMessage) else item)
        except ModelError as error:
            said.append(error)
        return said, loop.time() - started

    return simulate(main())


def test_an_answer_passes_through() -> None:
    assert ask("hello") == ([TextDelta("hello"), "hello"], 0)


def test_a_failure_before_the_first_word_is_hidden() -> None:
    said, waited_s = ask(DOWN, DOWN, "hello")
    assert said == [TextDelta("hello"), "hello"]
    assert 1.5 <= waited_s <= 2.25


def test_a_failure_in_the_middle_makes_void_what_was_said() -> None:
    said, _ = ask(("he", DOWN), "hello")
    assert said == [TextDelta("he"), StreamReset("the server is down; trying again"), TextDelta("hello"), "hello"]


def test_the_last_failure_is_told_after_three_tries_and_within_five_seconds() -> None:
    last = ModelUnavailable("still down")
    said, waited_s = ask(DOWN, DOWN, last, "too late")
    assert said == [last]
    assert waited_s < 5
    assert ask(DOWN, DOWN, last, "too late", budget_s=90)[0] == [last]


def test_the_vendor_may_ask_for_a_longer_wait() -> None:
    said, waited_s = ask(busy(3), "hello")
    assert said[-1] == "hello"
    assert waited_s == 3


def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    error = busy(60)
    assert ask(error, "too late") == ([error], 0)
    assert ask(error, "hello", budget_s=90)[0][-1] == "hello"


class Silent:
    """A provider that takes its time to fail, and then answers."""

    name = "silent"

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s

    async def models(self) -> list[ModelInfo]:
        return []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        if silence_s := self._silence_s:
            self._silence_s = 0
            await asyncio.sleep(silence_s)
            raise DOWN
        yield AssistantMessage((Text("hello"),))


@pytest.mark.parametrize(("silence_s", "asked_again"), [(9, True), (11, False)])
def test_a_model_that_takes_too_long_to_fail_is_not_asked_again(silence_s: float, asked_again: bool) -> None:
    async def main() -> bool:
        try:
            return bool(
                [item async for item in Retrying(Silent(silence_s), FakeClock(), patience_s=10).stream(REQUEST)]
            )
        except ModelUnavailable:
            return False

    assert simulate(main()) == asked_again


@pytest.mark.parametrize("error", [ModelRejected("no"), ModelUnauthorized("no")])
def test_what_cannot_pass_is_told_at_once(error: ModelError) -> None:
    assert ask(error, "too late") == ([error], 0)


def test_name_and_models_are_those_of_the_provider() -> None:
    inner = ScriptedProvider([], name="inner")
    retrying = Retrying(inner, FakeClock())
    assert retrying.name == "inner"
    assert run(retrying.models()) == run(inner.models())


@pytest.mark.parametrize("empty", [EMPTY, AssistantMessage((), "tool_calls")])
def test_an_answer_without_any_content_is_asked_for_again_twice_and_then_told(empty: AssistantMessage) -> None:
    assert ask(empty, empty, "hello")[0] == [TextDelta("hello"), "hello"]
    said, _ = ask(empty, empty, empty, "too late")
    assert [str(item) for item in said] == [
        "scripted, model m: answered nothing (try again, or choose another model)",
    ]
    assert isinstance(said[0], ModelUnavailable)


@pytest.mark.parametrize(
    "answer",
    [AssistantMessage((), "length"), AssistantMessage((), "filtered"), AssistantMessage((ToolCall("1", "a", "{}"),))],
)
def test_an_answer_that_says_why_it_is_empty_is_passed_on(answer: AssistantMessage) -> None:
    assert ask(answer, AssistantMessage((Text("no"),)))[0][-1] == ""
