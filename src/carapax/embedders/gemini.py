"""Google's embeddings of the Gemini API.

The format: https://ai.google.dev/api/embeddings
"""

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from carapax.contracts import Embeddings
from carapax.models.dialect import counted
from carapax.models.embedding import Purpose, checked, embed_in_turn
from carapax.models.refusal import BROKEN_JSON, Origin, no_answer
from carapax.models.server import Server, Wire, keyed

_WIRE = Wire(keyed("x-goog-api-key"), "v1beta")
_MOST_TEXTS = 100
_MOST_BYTES = 1_000_000
_TASKS: dict[Purpose, str] = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Google's Gemini API, which has nothing to choose."""


def encode(texts: Sequence[str], model: str, purpose: Purpose, dimensions: int | None) -> dict[str, Any]:
    """The body of a request, in which each text has one of its own."""
    common: dict[str, Any] = {"model": f"models/{_bare(model)}", "taskType": _TASKS[purpose]}
    if dimensions:
        common["outputDimensionality"] = dimensions
    return {"requests": [{**common, "content": {"parts": [{"text": text}]}} for text in texts]}


def _bare(model: str) -> str:
    return model.removeprefix("models/")


class _Item(Struct):
    values: list[float]


class _Usage(Struct):
    promptTokenCount: Any = None


class _Answer(Struct):
    embeddings: list[_Item] | None = None
    usageMetadata: _Usage | None = None


_answer = msgspec.json.Decoder(_Answer)


def decode(body: bytes, origin: Origin, texts: int, dimensions: int | None = None) -> Embeddings:
    """The vectors of an answer, one for each text. Raises a ModelError."""
    try:
        answer = _answer.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    if answer.embeddings is None:
        raise no_answer(origin, body)
    tokens = counted((answer.usageMetadata or _Usage()).promptTokenCount)
    return checked(origin, [item.values for item in answer.embeddings], texts, dimensions, origin.model, tokens)


class Gemini:
    """Google's Gemini API."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._server = server

    async def embed(
        self, texts: Sequence[str], model: str, *, purpose: Purpose, dimensions: int | None = None
    ) -> Embeddings:
        path = f"/models/{quote(_bare(model), safe='')}:batchEmbedContents"

        async def ask(batch: list[str]) -> Embeddings:
            body = encode(batch, model, purpose, dimensions)
            read = partial(decode, texts=len(batch), dimensions=dimensions)
            return await self._server.ask(_WIRE, model, path, body, read)

        return await embed_in_turn(texts, model, ask, _MOST_TEXTS, _MOST_BYTES)


EXTENSION = Gemini
