from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from carapax.contracts import Embedder, Embeddings
from carapax.embedders.openai import Config, OpenAI, decode, encode
from carapax.errors import ModelError
from carapax.messages import Usage
from carapax.models.server import Server
from carapax.testing import EmbedderContract
from tests.embedders.served import FAILURES, KEY, ORIGIN, fail, served
from tests.fakes.answer import Answer
from tests.fakes.wires.embeddings import vector
from tests.running import run


def opened(server: Server) -> Embedder:
    return OpenAI(Config(), server)


def test_a_request_asks_for_base64_and_for_a_length_only_if_one_is_wanted() -> None:
    plain = {"model": "m", "input": ["a", "b"], "encoding_format": "base64"}
    assert encode(["a", "b"], "m", None, Config()) == plain
    assert encode(["a", "b"], "m", 5, Config()) == {**plain, "dimensions": 5}
    assert encode(["a", "b"], "m", 5, Config(dimensions_field="length")) == {**plain, "length": 5}
    assert encode(["a", "b"], "m", None, Config(base64=False)) == {"model": "m", "input": ["a", "b"]}


def body(*items: Any, **fields: Any) -> bytes:
    return msgspec.json.encode({"data": list(items), **fields})


def test_vectors_come_as_numbers_or_in_base64_in_any_order() -> None:
    items = [{"index": 1, "embedding": "AACAPwAAAEA="}, {"index": 0, "embedding": [0.5, 2]}]
    answer = decode(body(*items, model="m-1", usage={"total_tokens": 3}), ORIGIN, 2)
    assert answer == Embeddings(((0.5, 2.0), (1.0, 2.0)), "m-1", Usage(input=3))


def test_vectors_without_a_place_are_in_order() -> None:
    answer = decode(body({"embedding": [1.0]}, {"embedding": [2.0]}), ORIGIN, 2)
    assert answer == Embeddings(((1.0,), (2.0,)), "model")


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"index": 0, "embedding": [1.0]}], "1 vectors for 2 texts"),
        ([{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}], r"vectors of \[1, 2\] numbers"),
        ([{"index": 0, "embedding": []}, {"index": 1, "embedding": ""}], r"vectors of \[0\] numbers"),
        ([{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}], "other texts"),
        ([{"index": 0, "embedding": [1.0]}, {"embedding": [2.0]}], "other texts"),
        ([{"index": 0, "embedding": "AADAfw=="}, {"index": 1, "embedding": "AACAPw=="}], "not finite"),
        ([{"index": 0, "embedding": "AAA="}, {"index": 1, "embedding": "AAA="}], "that is none"),
        ([{"index": 0, "embedding": "%"}, {"index": 1, "embedding": "%"}], "that is none"),
        ([{"index": 0, "embedding": [None]}, {"index": 1, "embedding": [1.0]}], "no valid answer"),
    ],
)
def test_vectors_that_are_none_are_refused(items: list[Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        decode(body(*items), ORIGIN, 2)


def test_a_model_that_has_another_length_than_asked_is_told() -> None:
    with pytest.raises(ModelError, match="of 1 numbers, not of 5") as raised:
        decode(body({"index": 0, "embedding": [1.0]}), ORIGIN, 1, dimensions=5)
    assert "leave out the dimensions" in raised.value.hint


@pytest.mark.parametrize(
    ("key_header", "header", "value"), [("", "authorization", f"Bearer {KEY}"), ("api-key", "api-key", KEY)]
)
def test_texts_are_sent_in_batches_with_the_key_where_it_goes(key_header: str, header: str, value: str) -> None:
    async def main() -> None:
        config = Config(most_texts=2, key_header=key_header)
        async with served(lambda server: OpenAI(config, server)) as (embedder, server):
            answer = await embedder.embed(["a", "b", "c"], "m", purpose="document")
            assert answer == Embeddings(tuple(tuple(vector(text)) for text in "abc"), "m", Usage(input=20))
            assert [request.body["input"] for request in server.requests] == [["a", "b"], ["c"]]
            assert {request.path for request in server.requests} == {"/v1/embeddings"}
            assert {request.headers[header] for request in server.requests} == {value}

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
