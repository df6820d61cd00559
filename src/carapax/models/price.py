"""What a call of a model costs. Amounts are in nanodollars, a billion to the dollar, and prices per token."""

from msgspec import Struct

from carapax.messages import Usage

_PER_MILLION = 1_000.0
"""Nanodollars for a token, for each dollar that a million tokens cost."""


class Price(Struct, frozen=True):
    """Nanodollars per token. `reasoning` is what the output that was reasoned costs. `longer` holds the prices of
    requests with more input than so many tokens, the longest first."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    reasoning: float
    longer: tuple[tuple[int, "Price"], ...] = ()

    def at(self, input_tokens: int) -> "Price":
        """The price of a request of this size."""
        return next((price for above, price in self.longer if input_tokens > above), self)

    def cost(self, usage: Usage) -> int:
        """What these tokens cost."""
        price = self.at(usage.input)
        plain = max(0, usage.input - usage.cache_read - usage.cache_write)
        read = plain * price.input + usage.cache_read * price.cache_read + usage.cache_write * price.cache_write
        spoken = max(0, usage.output - usage.reasoning)
        return round(read + spoken * price.output + usage.reasoning * price.reasoning)

    def most(self, input_tokens: int, output_tokens: int) -> int:
        """What a call of at most these sizes can cost, whatever of it is cached or reasoned."""
        price = self.at(input_tokens)
        read = max(price.input, price.cache_write, price.cache_read)
        return round(input_tokens * read + output_tokens * max(price.output, price.reasoning))


def price(
    input_usd: float,
    output_usd: float,
    cache_read_usd: float | None = None,
    cache_write_usd: float | None = None,
    reasoning_usd: float | None = None,
    longer: tuple[tuple[int, Price], ...] = (),
) -> Price:
    """The price from US dollars for a million tokens. What is not given costs what the prompt or the answer costs."""
    read = input_usd if cache_read_usd is None else cache_read_usd
    written = input_usd if cache_write_usd is None else cache_write_usd
    reasoned = output_usd if reasoning_usd is None else reasoning_usd
    return Price(
        input_usd * _PER_MILLION,
        output_usd * _PER_MILLION,
        read * _PER_MILLION,
        written * _PER_MILLION,
        reasoned * _PER_MILLION,
        longer,
    )


NOTHING = price(0, 0)
