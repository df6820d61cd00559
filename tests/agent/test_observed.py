"""Each call of a model is told of once, when it is over."""

from contextlib import aclosing

import pytest

from carapax.agent.observed import Observed
from carapax.contracts import Spender
from carapax.errors import ModelBusy
from carapax.messages import ModelRequest, UserMessage
from carapax.telemetry.calls import Called
from carapax.testing import Answer, FakeClock, ScriptedProvider
from tests.running import run

SPENDER = Spender("main", "s", "r")


def heard(answer: Answer, *, stream: bool = True, leave: bool = False) -> Called:
    told: list[Called] = []

    async def main() -> None:
        observed = Observed(ScriptedProvider([answer]), SPENDER, FakeClock(), told.append)
        request = ModelRequest("m", (UserMessage("hello"),), stream=stream)
        async with aclosing(observed.stream(request)) as said:
            async for _ in said:
                if leave:
                    break

    run(main())
    (called,) = told
    assert called.took_s >= 0
    assert (called.spender, called.provider, called.model) == (SPENDER, "scripted", "m")
    return called


def test_an_answer_is_told_of_with_its_first_word() -> None:
    called = heard("hello you")
    assert called.answer is not None
    assert (called.answer.text, called.error) == ("hello you", "")
    assert called.first_s is not None
    assert 0 <= called.first_s <= called.took_s


def test_without_a_stream_there_is_no_first_word() -> None:
    assert heard("hello", stream=False).first_s is None


def test_a_failure_is_told_of_by_its_kind_and_goes_on() -> None:
    told: list[Called] = []

    async def main() -> None:
        observed = Observed(ScriptedProvider([ModelBusy("full")]), SPENDER, FakeClock(), told.append)
        with pytest.raises(ModelBusy):
            async for _ in observed.stream(ModelRequest("m", (UserMessage("hello"),))):
                pass

    run(main())
    assert [(called.error, called.answer) for called in told] == [("ModelBusy", None)]


def test_a_call_that_nobody_waits_for_is_cancelled() -> None:
    assert heard("hello you", leave=True).error == "cancelled"
