"""Cohere's embeddings.

The format: https://docs.cohere.com/reference/embed
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from carapax.contracts import Embeddings
from carapax.models.dialect import counted
from carapax.models.embedding import Purpose, checked, embed_in_turn
from carapax.models.refusal import BROKEN_JSON, Origin, no_answer
from carapax.models.server import Server, Wire, rooted

_WIRE = Wire(version="")
_MOST_TEXTS = 96
_MOST_BYTES = 1_000_000
_INPUT_TYPES: dict[Purpose, str] = {"query": "search_query", "document": "search_document"}


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Cohere.

    truncate: whether texts that are too long are cut at their end, which are refused otherwise
    """

    truncate: bool = False


def encode(
    texts: Sequence[str], model: str, purpose: Purpose, dimensions: int | None, config: Config
) -> dict[str, Any]:
    """The body of a request."""
    body: dict[str, Any] = {"model": model, "texts": list(texts), "input_type": _INPUT_TYPES[purpose]}
    body |= {"truncate": "END" if config.truncate else "NONE", "embedding_types": ["float"]}
    return {**body, "output_dimension": dimensions} if dimensions else body


class _Vectors(Struct, rename={"floats": "float"}):
    floats: list[list[float]] | None = None


class _Billed(Struct):
    input_tokens: Any = None


class _Meta(Struct):
    billed_units: _Billed | None = None


class _Answer(Struct):
    embeddings: _Vectors | None = None
    meta: _Meta | None = None


_answer = msgspec.json.Decoder(_Answer)


def decode(body: bytes, origin: Origin, texts: int, dimensions: int | None = None) -> Embeddings:
    """The vectors of an answer, one for each text. Raises a ModelError."""
    try:
        answer = _answer.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    if answer.embeddings is None or answer.embeddings.floats is None:
        raise no_answer(origin, body)
    billed = (answer.meta or _Meta()).billed_units or _Billed()
    return checked(origin, answer.embeddings.floats, texts, dimensions, origin.model, counted(billed.input_tokens))


class Cohere:
    """Cohere, or a server that speaks its language."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = rooted(server, "(compatibility/)?v[12]")

    async def embed(
        self, texts: Sequence[str], model: str, *, purpose: Purpose, dimensions: int | None = None
    ) -> Embeddings:
        async def ask(batch: list[str]) -> Embeddings:
            body = encode(batch, model, purpose, dimensions, self._config)
            read = partial(decode, texts=len(batch), dimensions=dimensions)
            return await self._server.ask(_WIRE, model, "/v2/embed", body, read)

        return await embed_in_turn(texts, model, ask, _MOST_TEXTS, _MOST_BYTES)


EXTENSION = Cohere
