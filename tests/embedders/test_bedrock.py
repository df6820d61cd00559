from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from carapax.contracts import Embedder, Embeddings
from carapax.embedders.bedrock import Bedrock, Config, decode, encode
from carapax.errors import ModelBusy, ModelError
from carapax.messages import Usage
from carapax.models.server import Server
from carapax.testing import EmbedderContract
from tests.embedders.served import FAILURES, KEY, ORIGIN, fail, served
from tests.fakes.answer import Answer
from tests.fakes.recordings import Exchange, conversations, present
from tests.fakes.wires.embeddings import vector
from tests.providers.reading import origin
from tests.running import run

TITAN, NOVA = "amazon.titan-embed-text-v2:0", "amazon.nova-2-multimodal-embeddings-v1:0"
COHERE = "us.cohere.embed-v4:0"


def opened(server: Server) -> Embedder:
    return Bedrock(Config(), server)


def test_each_maker_is_asked_in_its_own_language() -> None:
    cut = Config(truncate=True)
    assert encode(["a"], TITAN, "query", None, Config()) == {"inputText": "a"}
    assert encode(["a"], TITAN, "query", 256, Config()) == {"inputText": "a", "dimensions": 256}
    assert encode(["a", "b"], COHERE, "query", None, Config()) == {
        "texts": ["a", "b"],
        "input_type": "search_query",
        "truncate": "NONE",
    }
    assert encode(["a"], COHERE, "document", 5, cut) == {
        "texts": ["a"],
        "input_type": "search_document",
        "truncate": "END",
        "output_dimension": 5,
    }
    nova: dict[str, Any] = {
        "embeddingPurpose": "TEXT_RETRIEVAL",
        "text": {"value": "a", "truncationMode": "NONE"},
        "embeddingDimension": 5,
    }
    assert encode(["a"], NOVA, "query", 5, Config()) == {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": nova}
    nova = {"embeddingPurpose": "GENERIC_INDEX", "text": {"value": "a", "truncationMode": "END"}}
    assert encode(["a"], NOVA, "document", None, cut) == {
        "taskType": "SINGLE_EMBEDDING",
        "singleEmbeddingParams": nova,
    }


@pytest.mark.parametrize(
    "body", [b'{"embedding": 5}', b'{"embeddings": 5}', b'{"embeddings": [{"a": 1}]}', b"[" * 100_000]
)
def test_a_body_that_holds_no_vectors_is_unavailable(body: bytes) -> None:
    with pytest.raises(ModelError):
        decode(body, ORIGIN, 1)


@pytest.mark.parametrize(("model", "tokens"), [(TITAN, 40), (NOVA, 0), (COHERE, 0)])
def test_any_number_of_texts_is_asked_for_whatever_the_model_takes_at_once(model: str, tokens: int) -> None:
    async def main() -> None:
        async with served(opened) as (embedder, server):
            answer = await embedder.embed(["a", "b", "a", "c"], model, purpose="document")
            vectors = tuple(tuple(vector(text)) for text in "abac")
            assert answer == Embeddings(vectors, model, Usage(input=tokens))
            assert len(server.requests) == (1 if model == COHERE else 4)
            assert {request.path for request in server.requests} == {f"/model/{model}/invoke"}
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"

    run(main())


def test_one_text_that_fails_fails_all_with_its_own_error() -> None:
    async def main() -> None:
        async with served(opened, Answer(), Answer(status=429), Answer(status=429)) as (embedder, _):
            with pytest.raises(ModelBusy):
                await embedder.embed(["a", "b", "c"], TITAN, purpose="query")

    run(main())


@pytest.mark.parametrize(("answer", "kind", "words"), FAILURES)
def test_a_server_that_misbehaves_is_told_by_what_it_did(answer: Answer, kind: type[ModelError], words: str) -> None:
    run(fail(opened, answer, kind, words))


class TestContract(EmbedderContract):
    model = COHERE

    def open(self) -> AbstractAsyncContextManager[Embedder]:
        @asynccontextmanager
        async def embedder() -> AsyncIterator[Embedder]:
            async with served(opened) as (opened_embedder, _):
                yield opened_embedder

        return embedder()


class TestContractOfOneTextAtOnce(TestContract):
    model = TITAN


RECORDED = [
    exchange
    for exchanges in conversations(("bedrock",), "/invoke")
    for exchange in exchanges
    if "anthropic_version" not in exchange.request
]


def model_of(exchange: Exchange) -> str:
    return exchange.url.split("/model/")[1].split("/")[0].replace("%3A", ":")


def texts_of(request: dict[str, Any]) -> list[str]:
    nova = request.get("singleEmbeddingParams", {}).get("text", {}).get("value")
    found: list[str] = request.get("texts") or [nova or request["inputText"]]
    return found


@present
@pytest.mark.parametrize("exchange", RECORDED, ids=lambda exchange: exchange.name)
def test_recorded_vectors_are_read_as_they_stand(exchange: Exchange) -> None:
    body = msgspec.json.decode(exchange.body)
    match body:
        case {"embedding": found}:
            vectors = [found]
        case {"embeddings": {"float": vectors}}:
            pass
        case {"embeddings": [{"embedding": found}]}:
            vectors = [found]
        case {"embeddings": vectors}:
            pass
    expected = Embeddings(
        tuple(tuple(numbers) for numbers in vectors),
        model_of(exchange),
        Usage(input=body.get("inputTextTokenCount", 0)),
    )
    assert decode(exchange.body, origin(model_of(exchange)), len(texts_of(exchange.request))) == expected


@present
@pytest.mark.parametrize("exchange", RECORDED, ids=lambda exchange: exchange.name)
def test_requests_are_made_as_recorded(exchange: Exchange) -> None:
    """But for what the texts are for, where and whether they are cut, and what is so in any case."""
    recorded = exchange.request
    nova = recorded.get("singleEmbeddingParams", {})
    size = recorded.get("dimensions") or recorded.get("output_dimension") or nova.get("embeddingDimension")
    ours = encode(texts_of(recorded), model_of(exchange), "query", size, Config())
    chosen = ("input_type", "truncate", "max_tokens", "normalize")
    if nova:
        ours["singleEmbeddingParams"]["embeddingPurpose"] = nova["embeddingPurpose"]
    assert {name: ours[name] for name in ours if name not in chosen} == {
        name: recorded[name] for name in recorded if name not in chosen
    }


def test_nothing_is_left_out() -> None:
    assert not RECORDED or len(RECORDED) >= 10
