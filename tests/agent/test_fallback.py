from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.agent.fallback import Candidate, Fallback
from carapax.agent.health import Health, Watched
from carapax.agent.retrying import Retrying
from carapax.contracts import Provider
from carapax.errors import (
    CarapaxError,
    ConfigError,
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelRejected,
    ModelUnauthorized,
    ModelUnavailable,
    OverBudget,
)
from carapax.events import StreamReset, TextDelta, ThinkingDelta
from carapax.messages import AssistantMessage, ModelInfo, ModelRequest, Thinking, ToolCall, UserMessage
from carapax.store.health import State
from carapax.testing import Answer, FakeClock, ScriptedProvider
from carapax.testing.clock import START
from carapax.testing.simulation import simulate
from tests.agent.forgetful import Forgetful
from tests.running import run

REQUEST = ModelRequest("fast", (UserMessage("hi"),), "be good")
DOWN = ModelUnavailable("a is down", "it may work later", vendor="a", model="m", status=503)


def candidate(script: Sequence[Answer] | CarapaxError, name: str, context_tokens: int = 0) -> Candidate:
    """A model whose provider answers from the script, or cannot be opened."""

    async def open_it() -> tuple[Provider, str]:
        if isinstance(script, CarapaxError):
            raise script
        return ScriptedProvider(script, name=name), "m"

    return Candidate(name, "m", open_it, context_tokens)


def ask(*candidates: Candidate, states: Sequence[State] = (), stream: bool = True) -> list[object]:
    """What came, a message as who said what, and a failure as itself."""

    async def main() -> list[object]:
        said: list[object] = []
        request = ModelRequest("fast", REQUEST.messages, REQUEST.system, stream=stream)
        try:
            async for item in Fallback("fast", candidates, Health(Forgetful(), FakeClock(), states)).stream(request):
                said.append(f"{item.provider}: {item.text}" if isinstance(item, AssistantMessage) else item)
        except CarapaxError as error:
            said.append(error)
        return said

    return run(main())


def test_the_first_one_answers_when_it_can() -> None:
    assert ask(candidate(["one"], "a"), candidate(["two"], "b")) == [TextDelta("one"), "a: one"]


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        ModelBusy("too much", retry_after_s=3),
        ModelUnauthorized("no credit"),
        ModelRejected("gone", status=404),
        ModelRejected("moved", status=301),
        ModelRejected("invalid model: m", status=400),
        ModelRejected("m is not a valid model ID", status=400),
    ],
)
def test_a_model_that_fails_hands_the_request_to_the_next(error: ModelError) -> None:
    assert ask(candidate([error], "a"), candidate(["two"], "b")) == [TextDelta("two"), "b: two"]
    assert ask(candidate([error], "a"), candidate(["two"], "b"), stream=False) == ["b: two"]
    assert ask(candidate(error, "a"), candidate(["two"], "b"))[-1] == "b: two"


def test_the_next_one_gets_the_whole_request_under_its_own_name() -> None:
    async def main() -> None:
        second = ScriptedProvider(["two"], name="b")

        async def open_it() -> tuple[Provider, str]:
            return second, "bigger"

        chain = Fallback(
            "fast", [candidate([DOWN], "a"), Candidate("b", "", open_it)], Health(Forgetful(), FakeClock())
        )
        _ = [item async for item in chain.stream(REQUEST)]
        assert second.requests == [ModelRequest("bigger", REQUEST.messages, REQUEST.system)]
        assert await chain.models() == [ModelInfo("a/m"), ModelInfo("b")]

    run(main())


def test_what_was_shown_of_an_answer_that_broke_off_is_void() -> None:
    said = ask(candidate([(Thinking("hm"), "hel", DOWN)], "a"), candidate(["two"], "b"))
    assert said == [
        ThinkingDelta("hm"),
        TextDelta("hel"),
        StreamReset("a is down; b/m goes on"),
        TextDelta("two"),
        "b: two",
    ]


@pytest.mark.parametrize("error", [ModelRejected("temperature is wrong", status=400), OverBudget("spent")])
def test_what_would_fail_everywhere_is_told_at_once(error: ModelError) -> None:
    assert ask(candidate([error], "a"), candidate(["two"], "b")) == [error]


def test_a_conversation_that_is_too_long_goes_only_to_a_model_that_takes_more() -> None:
    error = ContextOverflow("too long")
    small, large = candidate(["two"], "b", 1000), candidate(["three"], "c", 3000)
    assert ask(candidate([error], "a", 1000), small, large)[-1] == "c: three"
    assert ask(candidate([error], "a", 3000), small, large) == [error]
    assert ask(candidate([error], "a"), candidate(["two"], "b"), large)[-1] == "c: three"
    assert ask(candidate([error], "a"), candidate(["two"], "b")) == [error]
    assert isinstance(ask(candidate([error], "a", 1000), candidate([DOWN], "c", 3000))[-1], ContextOverflow)


def test_when_nobody_answers_one_error_says_what_each_one_said() -> None:
    busy = ModelBusy("b is busy", "try again later", vendor="b", model="m", status=429, retry_after_s=9)
    [error] = ask(candidate([DOWN], "a"), candidate([busy], "b"), candidate(ConfigError("no c"), "c"))
    assert isinstance(error, ModelBusy)
    assert vars(error) == vars(
        ModelBusy(
            "no model of the chain fast answered: a/m: a is down; b/m: b is busy; c/m: no c",
            "try again later",
            vendor="b",
            model="m",
            status=429,
            retry_after_s=9,
        )
    )
    assert ask(candidate([DOWN], "a")) == [DOWN]
    [error] = ask(candidate(ConfigError("no a"), "a"), candidate(ConfigError("no b"), "b"))
    assert isinstance(error, ModelRejected)


def cooling(name: str, for_s: float) -> State:
    return State(name, "m", 1, START + for_s, "busy", "too much", START - 1)


def test_a_model_that_cools_down_is_asked_last() -> None:
    one, two, three = (candidate([name], name) for name in "abc")
    down = candidate([DOWN], "c")
    assert ask(one, two, states=[cooling("a", 9)])[-1] == "b: b"
    assert ask(one, two, states=[cooling("a", 0)])[-1] == "a: a"
    assert ask(one, two, down, states=[cooling("a", 9), cooling("b", 5)])[-1] == "b: b"
    assert ask(one, two, three, states=[cooling("a", 9), cooling("b", 8), cooling("c", 7)])[-1] == "c: c"


FAULTS: list[Answer] = [
    DOWN,
    ("half an ans", DOWN),
    (Thinking("hm"), ToolCall("1", "look", "{}"), DOWN),
    AssistantMessage(()),
    ModelBusy("too much"),
    ModelBusy("too much", retry_after_s=3),
    ModelUnauthorized("no credit"),
    ModelRejected("no such model", status=404),
    ModelRejected("wrong", status=400),
    ContextOverflow("too long"),
    OverBudget("spent"),
]
SCRIPT = st.lists(st.sampled_from([*FAULTS, "whole", (Thinking("hm"), "also whole")]), min_size=3, max_size=3)


@given(st.lists(st.tuples(SCRIPT, st.sampled_from([0, 1000, 2000])), min_size=1, max_size=3), st.integers(0, 2))
@settings(max_examples=200, deadline=None)
def test_whatever_the_models_do_there_is_one_whole_answer_or_one_error(
    scripts: list[tuple[list[Answer], int]], cooling_down: int
) -> None:
    async def main() -> None:
        clock = FakeClock()
        health = Health(Forgetful(), clock, [cooling(str(cooling_down), 9)])
        chain = Fallback(
            "fast",
            [
                Candidate(str(at), "m", partial(watched, script, str(at), health, clock), context_tokens)
                for at, (script, context_tokens) in enumerate(scripts)
            ],
            health,
        )
        shown, answers = "", list[AssistantMessage]()
        try:
            async for item in chain.stream(REQUEST):
                assert not answers, "something came after the answer"
                if isinstance(item, StreamReset):
                    shown = ""
                elif isinstance(item, AssistantMessage):
                    answers.append(item)
                else:
                    shown += item.text if isinstance(item, TextDelta) else ""
        except ModelError as error:
            assert not answers and str(error)
        else:
            [answer] = answers
            assert answer.text == shown and answer.parts
            assert health.of(answer.provider, "m") is None

    simulate(main())


async def watched(script: list[Answer], name: str, health: Health, clock: FakeClock) -> tuple[Provider, str]:
    return Watched(Retrying(ScriptedProvider(script, name=name), clock), health, clock), "m"
