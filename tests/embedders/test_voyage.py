from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from carapax.contracts import Embedder, Embeddings
from carapax.embedders.voyage import Config, Voyage, decode, encode
from carapax.errors import ModelError
from carapax.messages import Usage
from carapax.models.server import Server
from carapax.testing import EmbedderContract
from tests.embedders.served import FAILURES, KEY, ORIGIN, fail, served
from tests.fakes.answer import Answer
from tests.running import run


def opened(server: Server) -> Embedder:
    return Voyage(Config(), server)


def test_a_request_says_what_the_texts_are_for() -> None:
    plain = {"model": "m", "input": ["a"], "truncation": False, "encoding_format": "base64"}
    assert encode(["a"], "m", "query", None, Config()) == {**plain, "input_type": "query"}
    assert encode(["a"], "m", "document", 5, Config(truncate=True)) == {
        **plain,
        "input_type": "document",
        "truncation": True,
        "output_dimension": 5,
    }


def test_vectors_go_to_their_texts() -> None:
    items = [{"index": 1, "embedding": "AACAPw=="}, {"index": 0, "embedding": [0.5]}]
    body: dict[str, Any] = {"data": items, "model": "m-1", "usage": {"total_tokens": 3}}
    assert decode(msgspec.json.encode(body), ORIGIN, 2) == Embeddings(((0.5,), (1.0,)), "m-1", Usage(input=3))


def test_long_texts_go_in_several_requests() -> None:
    async def main() -> None:
        async with served(opened) as (embedder, server):
            await embedder.embed(["x" * 100_000] * 3, "m", purpose="document")
            assert [len(request.body["input"]) for request in server.requests] == [2, 1]
            assert server.requests[0].path == "/v1/embeddings"
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
