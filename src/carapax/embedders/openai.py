"""OpenAI's embeddings, and those of vendors and local servers that speak its language.

The format: https://platform.openai.com/docs/api-reference/embeddings
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
from carapax.models.server import Server, Wire, bearer, keyed

_MOST_BYTES = 600_000  # at most 300,000 tokens in a request


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that speaks OpenAI's language of embeddings, and its accent.

    most_texts: how many texts it takes at once
    base64: whether vectors can be asked for in base64, which is shorter
    dimensions_field: what it calls the length of vectors
    key_header: the header that the key goes in; empty for Authorization
    version: what is added to an address that names no version; empty for none
    """

    most_texts: int = 2_048
    base64: bool = True
    dimensions_field: str = "dimensions"
    key_header: str = ""
    version: str = "v1"


def encode(texts: Sequence[str], model: str, dimensions: int | None, config: Config) -> dict[str, Any]:
    """The body of a request. Whether texts look for others or are to be found, the API has no word for."""
    body: dict[str, Any] = {"model": model, "input": list(texts)}
    if config.base64:
        body["encoding_format"] = "base64"
    return {**body, config.dimensions_field: dimensions} if dimensions else body


class _Item(Struct):
    embedding: Vector
    index: int | None = None


class _Usage(Struct):
    prompt_tokens: Any = None
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
    usage = answer.usage or _Usage()
    tokens = counted(usage.prompt_tokens) or counted(usage.total_tokens)
    return checked(origin, vectors, texts, dimensions, answer.model or origin.model, tokens)


class OpenAI:
    """A vendor or a local server with OpenAI's embeddings."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = server
        self._wire = Wire(keyed(config.key_header) if config.key_header else bearer, config.version)

    async def embed(
        self, texts: Sequence[str], model: str, *, purpose: Purpose, dimensions: int | None = None
    ) -> Embeddings:
        async def ask(batch: list[str]) -> Embeddings:
            body = encode(batch, model, dimensions, self._config)
            read = partial(decode, texts=len(batch), dimensions=dimensions)
            return await self._server.ask(self._wire, model, "/embeddings", body, read)

        return await embed_in_turn(texts, model, ask, self._config.most_texts, _MOST_BYTES)


EXTENSION = OpenAI
