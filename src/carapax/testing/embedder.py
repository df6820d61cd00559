"""The rules every embedder keeps."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from math import isclose, isfinite

from carapax.contracts import Embedder, Embeddings

_MANY = 2_100


class EmbedderContract:
    """The rules every embedder keeps, as tests: inherit from it in a test class and say how to open yours.

    `model` is one that the embedder has, which can give vectors of `dimensions` numbers. The checks run on a fresh
    event loop each.
    """

    model = "model"
    dimensions = 16

    def open(self) -> AbstractAsyncContextManager[Embedder]:
        """An embedder, ready to be asked, and closed at the end of the block."""
        raise NotImplementedError

    def test_each_text_has_a_vector_in_its_place(self) -> None:
        async def check(embedder: Embedder) -> None:
            both = await embedder.embed(["one", "two"], self.model, purpose="document")
            alone = await embedder.embed(["two"], self.model, purpose="document")
            _well_formed(both, 2)
            assert _alike(both.vectors[1], alone.vectors[0])
            assert not _alike(both.vectors[0], alone.vectors[0])

        self._with_embedder(check)

    def test_there_may_be_any_number_of_texts(self) -> None:
        async def check(embedder: Embedder) -> None:
            texts = [f"text {number % 7}" for number in range(_MANY)]
            many = await embedder.embed(texts, self.model, purpose="document")
            _well_formed(many, _MANY)
            assert all(_alike(many.vectors[at], many.vectors[at % 7]) for at in range(_MANY))
            assert await embedder.embed([], self.model, purpose="document") == Embeddings((), self.model)

        self._with_embedder(check)

    def test_queries_and_documents_have_vectors_of_one_length(self) -> None:
        async def check(embedder: Embedder) -> None:
            query = await embedder.embed(["one"], self.model, purpose="query")
            document = await embedder.embed(["one"], self.model, purpose="document")
            assert len(query.vectors[0]) == len(document.vectors[0])

        self._with_embedder(check)

    def test_vectors_are_as_long_as_asked(self) -> None:
        async def check(embedder: Embedder) -> None:
            short = await embedder.embed(["one"], self.model, purpose="query", dimensions=self.dimensions)
            assert len(short.vectors[0]) == self.dimensions

        self._with_embedder(check)

    def _with_embedder(self, check: Callable[[Embedder], Coroutine[object, object, None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(30), self.open() as embedder:
                assert embedder.name
                await check(embedder)

        asyncio.run(main())


def _well_formed(embeddings: Embeddings, texts: int) -> None:
    assert len(embeddings.vectors) == texts
    assert len({len(vector) for vector in embeddings.vectors}) == 1
    assert all(isfinite(number) for vector in embeddings.vectors for number in vector)
    assert embeddings.model
    assert embeddings.usage.input >= 0


def _alike(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(isclose(a, b, abs_tol=1e-3) for a, b in zip(one, other, strict=True))
