"""Counts what a model costs: nothing is asked that a budget does not cover, nothing that was asked goes uncounted."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Literal

import msgspec

from carapax.agent.wrapper import Wrapper
from carapax.contracts import Embedder, Embeddings, Ledger, Provider, Spend, Spender
from carapax.errors import ModelError, ModelUnavailable, OverBudget
from carapax.events import Delta, StreamReset
from carapax.messages import AssistantMessage, Effort, Message, ModelRequest, Text, Thinking, Usage
from carapax.models.facts import FactBook, Facts
from carapax.models.price import NOTHING

ANSWER_TOKENS = 8_192
THINKING_TOKENS: dict[Effort, int] = {"off": 0, "low": 8_192, "medium": 16_384, "high": 32_768}
"""How much longer an answer may become by thinking, which some vendors' limits do not count."""
BYTES_PER_TOKEN = 3
IMAGE_TOKENS = 5_000
DOCUMENT_BYTES_PER_TOKEN = 20
_MESSAGE_TOKENS, _REQUEST_TOKENS = 16, 500
_MOST_TOKENS = 100_000_000
"""More than any call can take: a vendor that says so has not counted."""


class Metered(Wrapper):
    """A provider that sets aside what a call may cost before it asks, and counts what it took afterwards.

    A call that fails or is left in the middle counts as an estimate: all of the prompt, and what was heard. One that
    never reached the vendor, or that it refused, costs nothing. Where a budget applies and the model costs anything, a
    request that does not limit its answer is limited to 8,192 tokens, thinking apart, as nothing else can be covered.
    """

    def __init__(self, provider: Provider, spender: Spender, ledger: Ledger, facts: FactBook) -> None:
        super().__init__(provider)
        self._spender = spender
        self._ledger = ledger
        self._facts = facts

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        meter = _Meter(self.name, request.model, self._spender, self._ledger, self._facts)
        if meter.needs_bound:
            request = bounded(request, meter.facts)
        prompt = prompt_tokens(request)
        output = (request.max_output_tokens or ANSWER_TOKENS) + THINKING_TOKENS[request.effort]
        await meter.reserve(prompt, output)
        heard, is_free = 0, False
        try:
            async with aclosing(self._provider.stream(request)) as stream:
                async for item in stream:
                    if isinstance(item, AssistantMessage):
                        await meter.settle(item.usage, Usage(prompt, _spoken(item)))
                    elif not isinstance(item, StreamReset):
                        heard += _bytes(item.text)
                    yield item
        except ModelError as error:
            is_free = not heard and not _may_cost(error)
            raise
        finally:
            await meter.close(None if is_free else Usage(prompt, heard // BYTES_PER_TOKEN))


class MeteredEmbedder:
    """An embedder that is counted as `Metered` is."""

    def __init__(self, embedder: Embedder, spender: Spender, ledger: Ledger, facts: FactBook) -> None:
        self._embedder = embedder
        self._spender = spender
        self._ledger = ledger
        self._facts = facts

    @property
    def name(self) -> str:
        return self._embedder.name

    async def embed(
        self, texts: Sequence[str], model: str, *, purpose: Literal["query", "document"], dimensions: int | None = None
    ) -> Embeddings:
        meter = _Meter(self.name, model, self._spender, self._ledger, self._facts)
        guess = Usage(sum(_tokens(text) for text in texts))
        await meter.reserve(guess.input, 0)
        is_free = False
        try:
            answer = await self._embedder.embed(texts, model, purpose=purpose, dimensions=dimensions)
            await meter.settle(answer.usage, guess)
            return answer
        except ModelError as error:
            is_free = not _may_cost(error)
            raise
        finally:
            await meter.close(None if is_free else guess)


class _Meter:
    """One call: set aside, and settled once."""

    def __init__(self, provider: str, model: str, spender: Spender, ledger: Ledger, facts: FactBook) -> None:
        self.facts = facts.of(provider, model)
        self._provider = provider
        self._model = model
        self._spender = spender
        self._ledger = ledger
        is_limited = ledger.limited(spender)
        self._price = self.facts.price or (facts.assumed if is_limited else None)
        self.needs_bound = is_limited and self._price is not None and self._price != NOTHING
        """Whether a budget has to cover the longest answer there may be."""
        self._reservation = ""
        facts.tell(provider, model)

    async def reserve(self, prompt: int, output: int) -> None:
        """Raises OverBudget, with what is guessed of the price."""
        amount = self._price.most(prompt, output) if self._price else 0
        try:
            self._reservation = await self._ledger.reserve(self._spender, self._provider, self._model, amount)
        except OverBudget as error:
            if not self.facts.note:
                raise
            hint = f"{error.hint}; {self.facts.note}"
            raise OverBudget(error.message, hint, vendor=self._provider, model=self._model, asked=False) from None

    async def settle(self, counted: Usage, guess: Usage) -> None:
        """With what the vendor counted, or a guess where it did not."""
        is_counted = 0 < counted.input + counted.output <= _MOST_TOKENS
        await self._settle(self._spend(counted if is_counted else guess, estimated=not is_counted))

    async def close(self, guess: Usage | None) -> None:
        """Settle with a guess, or None for nothing, unless that was done."""
        await self._settle(None if guess is None else self._spend(guess, estimated=True))

    async def _settle(self, spend: Spend | None) -> None:
        reservation, self._reservation = self._reservation, ""
        if reservation:
            await self._ledger.settle(reservation, spend)

    def _spend(self, usage: Usage, *, estimated: bool) -> Spend:
        cost = self._price.cost(usage) if self._price else 0
        return Spend(self._provider, self._model, usage, cost, estimated, priced=self.facts.price is not None)


def bounded(request: ModelRequest, facts: Facts) -> ModelRequest:
    """The request with a limit to its answer, the model's own where that is less."""
    if request.max_output_tokens:
        return request
    most = ANSWER_TOKENS + THINKING_TOKENS[request.effort] // 2
    return msgspec.structs.replace(request, max_output_tokens=min(most, facts.output_tokens))


def prompt_tokens(request: ModelRequest) -> int:
    """How many tokens a request has, rather too many than too few."""
    tools = len(msgspec.json.encode(request.tools)) // BYTES_PER_TOKEN if request.tools else 0
    return _REQUEST_TOKENS + _tokens(request.system) + tools + sum(_message(message) for message in request.messages)


def _message(message: Message) -> int:
    if isinstance(message, AssistantMessage):
        return _MESSAGE_TOKENS + len(msgspec.json.encode(message.parts)) // BYTES_PER_TOKEN
    files = getattr(message, "attachments", ())
    return (
        _MESSAGE_TOKENS
        + _tokens(message.text)
        + sum(
            IMAGE_TOKENS
            if file.media_type.startswith("image/")
            else IMAGE_TOKENS + file.size // DOCUMENT_BYTES_PER_TOKEN
            for file in files
        )
    )


def _spoken(answer: AssistantMessage) -> int:
    texts: Iterable[str] = (
        part.text if isinstance(part, Text | Thinking) else part.name + part.arguments for part in answer.parts
    )
    return sum(_tokens(text) for text in texts)


def _tokens(text: str) -> int:
    return _bytes(text) // BYTES_PER_TOKEN + 1


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _may_cost(error: ModelError) -> bool:
    """Whether a vendor may have worked on a request that failed before a word was heard."""
    return isinstance(error, ModelUnavailable) and not error.status and error.asked
