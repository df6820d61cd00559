"""A server of embeddings may send anything: it is answered with vectors that can be used, or with a ModelError."""

import json
from collections.abc import Callable
from contextlib import suppress
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.contracts import Embeddings
from carapax.embedders import cohere, gemini, ollama, openai, voyage
from carapax.errors import ModelError
from carapax.models.refusal import Origin
from tests.embedders.served import ORIGIN
from tests.fakes.answer import Answer, Wire
from tests.fakes.wires import embeddings
from tests.providers.test_hostile_servers import spoil

TEXTS = ["one", "two"]


def body(wire: Wire, asked: dict[str, Any]) -> bytes:
    assert wire.reply is not None
    return wire.reply(Answer(), asked)


CASES = [
    (openai.decode, body(embeddings.OPENAI, openai.encode(TEXTS, "m", None, openai.Config()))),
    (openai.decode, body(embeddings.OPENAI, {"model": "m", "input": TEXTS})),
    (voyage.decode, body(embeddings.OPENAI, voyage.encode(TEXTS, "m", "query", None, voyage.Config()))),
    (gemini.decode, body(embeddings.GEMINI, gemini.encode(TEXTS, "m", "query", None))),
    (cohere.decode, body(embeddings.COHERE, cohere.encode(TEXTS, "m", "query", None, cohere.Config()))),
    (ollama.decode, body(embeddings.OLLAMA, ollama.encode(TEXTS, "m", None, ollama.Config()))),
]
Decode = Callable[[bytes, Origin, int], Embeddings]


@pytest.mark.parametrize(("decode", "answer"), CASES)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_an_answer_with_something_wrong_in_it(decode: Decode, answer: bytes, data: st.DataObject) -> None:
    with suppress(ModelError):
        found = decode(json.dumps(spoil(spoil(json.loads(answer), data), data)).encode(), ORIGIN, len(TEXTS))
        assert len(found.vectors) == len(TEXTS)
        assert len({len(vector) for vector in found.vectors}) == 1
        assert all(isfinite(number) for vector in found.vectors for number in vector)
        assert found.usage.input >= 0


@pytest.mark.parametrize(("decode", "answer"), CASES)
@pytest.mark.parametrize("garbage", [b"[" * 100_000, b'{"data":' * 100_000, b"\xff", b"", b"null", b'{"data":[]}'])
def test_a_body_of_garbage(decode: Decode, answer: bytes, garbage: bytes) -> None:
    with pytest.raises(ModelError):
        decode(garbage, ORIGIN, len(TEXTS))
