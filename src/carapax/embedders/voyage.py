"""Voyage's embeddings.

The format: https://docs.voyageai.com/reference/embeddings-api
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from carapax.contracts import Embeddings
from carapax.models.dialect import counted
from carapax.models.embedding import Purpose, Vector, checked, embed_in_turn, ordered
from carapax.models.refusal import BROKEN_JSON, Origin, no_answer
from carapax.models.server import Server, Wire

_WIRE = Wire()
_MOST_TEXTS = 1_000
_MOST_BYTES = 240_000  # at most 120,000 tokens in a request, for the models that take the least


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Voyage.

    truncate: whether texts that are too long are cut, which are refused otherwise
    """

    truncate: bool = False


def encode(
    texts: Sequence[str], model: str, purpose: Purpose, dimensions: int | None, config: Config
) -> dict[str, Any]:
    """The body of a request."""
    body: dict[str, Any] = {"model": model, "input": list(texts), "input_type": purpose}
    body |= {"truncation": config.truncate, "encoding_format": "base64"}
    return {**body, "output_dimension": dimensions} if dimensions else body


class _Item(Struct):
    embedding: Vector
    index: int | None = None


class _Usage(Struct):
    total_tokens: Any = None


class _Answer(Struct):
    data: list[_Item] | None = None
    model: str | None = None
    usage: _Usage | None = None


_answer = msgspec.json.Decoder(_Answer)


def decode(body: bytes, origin: Origin, texts: int, dimensions: int | None = None) -> Embeddings:
    """The vectors of an answer, one for each text. Raises a ModelError."""
    try:
        answer = _answer.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    if answer.data is None:
        raise no_answer(origin, body)
    vectors = ordered(origin, [(item.index, item.embedding) for item in answer.data])
    tokens = counted((answer.usage or _Usage()).total_tokens)
    return checked(origin, vectors, texts, dimensions, answer.model or origin.model, tokens)


class Voyage:
    """Voyage, which has models for embeddings only."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = server

    async def embed(
        self, texts: Sequence[str], model: str, *, purpose: Purpose, dimensions: int | None = None
    ) -> Embeddings:
        async def ask(batch: list[str]) -> Embeddings:
            body = encode(batch, model, purpose, dimensions, self._config)
            read = partial(decode, texts=len(batch), dimensions=dimensions)
            return await self._server.ask(_WIRE, model, "/embeddings", body, read)

        return await embed_in_turn(texts, model, ask, _MOST_TEXTS, _MOST_BYTES)


EXTENSION = Voyage
