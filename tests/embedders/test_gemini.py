from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from carapax.contracts import Embedder, Embeddings
from carapax.embedders.gemini import Config, Gemini, decode, encode
from carapax.errors import ModelError
from carapax.messages import Usage
from carapax.models.server import Server
from carapax.testing import EmbedderContract
from tests.embedders.served import FAILURES, KEY, ORIGIN, fail, served
from tests.fakes.answer import Answer
from tests.fakes.wires.embeddings import vector
from tests.running import run


def opened(server: Server) -> Embedder:
    return Gemini(Config(), server)


@pytest.mark.parametrize("model", ["m", "models/m"])
def test_each_text_has_a_request_of_its_own_that_says_what_it_is_for(model: str) -> None:
    asked: dict[str, Any] = {"model": "models/m", "content": {"parts": [{"text": "a"}]}}
    assert encode(["a"], model, "query", None) == {"requests": [{**asked, "taskType": "RETRIEVAL_QUERY"}]}
    assert encode(["a"], model, "document", 5) == {
        "requests": [{**asked, "taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 5}]
    }


def test_vectors_are_in_the_order_of_their_texts() -> None:
    body = {"embeddings": [{"values": [0.5]}, {"values": [1]}], "usageMetadata": {"promptTokenCount": 3}}
    assert decode(msgspec.json.encode(body), ORIGIN, 2) == Embeddings(((0.5,), (1.0,)), "model", Usage(input=3))


def test_a_hundred_texts_go_at_once() -> None:
    async def main() -> None:
        async with served(opened) as (embedder, server):
            answer = await embedder.embed(["a"] * 101, "models/m", purpose="document")
            assert answer == Embeddings((tuple(vector("a")),) * 101, "models/m", Usage(input=20))
            assert [len(request.body["requests"]) for request in server.requests] == [100, 1]
            assert server.requests[0].path == "/v1beta/models/m:batchEmbedContents"
            assert server.requests[0].headers["x-goog-api-key"] == KEY

    run(main())


@pytest.mark.parametrize(("answer", "kind", "words"), FAILURES)
def test_a_server_that_misbehaves_is_told_by_what_it_did(answer: Answer, kind: type[ModelError], words: str) -> None:
    run(fail(opened, answer, kind, words))


class TestContract(EmbedderContract):
    def open(self) -> AbstractAsyncContextManager[Embedder]:
        @asynccontextmanager
        async def embedder() -> AsyncIterator[Embedder]:
            async with served(opened) as (opened_embedder, _):
                yield opened_embedder

        return embedder()
