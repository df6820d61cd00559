"""Counts what a model costs: nothing is asked that a budget does not cover, nothing that was asked goes uncounted."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

import msgspec

from carapax.contracts import Ledger, Provider, Spend, Spender
from carapax.errors import ModelError, ModelUnavailable, OverBudget
from carapax.events import Delta, StreamReset
from carapax.messages import AssistantMessage, Effort, Message, ModelInfo, ModelRequest, Text, Thinking, Usage
from carapax.models.facts import FactBook, Facts
from carapax.models.price import Price

ANSWER_TOKENS = 8_192
THINKING_TOKENS: dict[Effort, int] = {"off": 0, "low": 8_192, "medium": 16_384, "high": 32_768}
"""How much longer an answer may become by thinking, which some vendors' limits do not count."""
BYTES_PER_TOKEN = 3
IMAGE_TOKENS = 5_000
DOCUMENT_BYTES_PER_TOKEN = 20
_MESSAGE_TOKENS, _REQUEST_TOKENS = 16, 500


class Metered:
    """A provider that sets aside what a call may cost before it asks, and counts what it took afterwards.

    A call that fails or is left in the middle counts as an estimate: all of the prompt, and what was heard. One that
    never reached the vendor, or that it refused, costs nothing. Where a budget applies, a request that does not limit
    its answer is limited to 8,192 tokens, thinking apart, as nothing else can be covered.
    """

    def __init__(self, provider: Provider, spender: Spender, ledger: Ledger, facts: FactBook) -> None:
        self._provider = provider
        self._spender = spender
        self._ledger = ledger
        self._facts = facts

    @property
    def name(self) -> str:
        return self._provider.name

    async def models(self) -> list[ModelInfo]:
        return await self._provider.models()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        facts = self._facts.of(self.name, request.model)
        is_limited = self._ledger.limited(self._spender)
        self._facts.tell(self.name, request.model)
        price = facts.price or (self._facts.assumed if is_limited else None)
        if is_limited:
            request = bounded(request, facts)
        prompt = prompt_tokens(request)
        call = await self._reserve(request, price, prompt)
        heard, is_settled, is_free = 0, False, False
        try:
            async with aclosing(self._provider.stream(request)) as stream:
                async for item in stream:
                    if isinstance(item, AssistantMessage):
                        await self._ledger.settle(call, self._counted(item, request, facts, price, prompt))
                        is_settled = True
                    elif not isinstance(item, StreamReset):
                        heard += _bytes(item.text)
                    yield item
        except ModelError as error:
            is_free = not heard and not _may_cost(error)
            raise
        finally:
            if not is_settled:
                guess = self._spend(request, facts, price, Usage(prompt, heard // BYTES_PER_TOKEN))
                await self._ledger.settle(call, None if is_free else guess)

    async def _reserve(self, request: ModelRequest, price: Price | None, prompt: int) -> str:
        output = (request.max_output_tokens or ANSWER_TOKENS) + THINKING_TOKENS[request.effort]
        amount = price.most(prompt, output) if price else 0
        try:
            return await self._ledger.reserve(self._spender, self.name, request.model, amount)
        except OverBudget as error:
            note = self._facts.of(self.name, request.model).note
            if note:
                raise OverBudget(
                    error.message, f"{error.hint}; {note}", vendor=error.vendor, model=error.model
                ) from None
            raise

    def _counted(
        self, answer: AssistantMessage, request: ModelRequest, facts: Facts, price: Price | None, prompt: int
    ) -> Spend:
        """What the vendor counted; an estimate where it did not."""
        usage = answer.usage
        if usage.input or usage.output:
            return self._spend(request, facts, price, usage, estimated=False)
        return self._spend(request, facts, price, Usage(prompt, _spoken(answer)))

    def _spend(
        self, request: ModelRequest, facts: Facts, price: Price | None, usage: Usage, *, estimated: bool = True
    ) -> Spend:
        cost = price.cost(usage) if price else 0
        return Spend(self.name, request.model, usage, cost, estimated, priced=facts.price is not None)


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
