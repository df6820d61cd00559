"""Every dialect with everything that can go wrong, through a whole gateway and over HTTP: with a chain of two models an
answer always comes, with one model that or one clear error, and never more than one answer or half of one."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from msgspec import Struct

from carapax.agent.models import Models
from carapax.api.services import Services
from carapax.app import open_app
from carapax.config import AgentConfig, Config, Home, ProviderConfig
from carapax.errors import ModelError
from carapax.events import Kept, ModelResponded, RunFinished, StreamReset, TextDelta, ToolReturned
from carapax.messages import AssistantMessage, Inbound, ModelRequest, Sender, UserMessage
from carapax.redaction import Secret
from carapax.store.health import State
from tests.agent.running import FunctionTool
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import WIRES, ModelServer, Received
from tests.running import run

pytestmark = pytest.mark.timeout(300)  # the first test plays all cases
DIALECTS = ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama", "bedrock", "cohere")
KEY = "the-secret-key"
TEXT = "one two three four five six seven eight nine ten eleven twelve"
MIDDLE = 7
CALLS = (Call("echo", '{"text": "first of two"}'), Call("echo", '{"text": "second of two"}'))
NEXT = "I am the next one."

Ending = Literal["whole", "next", "either"]
"""Who must answer: the model with the fault, because that is harmless, or the next one, or whichever."""

PAGE = "<!doctype html><html><title>Bad gateway</title></html>"
HARMLESS: dict[str, Answer] = {
    "nothing": Answer(TEXT),
    "single bytes": Answer(TEXT, dribble=True),
    "hollow": Answer(TEXT, thinking="hm hm", hollow=True),
    "usage-never": Answer(TEXT, usage=False),
    "usage-late": Answer(TEXT, late=True),
    "calls": Answer("Let me see.", calls=CALLS),
    "calls-from-1": Answer(calls=CALLS, first_index=1),
    "calls-interleaved": Answer(calls=CALLS, interleaved=True),
    "calls-interleaved-from-1": Answer("Let me see.", calls=CALLS, interleaved=True, first_index=1),
    "calls-hollow": Answer(calls=CALLS, hollow=True),
    "unstreamed": Answer(TEXT, unstreamed=True),
    "unstreamed-usage-never": Answer(TEXT, unstreamed=True, usage=False),
    "unstreamed-calls": Answer(calls=CALLS, unstreamed=True),
}
FATAL: dict[str, Answer] = {
    "cut-before": Answer(TEXT, cut_after=0),
    "cut": Answer(TEXT, cut_after=MIDDLE),
    "cut-in-a-call": Answer(calls=CALLS * 2, cut_after=4),
    "stall-before": Answer(TEXT, stall_after=0),
    "stall": Answer(TEXT, stall_after=MIDDLE),
    "stall-without-headers": Answer(TEXT, delay_s=3600),
    "end-before": Answer(TEXT, end_after=0),
    "end": Answer(TEXT, end_after=MIDDLE),
    "error-inside-200": Answer(error="the fake model broke down"),
    "error-event-before": Answer(TEXT, error_after=0),
    "error-event": Answer(TEXT, error_after=MIDDLE),
    "html": Answer(body=PAGE, content_type="text/html"),
    "html-called-json": Answer(body=PAGE),
    "garbage": Answer(body="%PDF-1.4 \x00 garbage"),
    "status-401": Answer(status=401),
    "status-429": Answer(status=429, headers={"Retry-After": "30"}),
    "status-500": Answer(status=500),
    "status-502-html": Answer(status=502, body=PAGE, content_type="text/html"),
    "answers-nothing": Answer(""),
    "unstreamed-cut-before": Answer(TEXT, unstreamed=True, cut_after=0),
    "unstreamed-cut": Answer(TEXT, unstreamed=True, cut_after=2),
    "unstreamed-stall": Answer(TEXT, unstreamed=True, stall_after=2),
    "unstreamed-end-before": Answer(TEXT, unstreamed=True, end_after=0),
    "unstreamed-end": Answer(TEXT, unstreamed=True, end_after=2),
    "unstreamed-garbage": Answer(TEXT, unstreamed=True, garbage_after=2),
    "unstreamed-twice": Answer(TEXT, unstreamed=True, twice=True),
    "unstreamed-answers-nothing": Answer("", unstreamed=True),
}
EITHER: dict[str, Answer] = {
    "repeat": Answer(TEXT, twice=True),
    "no-stop-reason": Answer(TEXT, reasonless=True),
    "unstreamed-no-stop-reason": Answer(TEXT, unstreamed=True, reasonless=True),
    "no-farewell": Answer(TEXT, farewell=False),
    "garbage-before": Answer(TEXT, garbage_after=0),
    "garbage-within": Answer(TEXT, garbage_after=MIDDLE),
}


class Case(Struct, frozen=True):
    """One fault of a dialect, with a second model behind the first (`chained`) or without, and asked by an agent, which
    has its answers streamed, or as its conversations are shortened, which is not (`streamed`). `model` is its own, so
    that no case changes another's health."""

    dialect: str
    fault: str
    answer: Answer
    ending: Ending
    chained: bool
    streamed: bool

    @property
    def provider(self) -> str:
        return f"{self.dialect}-hasty" if "stall" in self.fault else self.dialect

    @property
    def model(self) -> str:
        kind = ("chained" if self.chained else "alone") + ("" if self.streamed else ".not-streamed")
        return f"{self.dialect}.{self.fault}.{kind}".replace(" ", "-")

    @property
    def asked(self) -> str:
        return self.model if self.chained else f"{self.provider}/{self.model}"


def cases() -> Iterator[Case]:
    endings: tuple[tuple[Ending, dict[str, Answer]], ...] = (("whole", HARMLESS), ("next", FATAL), ("either", EITHER))
    for dialect in DIALECTS:
        for ending, faults in endings:
            for fault, answer in faults.items():
                for chained in (True, False):
                    yield Case(dialect, fault, answer, ending, chained, streamed=True)
                    if answer.unstreamed or answer.body or answer.error or answer.status != 200:
                        yield Case(dialect, fault, answer, ending, chained, streamed=False)


CASES = list(cases())


class Outcome(Struct, frozen=True):
    """What was kept of a run, and what of its answers was shown and not made void."""

    kept: tuple[Kept, ...]
    shown: tuple[str, ...]

    @property
    def answers(self) -> list[AssistantMessage]:
        return [event.message for event in self.kept if isinstance(event, ModelResponded)]

    @property
    def finished(self) -> RunFinished:
        [finished] = [event for event in self.kept if isinstance(event, RunFinished)]
        return finished


async def play(services: Services, case: Case) -> Outcome:
    """One message to the case's model, to the end of its run."""
    receipt = await services.sessions.submit(Inbound("test", "", Sender("ann"), "go"), model=case.asked)
    kept: list[Kept] = []
    shown, live = [], ""
    async with asyncio.timeout(250), services.journal.subscribe(receipt.session, 0) as envelopes:
        async for envelope in envelopes:
            event = envelope.event
            if isinstance(event, TextDelta):
                live += event.text
            elif isinstance(event, StreamReset):
                live = ""
            elif isinstance(event, ModelResponded):
                shown.append(live)
                live = ""
            if isinstance(event, Kept):
                kept.append(event)
            if isinstance(event, RunFinished):
                break
    return Outcome(tuple(kept), tuple(shown))


async def ask(services: Services, case: Case) -> Outcome:
    """The same request without an agent, and not streamed."""
    models = services.registry.live
    assert isinstance(models, Models)
    provider, model = await models.open(case.asked)
    request = ModelRequest(model, (UserMessage("go"),), stream=False)
    try:
        [answer] = [item async for item in provider.stream(request)]
    except ModelError as error:
        return Outcome((RunFinished("failed", str(error)),), ())
    assert isinstance(answer, AssistantMessage)
    return Outcome((ModelResponded(answer), RunFinished("done")), (answer.text,))


def configuration(broken: str, sound: str) -> Config:
    def section(dialect: str, idle_timeout_s: float = 30) -> ProviderConfig:
        return ProviderConfig(dialect=dialect, base_url=broken, key=Secret(KEY), idle_timeout_s=idle_timeout_s)

    return Config(
        agents={"main": AgentConfig(sandbox="local", tools=("echo",))},
        providers={dialect: section(dialect) for dialect in DIALECTS}
        | {f"{dialect}-hasty": section(dialect, 0.3) for dialect in DIALECTS}
        | {"sound": ProviderConfig(base_url=sound)},
        chains={case.model: (f"{case.provider}/{case.model}", "sound/next") for case in CASES if case.chained},
    )


class Played(Struct, frozen=True):
    """The outcomes by the cases' models, and the health of all models afterwards."""

    outcomes: dict[str, Outcome]
    states: list[State]


async def play_all(home: Path) -> Played:
    answers = {case.model: case.answer for case in CASES}
    at_once = asyncio.Semaphore(100)

    def say(received: Received) -> Answer:
        return Answer(TEXT) if received.answers_a_tool else answers[received.model]

    async def one(case: Case) -> Outcome:
        async with at_once:
            return await (play if case.streamed else ask)(services, case)

    echo = FunctionTool("echo", lambda given: f"you said {given['text']}")
    async with (
        ModelServer(say) as broken,
        ModelServer(lambda received: Answer(NEXT)) as sound,
        open_app(configuration(broken.url, sound.url), Home(home, home / "data"), environ={}, tools=[echo]) as services,
        asyncio.TaskGroup() as group,
    ):
        broken.forget()
        tasks = {case.model: group.create_task(one(case)) for case in CASES}
        await asyncio.wait(tasks.values())
        states = services.health.all()
    return Played({model: task.result() for model, task in tasks.items()}, states)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return run(play_all(tmp_path_factory.mktemp("matrix")), within_s=280)


def test_every_dialect_is_here() -> None:
    assert len(DIALECTS) == len(WIRES)


@pytest.mark.parametrize("case", CASES, ids=[case.model for case in CASES])
def test_a_fault_ends_in_one_whole_answer_or_one_clear_error(case: Case, played: Played) -> None:
    outcome = played.outcomes[case.model]
    if case.ending == "whole":
        check_whole(case, outcome)
    elif not case.chained and (case.ending == "next" or not outcome.answers):
        check_failed(case, outcome)
    elif case.ending == "next" or outcome.answers[0].provider == "sound":
        check_next(outcome)
    else:
        check_whole(case, outcome)


def test_the_health_of_a_model_is_what_its_fault_was(played: Played) -> None:
    kinds = {(state.provider, state.model): state.kind for state in played.states}
    for case in CASES:
        kind = kinds.get((case.provider, case.model))
        if case.ending == "whole":
            assert kind is None, case.model
        elif case.ending == "next":
            assert kind == {"status-401": "unauthorized", "status-429": "busy"}.get(case.fault, "unavailable"), (
                case.model
            )


def check_whole(case: Case, outcome: Outcome) -> None:
    """The model itself answered, and nothing of it is missing or there twice."""
    assert outcome.finished == RunFinished("done")
    assert {answer.provider for answer in outcome.answers} == {case.provider}
    if case.answer.calls and not case.streamed:
        [answer] = outcome.answers
        assert [json.loads(call.arguments) for call in answer.tool_calls] == [
            json.loads(call.arguments) for call in CALLS
        ]
    elif case.answer.calls:
        asked, final = outcome.answers
        said = [json.loads(call.arguments)["text"] for call in asked.tool_calls]
        assert sorted(said) == ["first of two", "second of two"]
        assert asked.text == case.answer.text
        returned = [event.result.text for event in outcome.kept if isinstance(event, ToolReturned)]
        assert sorted(returned) == ["you said first of two", "you said second of two"]
        assert final.text == TEXT
    else:
        [answer] = outcome.answers
        doubled = "".join(word * 2 for word in re.findall(r"\S+\s*", TEXT))
        assert answer.text == TEXT or (case.fault == "repeat" and answer.text == doubled)
    if not case.answer.unstreamed:
        assert list(outcome.shown) == [answer.text for answer in outcome.answers]


def check_next(outcome: Outcome) -> None:
    assert outcome.finished == RunFinished("done")
    assert [(answer.provider, answer.model, answer.text) for answer in outcome.answers] == [("sound", "next", NEXT)]
    assert outcome.shown == (NEXT,)


def check_failed(case: Case, outcome: Outcome) -> None:
    assert outcome.answers == []
    assert outcome.finished.reason == "failed"
    detail = outcome.finished.detail
    assert case.provider in detail and case.model in detail
    assert detail.isprintable() and KEY not in detail
