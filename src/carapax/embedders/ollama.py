"""Embeddings of Ollama's own API.

The format: https://docs.ollama.com/api/embed
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
_MOST_TEXTS = 64  # it takes any number, but is silent until all are done
_MOST_BYTES = 200_000


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """An Ollama server.

    truncate: whether texts that are too long are cut at their end, which are refused otherwise
    """

    truncate: bool = False


def encode(texts: Sequence[str], model: str, dimensions: int | None, config: Config) -> dict[str, Any]:
    """The body of a request. Whether texts look for others or are to be found, the API has no word for."""
    body: dict[str, Any] = {"model": model, "input": list(texts), "truncate": config.truncate}
    return {**body, "dimensions": dimensions} if dimensions else body


class _Answer(Struct):
    embeddings: list[list[float]] | None = None
    model: str | None = None
    prompt_eval_count: Any = None


_answer = msgspec.json.Decoder(_Answer)


def decode(body: bytes, origin: Origin, texts: int, dimensions: int | None = None) -> Embeddings:
    """The vectors of an answer, one for each text. Raises a ModelError."""
    try:
        answer = _answer.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    if answer.embeddings is None:
        raise no_answer(origin, body)
    tokens = counted(answer.prompt_eval_count)
    return checked(origin, answer.embeddings, texts, dimensions, answer.model or origin.model, tokens)


class Ollama:
    """An Ollama server, on this machine or another."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = rooted(server, "api|v1")

    async def embed(
        self, texts: Sequence[str], model: str, *, purpose: Purpose, dimensions: int | None = None
    ) -> Embeddings:
        async def ask(batch: list[str]) -> Embeddings:
            body = encode(batch, model, dimensions, self._config)
            read = partial(decode, texts=len(batch), dimensions=dimensions)
            return await self._server.ask(_WIRE, model, "/api/embed", body, read)

        return await embed_in_turn(texts, model, ask, _MOST_TEXTS, _MOST_BYTES)


EXTENSION = Ollama
