"""Every recorded exchange with a vendor's embeddings replays: equal vectors, and an equal request."""

from base64 import b64decode
from collections.abc import Callable
from functools import partial
from struct import iter_unpack
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from carapax.contracts import Embeddings
from carapax.embedders import cohere, gemini, openai, voyage
from carapax.errors import ModelError, ModelRejected
from carapax.messages import Usage
from carapax.models.catalogue import vendors
from carapax.models.refusal import failure
from carapax.models.server import endpoint
from tests.embedders.served import ORIGIN
from tests.fakes.recordings import Exchange, conversations, present

pytestmark = present


class Asked(Struct):
    """What a recorded request asks for."""

    texts: list[str]
    model: str
    purpose: str
    dimensions: int | None
    body: dict[str, Any]


class Language(Struct):
    """How a vendor's embeddings are recorded, and how we speak with it."""

    family: str
    path: str
    asked: Callable[[dict[str, Any]], Asked]
    encode: Callable[[Asked], dict[str, Any]]
    decode: Callable[..., Embeddings]
    read: Callable[[dict[str, Any]], tuple[list[list[float]], int]]


def numbers(found: str | list[float]) -> list[float]:
    if isinstance(found, str):
        return [number for (number,) in iter_unpack("<f", b64decode(found))]
    return found


def listed(body: dict[str, Any]) -> tuple[list[list[float]], int]:
    items = sorted(body["data"], key=lambda item: item["index"])
    return [numbers(item["embedding"]) for item in items], body["usage"]["total_tokens"]


def of_openai(body: dict[str, Any]) -> Asked:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    return Asked(texts, body["model"], "document", body.get("dimensions"), {**body, "input": texts})


def of_voyage(body: dict[str, Any]) -> Asked:
    return Asked(body["input"], body["model"], body["input_type"] or "", body["output_dimension"], body)


def to_voyage(asked: Asked) -> dict[str, Any]:
    config = voyage.Config(truncate=asked.body["truncation"])
    return voyage.encode(asked.texts, asked.model, purpose(asked), asked.dimensions, config)


def of_cohere(body: dict[str, Any]) -> Asked:
    return Asked(body["texts"], body["model"], body["input_type"], body["output_dimension"], body)


def to_cohere(asked: Asked) -> dict[str, Any]:
    config = cohere.Config(truncate=asked.body["truncate"] == "END")
    return cohere.encode(asked.texts, asked.model, purpose(asked), asked.dimensions, config)


def of_gemini(body: dict[str, Any]) -> Asked:
    first = body["requests"][0]
    texts = [part["text"] for asked in body["requests"] for part in asked["content"]["parts"]]
    return Asked(texts, first["model"], first.get("taskType", ""), first.get("outputDimensionality"), body)


def purpose(asked: Asked) -> Any:
    return "query" if "query" in asked.purpose.lower() else "document"


LANGUAGES = [
    Language(
        "openai",
        "/v1/embeddings",
        of_openai,
        lambda asked: openai.encode(asked.texts, asked.model, asked.dimensions, openai.Config()),
        openai.decode,
        listed,
    ),
    Language("voyage", "/v1/embeddings", of_voyage, to_voyage, voyage.decode, listed),
    Language(
        "cohere",
        "/v2/embed",
        of_cohere,
        to_cohere,
        cohere.decode,
        lambda body: (body["embeddings"]["float"], body["meta"]["billed_units"]["input_tokens"]),
    ),
    Language(
        "gemini",
        ":batchEmbedContents",
        of_gemini,
        lambda asked: gemini.encode(asked.texts, asked.model, purpose(asked), asked.dimensions),
        gemini.decode,
        lambda body: (
            [item["values"] for item in body["embeddings"]],
            (body.get("usageMetadata") or {}).get("promptTokenCount", 0),
        ),
    ),
]
ALL = [
    pytest.param(language, exchange, id=exchange.name)
    for language in LANGUAGES
    for exchanges in conversations((language.family,), language.path)
    for exchange in exchanges
]


def told(found: Any) -> Any:
    """A request without what is said to be nothing."""
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize(("language", "exchange"), ALL)
def test_the_request_is_the_recorded_one(language: Language, exchange: Exchange) -> None:
    assert language.encode(language.asked(exchange.request)) == told(exchange.request)


@pytest.mark.parametrize(("language", "exchange"), ALL)
def test_the_vectors_are_the_recorded_ones(language: Language, exchange: Exchange) -> None:
    asked = language.asked(exchange.request)
    read = partial(language.decode, exchange.body, ORIGIN, len(asked.texts), asked.dimensions)
    if exchange.status == 200:
        body = msgspec.json.decode(exchange.body)
        vectors, tokens = language.read(body)
        model = body.get("model", "model")
        assert read() == Embeddings(tuple(map(tuple, vectors)), model, Usage(input=tokens))
        return
    with pytest.raises(ModelError):
        read()
    error = failure(ORIGIN, exchange.status, exchange.headers, exchange.body, now=0)
    assert type(error) is ModelRejected
    assert str(exchange.status) in error.message
    assert asked.model.removeprefix("models/") in error.message


def test_none_is_left_out_and_the_catalogue_knows_where_they_are() -> None:
    assert len(ALL) >= 13
    for case in ALL:
        language, exchange = case.values
        assert isinstance(language, Language)
        assert isinstance(exchange, Exchange)
        version, path = ("v1beta", "") if language.family == "gemini" else ("v1", "/embeddings")
        if language.family == "cohere":
            version, path = "v2", "/embed"
        known = endpoint(vendors()[language.family].base_url, path, version)
        assert exchange.url.startswith(known)
