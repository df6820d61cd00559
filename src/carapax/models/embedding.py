"""What all vendors of embeddings have in common: how many texts go at once, and what makes vectors of their answers."""

import math
import sys
from array import array
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Literal

from carapax.contracts import Embeddings
from carapax.messages import Usage
from carapax.models.refusal import Origin, unavailable

Purpose = Literal["query", "document"]
Vector = list[float] | str
"""A vector as vendors send it: numbers, or four little-endian bytes for each in base64."""


async def embed_in_turn(
    texts: Sequence[str], model: str, ask: Callable[[list[str]], Awaitable[Embeddings]], most: int, most_bytes: int
) -> Embeddings:
    """The embeddings of any number of texts, asked for in batches of at most `most` texts and `most_bytes` bytes; a
    text longer than that goes alone. Raises what `ask` raises."""
    answers = [await ask(batch) for batch in batches(texts, most, most_bytes)]
    return Embeddings(
        tuple(vector for answer in answers for vector in answer.vectors),
        answers[0].model if answers else model,
        Usage(input=sum(answer.usage.input for answer in answers)),
    )


def batches(texts: Sequence[str], most: int, most_bytes: int) -> Iterator[list[str]]:
    """The texts in their order, in batches that a vendor takes."""
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode(errors="replace"))
        if batch and (len(batch) == most or size + length > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch


def ordered(origin: Origin, found: Sequence[tuple[int | None, Vector]]) -> list[Vector]:
    """Vectors by the place of their texts; those that came without one came in order. Raises ModelUnavailable."""
    places = [place for place, _ in found]
    if all(place is None for place in places):
        return [vector for _, vector in found]
    if sorted(-1 if place is None else place for place in places) != list(range(len(found))):
        raise unavailable(origin, "the vectors it sent are for other texts than those asked")
    return [vector for _, vector in sorted(found, key=lambda pair: pair[0] or 0)]


def checked(
    origin: Origin, found: Sequence[Vector], texts: int, dimensions: int | None, model: str, tokens: int
) -> Embeddings:
    """The embeddings, if they are what was asked for: a vector for each text, all of one length, of finite numbers.
    Raises ModelUnavailable otherwise."""
    if len(found) != texts:
        raise unavailable(origin, f"it sent {len(found)} vectors for {texts} texts")
    try:
        vectors = tuple(_numbers(vector) for vector in found)
    except ValueError as error:
        raise unavailable(origin, f"it sent a vector that is none: {error}") from None
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1 or lengths == {0}:
        raise unavailable(origin, f"it sent vectors of {sorted(lengths)} numbers")
    if dimensions and lengths - {dimensions}:
        hint = "the model may have only the one length: leave out the dimensions"
        raise unavailable(origin, f"it sent vectors of {lengths.pop()} numbers, not of {dimensions}", hint)
    return Embeddings(vectors, model, Usage(input=tokens))


def _numbers(found: Vector) -> tuple[float, ...]:
    if isinstance(found, str):
        packed = array("f", b64decode(found, validate=True))
        if sys.byteorder == "big":
            packed.byteswap()
        vector = tuple(packed)
    else:
        vector = tuple(map(float, found))
    if not math.isfinite(sum(vector)):
        raise ValueError("its numbers are not finite")
    return vector
