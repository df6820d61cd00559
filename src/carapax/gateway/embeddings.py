"""The embeddings of the configured providers, in the form of https://platform.openai.com/docs/api-reference/embeddings.

A model is "provider/model", or "provider" for the one that its vendor is known for. Besides the fields of that API,
`input_type` may say what the texts are for, "query" or "document", which some vendors embed differently.
"""

import sys
from array import array
from base64 import b64encode
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from carapax.api.services import Services
from carapax.contracts import Embeddings, Spender
from carapax.errors import ConfigError, InvalidRequest, NotFound
from carapax.gateway.responses import respond_json
from carapax.gateway.rest import read_json

_MOST_TEXTS = 2_048
NOBODY = Spender("", "", "")
"""For whom vectors are counted that a program asked for: for no agent and outside of sessions."""


class EmbeddingRequest(Struct, frozen=True):
    """What is read of a request."""

    model: str
    input: Any
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    input_type: Literal["query", "document"] = "document"


class Item(Struct, frozen=True):
    index: int
    embedding: tuple[float, ...] | str
    object: str = "embedding"


class Usage(Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Struct, frozen=True):
    data: list[Item]
    model: str
    usage: Usage
    object: str = "list"


async def respond_embeddings(request: web.BaseRequest, services: Services) -> web.Response:
    body = await read_json(request, services.config.limits)
    try:
        asked = msgspec.convert(body, EmbeddingRequest)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from error
    answer = await _embed(services, asked, _texts(asked.input))
    shown = _base64 if asked.encoding_format == "base64" else tuple
    data = [Item(index, shown(vector)) for index, vector in enumerate(answer.vectors)]
    return respond_json(EmbeddingList(data, asked.model, Usage(answer.usage.input, answer.usage.input)))


async def _embed(services: Services, asked: EmbeddingRequest, texts: list[str]) -> Embeddings:
    try:
        embedder, model = await services.models.embedder(asked.model, NOBODY)
    except ConfigError as error:
        raise NotFound(f"model: {error.message}", error.hint) from error
    return await embedder.embed(texts, model, purpose=asked.input_type, dimensions=asked.dimensions)


def _texts(given: object) -> list[str]:
    """One text or several. Those that were cut into tokens cannot be read: each vendor cuts them its own way."""
    found = given if isinstance(given, list) else [given]
    if not found or len(found) > _MOST_TEXTS:
        raise InvalidRequest(f"input: it has {len(found)} texts", f"send 1 to {_MOST_TEXTS}")
    if any(isinstance(text, int | list) for text in found):
        raise InvalidRequest("input: lists of tokens cannot be read", "send the text itself")
    texts = [text for text in found if isinstance(text, str) and text]
    if len(texts) < len(found):
        raise InvalidRequest("input: there is a text that is empty or none", "send a text or a list of texts")
    return texts


def _base64(vector: tuple[float, ...]) -> str:
    """Four little-endian bytes for each number."""
    packed = array("f", vector)
    if sys.byteorder == "big":
        packed.byteswap()
    return b64encode(packed.tobytes()).decode()
