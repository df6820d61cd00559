from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest

from carapax.contracts import Embedder, Embeddings
from carapax.embedders.cohere import Cohere, Config, decode, encode
from carapax.errors import ModelError
from carapax.messages import Usage
from carapax.models.server import Server
from carapax.testing import EmbedderContract
from tests.embedders.served import FAILURES, KEY, ORIGIN, fail, served
from tests.fakes.answer import Answer
from tests.fakes.wires.embeddings import vector
from tests.running import run


def opened(server: Server) -> Embedder:
    return Cohere(Config(), server)


def test_a_request_says_what_the_texts_are_for() -> None:
    plain = {"model": "m", "texts": ["a"], "truncate": "NONE", "embedding_types": ["float"]}
    assert encode(["a"], "m", "query", None, Config()) == {**plain, "input_type": "search_query"}
    assert encode(["a"], "m", "document", 5, Config(truncate=True)) == {
        **plain,
        "input_type": "search_document",
        "truncate": "END",
        "output_dimension": 5,
    }


def test_vectors_are_in_the_order_of_their_texts() -> None:
    meta = {"billed_units": {"input_tokens": 3.0}}
    body = {"embeddings": {"float": [[0.5], [1]]}, "meta": meta}
    assert decode(msgspec.json.encode(body), ORIGIN, 2) == Embeddings(((0.5,), (1.0,)), "model", Usage(input=3))


@pytest.mark.parametrize("path", ["", "/v2", "/v1/", "/compatibility/v1"])
def test_96_texts_go_at_once(path: str) -> None:
    async def main() -> None:
        async with served(opened, path=path) as (embedder, server):
            answer = await embedder.embed(["a"] * 100, "m", purpose="document")
            assert answer == Embeddings((tuple(vector("a")),) * 100, "m", Usage(input=20))
            assert [len(request.body["texts"]) for request in server.requests] == [96, 4]
            assert server.requests[0].path == "/v2/embed"
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"

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
