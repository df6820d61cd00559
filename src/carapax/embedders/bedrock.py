"""The embeddings of Amazon Bedrock, which speaks to each maker's models in the maker's own language.

Titan: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
Nova: https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
Cohere: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from carapax.contracts import Embeddings
from carapax.errors import ModelError
from carapax.messages import Usage
from carapax.models.dialect import counted
from carapax.models.embedding import Purpose, checked, embed_in_turn
from carapax.models.refusal import BROKEN_JSON, Origin, no_answer
from carapax.models.server import Server, Wire
from carapax.models.sigv4 import authorize

_WIRE = Wire(authorize, version="")
_MOST_TEXTS = 96
_MOST_BYTES = 1_000_000
_AT_ONCE = 8
_INPUT_TYPES: dict[Purpose, str] = {"query": "search_query", "document": "search_document"}
_PURPOSES: dict[Purpose, str] = {"query": "TEXT_RETRIEVAL", "document": "GENERIC_INDEX"}


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Bedrock.

    truncate: whether texts that are too long are cut at their end, which are refused otherwise; Titan refuses always
    """

    truncate: bool = False


def takes_many(model: str) -> bool:
    """Whether a model takes more than one text at once, as only Cohere's do."""
    return "cohere." in model


def encode(
    texts: Sequence[str], model: str, purpose: Purpose, dimensions: int | None, config: Config
) -> dict[str, Any]:
    """The body of a request; the model is named in its path."""
    cut = "END" if config.truncate else "NONE"
    if takes_many(model):
        body: dict[str, Any] = {"texts": list(texts), "input_type": _INPUT_TYPES[purpose], "truncate": cut}
        return {**body, "output_dimension": dimensions} if dimensions else body
    [text] = texts
    if "amazon.nova-" in model:
        told: dict[str, Any] = {"embeddingPurpose": _PURPOSES[purpose], "text": {"value": text, "truncationMode": cut}}
        size = {"embeddingDimension": dimensions} if dimensions else {}
        return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {**told, **size}}
    return {"inputText": text, "dimensions": dimensions} if dimensions else {"inputText": text}


class _Item(Struct):
    embedding: list[float]


class _Floats(Struct, rename={"floats": "float"}):
    floats: list[list[float]]


class _Titan(Struct):
    embedding: list[float]
    inputTextTokenCount: Any = None


class _Many(Struct):
    """`embeddings` is a list of vectors from Cohere's older models, one of objects from Nova."""

    embeddings: list[list[float] | _Item] | _Floats


_answer = msgspec.json.Decoder(_Many)
_titan = msgspec.json.Decoder(_Titan)


def decode(body: bytes, origin: Origin, texts: int, dimensions: int | None = None) -> Embeddings:
    """The vectors of an answer, one for each text. Raises a ModelError."""
    found: list[list[float] | str]
    try:
        if b'"embeddings"' in body:
            many = _answer.decode(body).embeddings
            items = many.floats if isinstance(many, _Floats) else many
            found, tokens = [item.embedding if isinstance(item, _Item) else item for item in items], 0
        else:
            titan = _titan.decode(body)
            found, tokens = [titan.embedding], counted(titan.inputTextTokenCount)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    return checked(origin, found, texts, dimensions, origin.model, tokens)


class Bedrock:
    """The models for embeddings of Amazon Bedrock in one region."""

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
            # What is signed must be what is sent: a client may write a colon as it is in any case.
            return await self._server.ask(_WIRE, model, f"/model/{quote(model, safe=':')}/invoke", body, read)

        async def ask_each(batch: list[str]) -> Embeddings:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(ask([text])) for text in batch]
            except* ModelError as errors:
                raise errors.exceptions[0] from None
            answers = [task.result() for task in tasks]
            vectors = tuple(vector for answer in answers for vector in answer.vectors)
            return Embeddings(vectors, model, Usage(input=sum(answer.usage.input for answer in answers)))

        if takes_many(model):
            return await embed_in_turn(texts, model, ask, _MOST_TEXTS, _MOST_BYTES)
        return await embed_in_turn(texts, model, ask_each, _AT_ONCE, _MOST_BYTES)


EXTENSION = Bedrock
