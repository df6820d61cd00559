from collections.abc import Sequence
from pathlib import Path

import pytest

from carapax.agent.health import Health, Watched, open_health
from carapax.errors import (
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelRejected,
    ModelUnauthorized,
    ModelUnavailable,
    OverBudget,
    StoreFull,
)
from carapax.messages import AssistantMessage, ModelRequest, UserMessage
from carapax.store.database import Committed, Row, Statement
from carapax.store.health import State
from carapax.testing import Answer, FakeClock, Pause, ScriptedProvider
from carapax.testing.clock import START
from tests.agent.forgetful import Forgetful, healthy
from tests.running import run
from tests.store.opened import opened_database

DOWN = ModelUnavailable("the server is down", "start it")


def cool_downs(*errors: ModelError | None) -> list[float]:
    """How long the model cools down after each of these failures, None for an answer, each a moment after the last."""

    async def main() -> list[float]:
        clock = FakeClock()
        health, found = healthy(clock), []
        for error in errors:
            clock.advance(1)
            if error is None:
                await health.succeeded("p", "m")
            else:
                await health.failed("p", "m", error, clock.now())
            found.append(max(0.0, health.cools_until("p", "m") - clock.now()))
        return found

    return run(main())


def busy(retry_after_s: float | None = None) -> ModelBusy:
    return ModelBusy("too much", retry_after_s=retry_after_s)


def test_what_is_unavailable_again_and_again_is_left_alone_for_longer() -> None:
    assert cool_downs(DOWN, DOWN, DOWN, DOWN) == [60, 300, 1500, 1500]


def test_what_is_busy_is_asked_again_soon_or_when_the_vendor_says() -> None:
    assert cool_downs(*[busy()] * 6) == [10, 20, 40, 80, 120, 120]
    assert cool_downs(busy(7), busy(7), busy(90_000), busy()) == [7, 7, 3600, 80]


def test_a_key_that_is_refused_is_left_alone_for_an_hour() -> None:
    assert cool_downs(ModelUnauthorized("no credit"), ModelUnauthorized("no credit")) == [3600, 3600]


@pytest.mark.parametrize(
    "error", [ModelRejected("no"), ContextOverflow("too long"), OverBudget("spent"), ModelError("x")]
)
def test_a_request_that_is_wrong_is_no_fault_of_the_model(error: ModelError) -> None:
    assert cool_downs(error, error) == [0, 0]
    assert cool_downs(DOWN, error)[1] == 59


def test_only_faults_of_one_kind_in_a_row_count_together() -> None:
    assert cool_downs(DOWN, DOWN, None, DOWN) == [60, 300, 0, 60]
    assert cool_downs(DOWN, DOWN, busy(), DOWN) == [60, 300, 10, 60]


def test_requests_that_were_under_way_together_fail_as_one() -> None:
    async def main() -> None:
        clock = FakeClock()
        health = healthy(clock)
        for _ in range(64):
            clock.advance(0.01)
            await health.failed("p", "m", DOWN, START)
        assert health.of("p", "m") == State(
            "p", "m", 1, clock.now() + 60, "unavailable", "the server is down (start it)", clock.now()
        )

    run(main())


def test_a_clock_that_was_set_back_makes_no_cool_down_longer() -> None:
    async def main() -> None:
        clock = FakeClock()
        health = healthy(clock)
        await health.failed("p", "m", DOWN, clock.now())
        clock.advance(-86_400)
        assert health.cools_until("p", "m") == 0

    run(main())


def test_health_outlives_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with opened_database(tmp_path / "a.db") as database:
            health = await open_health(database, clock)
            await health.failed("p", "good", DOWN, clock.now())
            await health.failed("p", "bad", DOWN, clock.now())
            await health.failed("p", "bad", DOWN, clock.now())
            assert await health.succeeded("p", "good")
            assert not await health.succeeded("p", "good")
            before = health.all()
        async with opened_database(tmp_path / "a.db") as database:
            health = await open_health(database, clock)
            assert health.all() == before == [health.of("p", "bad")]
            assert health.cools_until("p", "bad") == START + 300

    run(main())


class Full(Forgetful):
    async def transact(self, statements: Sequence[Statement], committed: Committed | None = None) -> list[list[Row]]:
        raise StoreFull("the disk is full")


def test_a_full_disk_fails_no_answer() -> None:
    async def main() -> None:
        clock = FakeClock()
        health = Health(Full(), clock)
        await health.failed("p", "m", DOWN, clock.now())
        assert health.cools_until("p", "m") == START + 60
        assert await health.succeeded("p", "m")

    run(main())


def watched(*script: Answer) -> tuple[Watched, Health]:
    clock = FakeClock()
    health = Health(Forgetful(), clock, [State("scripted", "m", 1, START - 1, "busy", "too much", START - 20)])
    return Watched(ScriptedProvider(script), health, clock), health


REQUEST = ModelRequest("m", (UserMessage("hi"),))


def test_an_answer_clears_what_was_noted() -> None:
    async def main() -> None:
        provider, health = watched("hello")
        said = [item async for item in provider.stream(REQUEST)]
        assert isinstance(said[-1], AssistantMessage)
        assert health.all() == []
        assert (provider.name, (await provider.models())[0].name) == ("scripted", "model")

    run(main())


def test_a_failure_is_noted_and_passed_on() -> None:
    async def main() -> None:
        provider, health = watched(("hel", DOWN))
        with pytest.raises(ModelUnavailable):
            _ = [item async for item in provider.stream(REQUEST)]
        assert health.all() == [
            State("scripted", "m", 1, START + 60, "unavailable", "the server is down (start it)", START)
        ]

    run(main())


def test_a_reader_who_leaves_is_no_fault() -> None:
    async def main() -> None:
        provider, health = watched(("hel", Pause()))
        before = health.all()
        stream = provider.stream(REQUEST)
        await anext(stream)
        await stream.aclose()
        assert health.all() == before

    run(main())
