from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from carapax.contracts import Embedder, Embeddings
from carapax.models.embedding import Purpose
from carapax.testing import EmbedderContract


class Lengths:
    """Embeds a text as its length, and with `confused` in the wrong order."""

    name = "lengths"

    def __init__(self, confused: bool = False) -> None:
        self._confused = confused

    async def embed(
        self, texts: Sequence[str], model: str, *, purpose: Purpose, dimensions: int | None = None
    ) -> Embeddings:
        vectors = [(float(sum(map(ord, text))),) * (dimensions or 3) for text in texts]
        return Embeddings(tuple(vectors[::-1] if self._confused else vectors), model)


def opened(embedder: Embedder) -> AbstractAsyncContextManager[Embedder]:
    @asynccontextmanager
    async def held() -> AsyncIterator[Embedder]:
        yield embedder

    return held()


class TestContract(EmbedderContract):
    def open(self) -> AbstractAsyncContextManager[Embedder]:
        return opened(Lengths())


def test_an_embedder_that_mixes_texts_up_does_not_keep_the_rules() -> None:
    class Confused(EmbedderContract):
        def open(self) -> AbstractAsyncContextManager[Embedder]:
            return opened(Lengths(confused=True))

    with pytest.raises(AssertionError):
        Confused().test_each_text_has_a_vector_in_its_place()
