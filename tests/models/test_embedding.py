import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.contracts import Embeddings
from carapax.errors import ModelError
from carapax.messages import Usage
from carapax.models.embedding import batches, checked, embed_in_turn, ordered
from carapax.models.refusal import Origin
from tests.running import run

ORIGIN = Origin("vendor", "model")


@given(st.lists(st.text(max_size=20)), st.integers(1, 5), st.integers(0, 30))
def test_batches_are_all_texts_in_their_order_and_as_small_as_the_vendor_wants(
    texts: list[str], most: int, most_bytes: int
) -> None:
    found = list(batches(texts, most, most_bytes))
    assert [text for batch in found for text in batch] == texts
    for batch in found:
        assert 0 < len(batch) <= most
        assert len(batch) == 1 or sum(len(text.encode()) for text in batch) <= most_bytes


def test_what_several_requests_gave_is_one_answer() -> None:
    async def ask(batch: list[str]) -> Embeddings:
        return Embeddings(tuple((float(len(text)),) for text in batch), "m-1", Usage(input=len(batch)))

    answer = run(embed_in_turn(["a", "bb", "ccc"], "m", ask, 2, 100))
    assert answer == Embeddings(((1.0,), (2.0,), (3.0,)), "m-1", Usage(input=3))
    assert run(embed_in_turn([], "m", ask, 2, 100)) == Embeddings((), "m")


def test_vectors_go_to_their_places() -> None:
    assert ordered(ORIGIN, [(1, [1.0]), (0, [0.0])]) == [[0.0], [1.0]]
    assert ordered(ORIGIN, [(None, [1.0]), (None, [0.0])]) == [[1.0], [0.0]]
    for places in ([0, 0], [1, 2], [-1, 0], [None, 0]):
        with pytest.raises(ModelError, match="other texts"):
            ordered(ORIGIN, [(place, [1.0]) for place in places])


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1), st.integers(1, 3))
def test_only_vectors_of_finite_numbers_are_taken(numbers: list[float], texts: int) -> None:
    try:
        answer = checked(ORIGIN, [numbers] * texts, texts, len(numbers), "m", 5)
    except ModelError:
        assert any(abs(number) > 1e300 or number != number for number in numbers)
    else:
        assert answer == Embeddings((tuple(numbers),) * texts, "m", Usage(input=5))
