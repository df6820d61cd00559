from hypothesis import given
from hypothesis import strategies as st

from carapax.messages import Usage
from carapax.models.price import NOTHING, Price, price

TOKENS = st.integers(0, 10_000_000)
USD = st.floats(0, 1000)


def test_each_kind_of_token_has_its_price() -> None:
    sonnet = price(3, 15, cache_read_usd=0.3, cache_write_usd=3.75)
    usage = Usage(input=1_000_000, output=100_000, cache_read=600_000, cache_write=200_000)
    assert sonnet.cost(usage) == round((0.2 * 3 + 0.6 * 0.3 + 0.2 * 3.75 + 0.1 * 15) * 1e9)


def test_reasoning_is_output_unless_it_has_a_price_of_its_own() -> None:
    usage = Usage(output=1_000_000, reasoning=400_000)
    assert price(0, 10).cost(usage) == 10_000_000_000
    assert price(0, 10, reasoning_usd=20).cost(usage) == 14_000_000_000


def test_what_has_no_price_of_its_own_costs_what_the_prompt_costs() -> None:
    assert price(2, 8) == Price(2000, 8000, 2000, 2000, 8000)


def test_a_fraction_of_a_nanodollar_is_not_lost_before_the_sum() -> None:
    assert price(0.0028, 0).cost(Usage(input=1_000_000)) == 2_800_000


def test_a_long_prompt_has_the_price_of_its_length_as_a_whole() -> None:
    longer = ((500_000, price(8, 30)), (200_000, price(4, 20)))
    tiered = price(2, 10, longer=longer)
    costs = [tiered.cost(Usage(input=tokens)) for tokens in (200_000, 200_001, 500_001)]
    assert costs == [400_000_000, 800_004_000, 4_000_008_000]


@given(st.builds(price, USD, USD, USD, USD, USD), TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
def test_no_call_costs_more_than_the_most_of_its_size(
    cost: Price, plain: int, read: int, written: int, spoken: int, reasoned: int
) -> None:
    usage = Usage(plain + read + written, spoken + reasoned, read, written, reasoned)
    assert 0 <= cost.cost(usage) <= cost.most(usage.input, usage.output) + 1


def test_nothing_costs_nothing() -> None:
    assert NOTHING.cost(Usage(10**9, 10**9, 5, 5, 5)) == 0
