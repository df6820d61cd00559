import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, Literal

import pytest

from carapax.agent.metered import Metered, MeteredEmbedder, bounded, prompt_tokens
from carapax.config import ModelConfig
from carapax.contracts import Embeddings, Provider, Spend, Spender
from carapax.errors import (
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelRejected,
    ModelUnauthorized,
    ModelUnavailable,
    OverBudget,
)
from carapax.messages import (
    AssistantMessage,
    Attachment,
    Effort,
    ModelRequest,
    Text,
    ToolCall,
    ToolSpec,
    Usage,
    UserMessage,
)
from carapax.models.facts import FactBook
from carapax.providers import anthropic
from carapax.testing import Pause, ScriptedProvider
from carapax.testing.provider import Answer
from tests.running import run

SPENDER = Spender("main", "s1", "r1")
PRICED = FactBook({}, {"scripted/m": ModelConfig(input_usd=1, output_usd=10, output_tokens=4_000)})
REQUEST = ModelRequest("m", (UserMessage("hello"),))


class OneBudget:
    """A ledger that remembers what it was told."""

    def __init__(self, *, limited: bool = True, refuses: bool = False) -> None:
        self.reserved: list[int] = []
        self.settled: list[Spend | None] = []
        self._limited = limited
        self._refuses = refuses

    def limited(self, spender: Spender) -> bool:
        return self._limited

    async def reserve(self, spender: Spender, provider: str, model: str, amount: int) -> str:
        assert (spender, provider) == (SPENDER, "scripted")
        if self._refuses:
            raise OverBudget("it is spent", "wait")
        self.reserved.append(amount)
        return "only"

    async def settle(self, reservation: str, spend: Spend | None) -> None:
        assert reservation == "only"
        self.settled.append(spend)


def metered(*script: Answer, ledger: OneBudget, facts: FactBook = PRICED) -> tuple[Provider, ScriptedProvider]:
    raw = ScriptedProvider(script)
    return Metered(raw, SPENDER, ledger, facts), raw


async def asked(provider: Provider, request: ModelRequest = REQUEST) -> list[Any]:
    async with aclosing(provider.stream(request)) as stream:
        return [item async for item in stream]


def test_what_the_vendor_counted_is_settled_before_the_answer_is_given() -> None:
    async def main() -> None:
        ledger = OneBudget()
        usage = Usage(1_000, 100, cache_read=500)
        provider, _ = metered(AssistantMessage((Text("yes"),), usage=usage), ledger=ledger)
        async with aclosing(provider.stream(REQUEST)) as stream:
            async for item in stream:
                assert bool(ledger.settled) == isinstance(item, AssistantMessage)
        assert ledger.settled == [Spend("scripted", "m", usage, 2_000_000)]

    run(main())


def test_what_is_set_aside_covers_the_prompt_and_the_longest_answer() -> None:
    ledger = OneBudget()
    provider, raw = metered("yes", ledger=ledger)
    run(asked(provider))
    assert raw.requests[0].max_output_tokens == 4_000
    assert ledger.reserved == [prompt_tokens(REQUEST) * 1_000 + 4_000 * 10_000]


def test_a_request_that_limits_its_answer_keeps_its_limit() -> None:
    ledger = OneBudget()
    provider, raw = metered("yes", ledger=ledger)
    run(asked(provider, ModelRequest("m", REQUEST.messages, max_output_tokens=50)))
    assert raw.requests[0].max_output_tokens == 50
    assert ledger.reserved == [prompt_tokens(REQUEST) * 1_000 + 50 * 10_000]


def test_without_a_budget_a_request_goes_out_as_it_is() -> None:
    ledger = OneBudget(limited=False)
    provider, raw = metered("yes", ledger=ledger)
    run(asked(provider))
    assert raw.requests == [REQUEST]
    assert [spend and spend.estimated for spend in ledger.settled] == [False]


def test_a_model_that_costs_nothing_may_say_as_much_as_it_likes_under_any_budget() -> None:
    ledger = OneBudget()
    provider, raw = metered("yes", ledger=ledger, facts=FactBook({}, {"scripted/m": ModelConfig(0, 0)}))
    run(asked(provider))
    assert (raw.requests, ledger.reserved) == ([REQUEST], [0])


def test_nothing_is_asked_that_the_budget_does_not_cover() -> None:
    ledger = OneBudget(refuses=True)
    provider, raw = metered("yes", ledger=ledger)
    with pytest.raises(OverBudget, match="it is spent"):
        run(asked(provider))
    assert (raw.requests, ledger.settled) == ([], [])


def test_a_refusal_says_that_the_price_is_assumed() -> None:
    provider, _ = metered("yes", ledger=OneBudget(refuses=True), facts=FactBook({}, {}))
    with pytest.raises(OverBudget, match="5 USD and 25 USD for a million tokens in and out are assumed"):
        run(asked(provider))


def test_a_vendor_that_does_not_count_is_counted_by_estimate() -> None:
    ledger = OneBudget()
    provider, _ = metered(AssistantMessage((Text("x" * 300), ToolCall("c", "abc", "{}"))), ledger=ledger)
    run(asked(provider))
    [spend] = ledger.settled
    assert spend is not None
    assert (spend.usage, spend.estimated) == (Usage(prompt_tokens(REQUEST), 101 + 2), True)
    assert spend.cost == spend.usage.input * 1_000 + spend.usage.output * 10_000


@pytest.mark.parametrize("limited", [True, False])
def test_an_unknown_price_is_assumed_only_where_a_budget_applies(limited: bool) -> None:
    ledger = OneBudget(limited=limited)
    answer = AssistantMessage((Text("yes"),), usage=Usage(1_000_000, 0))
    provider, _ = metered(answer, ledger=ledger, facts=FactBook({}, {}))
    run(asked(provider))
    cost = 5_000_000_000 if limited else 0
    assert ledger.settled == [Spend("scripted", "m", Usage(1_000_000, 0), cost, priced=False)]


def test_an_answer_that_breaks_off_counts_as_the_prompt_and_what_was_heard() -> None:
    ledger = OneBudget()
    provider, _ = metered(("a" * 30, " ", "b" * 29, ModelUnavailable("cut")), ledger=ledger)
    with pytest.raises(ModelUnavailable):
        run(asked(provider))
    usage = Usage(prompt_tokens(REQUEST), 20)
    assert ledger.settled == [Spend("scripted", "m", usage, usage.input * 1_000 + 200_000, estimated=True)]


@pytest.mark.parametrize(
    ("error", "costs"),
    [
        (ModelUnavailable("no connection", asked=False), False),
        (ModelUnavailable("503", status=503), False),
        (ModelUnauthorized("401", status=401), False),
        (ModelRejected("400", status=400), False),
        (ModelBusy("429", status=429), False),
        (ContextOverflow("too long", status=400), False),
        (ModelUnavailable("it has gone silent"), True),
    ],
)
def test_a_call_that_was_refused_or_never_arrived_costs_nothing(error: ModelError, costs: bool) -> None:
    ledger = OneBudget()
    provider, _ = metered(error, ledger=ledger)
    with pytest.raises(type(error)):
        run(asked(provider))
    assert [spend is not None for spend in ledger.settled] == [costs]


def test_what_was_heard_before_a_refusal_costs_all_the_same() -> None:
    ledger = OneBudget()
    provider, _ = metered(("heard", ModelBusy("overloaded", status=529)), ledger=ledger)
    with pytest.raises(ModelBusy):
        run(asked(provider))
    assert [spend is not None for spend in ledger.settled] == [True]


@pytest.mark.parametrize("leave", [lambda task: task.cancel(), None])
def test_a_caller_who_leaves_in_the_middle_settles(leave: Callable[[asyncio.Task[object]], object] | None) -> None:
    async def main() -> None:
        ledger, pause = OneBudget(), Pause()
        provider, _ = metered(("word " * 6, pause, "more"), ledger=ledger)
        if leave is None:
            async with aclosing(provider.stream(REQUEST)) as stream:
                for _ in range(6):
                    await anext(stream)
        else:
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(asked(provider))
                await pause.reached()
                leave(asking)
        usage = Usage(prompt_tokens(REQUEST), 10)
        assert ledger.settled == [Spend("scripted", "m", usage, usage.input * 1_000 + 100_000, estimated=True)]

    run(main())


@pytest.mark.parametrize("effort", ["off", "low", "medium", "high"])
@pytest.mark.parametrize("limit", [None, 1, 60_000])
def test_no_dialect_asks_for_more_than_is_set_aside(effort: Effort, limit: int | None) -> None:
    """The one whose thinking comes on top of the limit."""
    request = bounded(
        ModelRequest("claude", REQUEST.messages, max_output_tokens=limit, effort=effort),
        FactBook({}, {}).of("anthropic", "claude-sonnet-4-5"),
    )
    ledger = OneBudget()
    provider, _ = metered("yes", ledger=ledger, facts=FactBook({}, {"scripted/claude": ModelConfig(0, 1)}))
    run(asked(provider, request))
    assert ledger.reserved[0] / 1_000 >= anthropic.encode(request, anthropic.Config())["max_tokens"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    # As counted by the tokenizers of today: English, German, Chinese, code, digits.
    [
        ("The quick brown fox jumps over the lazy dog. " * 20, 200),
        ("Donaudampfschifffahrtsgesellschaftskapitän " * 20, 280),
        ("今天天气很好,我们去公园散步吧。" * 20, 320),
        ("def f(x: int) -> int:\n    return x * 2\n" * 20, 280),
        ("3141592653589793238462643383279" * 20, 220),
    ],
)
def test_a_prompt_is_estimated_rather_too_long_than_too_short(text: str, tokens: int) -> None:
    assert prompt_tokens(ModelRequest("m", (UserMessage(text),))) >= tokens


def test_everything_that_is_sent_counts_in_the_estimate() -> None:
    plain = prompt_tokens(REQUEST)
    picture = Attachment("a.png", "image/png", "d", 9_000_000)
    paper = Attachment("a.pdf", "application/pdf", "d", 1_000_000)
    tool = ToolSpec("t", "d" * 300, {})
    more = [
        ModelRequest("m", REQUEST.messages, system="s" * 300),
        ModelRequest("m", REQUEST.messages, tools=(tool,)),
        ModelRequest("m", (*REQUEST.messages, AssistantMessage((ToolCall("c", "t", "a" * 300),)))),
        ModelRequest("m", (UserMessage("hello", attachments=(picture,)),)),
        ModelRequest("m", (UserMessage("hello", attachments=(paper,)),)),
    ]
    least = (100, 100, 100, 5_000, 50_000)
    assert all(prompt_tokens(request) - plain >= part for request, part in zip(more, least, strict=True))


class OneVector:
    """An embedder that gives one vector for each text, or fails."""

    name = "scripted"

    def __init__(self, usage: Usage, error: ModelError | None = None) -> None:
        self._usage = usage
        self._error = error

    async def embed(
        self, texts: Sequence[str], model: str, *, purpose: Literal["query", "document"], dimensions: int | None = None
    ) -> Embeddings:
        if self._error:
            raise self._error
        return Embeddings(((1.0,),) * len(texts), model, self._usage)


def embedded(embedder: OneVector) -> OneBudget:
    ledger = OneBudget()
    metered = MeteredEmbedder(embedder, SPENDER, ledger, PRICED)
    with suppress(ModelError):
        run(metered.embed(["x" * 300, "y"], "m", purpose="query"))
    return ledger


def test_embeddings_are_counted_alike() -> None:
    ledger = embedded(OneVector(Usage(70)))
    assert ledger.reserved == [102_000]
    assert ledger.settled == [Spend("scripted", "m", Usage(70), 70_000)]
    assert embedded(OneVector(Usage())).settled == [Spend("scripted", "m", Usage(102), 102_000, estimated=True)]
    assert embedded(OneVector(Usage(), ModelBusy("429", status=429))).settled == [None]
    silent = embedded(OneVector(Usage(), ModelUnavailable("silent")))
    assert silent.settled == [Spend("scripted", "m", Usage(102), 102_000, estimated=True)]


def test_a_count_that_no_call_can_take_is_no_count() -> None:
    ledger = OneBudget()
    provider, _ = metered(AssistantMessage((Text("one two three"),), usage=Usage(2**53, 2**53)), ledger=ledger)
    run(asked(provider))
    [settled] = ledger.settled
    assert settled is not None and settled.estimated
    assert settled.usage.input < 1_000 and settled.usage.output < 10
