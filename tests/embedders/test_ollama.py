from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest

from carapax.contracts import Embedder, Embeddings
from carapax.embedders.ollama import Config, Ollama, decode, encode
from carapax.errors import ModelError
from carapax.messages import Usage
from carapax.models.server import Server
from carapax.testing import EmbedderContract
from tests.embedders.served import FAILURES, KEY, ORIGIN, fail, served
from tests.fakes.answer import Answer
from tests.fakes.wires.embeddings import vector
from tests.running import run


def opened(server: Server) -> Embedder:
    return Ollama(Config(), server)


def test_a_request_has_nothing_cut_unless_that_is_wanted() -> None:
    plain = {"model": "m", "input": ["a"], "truncate": False}
    assert encode(["a"], "m", None, Config()) == plain
    assert encode(["a"], "m", 5, Config(truncate=True)) == {**plain, "truncate": True, "dimensions": 5}


def test_vectors_are_in_the_order_of_their_texts() -> None:
    body = {"model": "m-1", "embeddings": [[0.5], [1]], "prompt_eval_count": 3}
    assert decode(msgspec.json.encode(body), ORIGIN, 2) == Embeddings(((0.5,), (1.0,)), "m-1", Usage(input=3))


@pytest.mark.parametrize("path", ["", "/api", "/v1/"])
def test_it_is_asked_at_its_own_address(path: str) -> None:
    async def main() -> None:
        async with served(opened, path=path) as (embedder, server):
            answer = await embedder.embed(["a"] * 65, "m", purpose="document")
            assert answer == Embeddings((tuple(vector("a")),) * 65, "m", Usage(input=20))
            assert [len(request.body["input"]) for request in server.requests] == [64, 1]
            assert server.requests[0].path == "/api/embed"
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
