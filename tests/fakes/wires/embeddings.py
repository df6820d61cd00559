"""Embeddings on the wire, in every vendor's language. Texts get vectors made from them, in the wrong order where an
answer says which is whose."""

from base64 import b64encode
from hashlib import blake2b
from struct import pack
from typing import Any

from tests.fakes.answer import Answer, Wire, json_bytes
from tests.fakes.wires.cohere import WIRE as COHERE_CHAT
from tests.fakes.wires.ollama import WIRE as OLLAMA_CHAT

_DIMENSIONS = 8


def vector(text: str, dimensions: int | None = None) -> list[float]:
    """What a text is embedded as: numbers that four bytes hold exactly."""
    size = dimensions or _DIMENSIONS
    digest = blake2b(text.encode(errors="replace")).digest()
    return [(byte - 128) / 128 for byte in (digest * (size // len(digest) + 1))[:size]]


def _none(*anything: object) -> Any:
    raise AssertionError("an embedding is not streamed")


def _openai(answer: Answer, body: dict[str, Any]) -> bytes:
    """Also Voyage's, which differs in what it calls the dimensions."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    size = body.get("dimensions") or body.get("output_dimension")
    items: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        numbers: Any = vector(text, size)
        if body.get("encoding_format") == "base64":
            numbers = b64encode(pack(f"<{len(numbers)}f", *numbers)).decode()
        items.append({"object": "embedding", "index": index, "embedding": numbers})
    usage = {"prompt_tokens": answer.input, "total_tokens": answer.input}
    return json_bytes({"object": "list", "model": body["model"], "data": items[::-1], "usage": usage})


def _gemini(answer: Answer, body: dict[str, Any]) -> bytes:
    items = [
        {"values": vector(asked["content"]["parts"][0]["text"], asked.get("outputDimensionality"))}
        for asked in body["requests"]
    ]
    return json_bytes({"embeddings": items, "usageMetadata": {"promptTokenCount": answer.input}})


def _cohere(answer: Answer, body: dict[str, Any]) -> bytes:
    vectors = [vector(text, body.get("output_dimension")) for text in body["texts"]]
    meta = {"billed_units": {"input_tokens": answer.input}}
    return json_bytes({"id": "fake", "embeddings": {"float": vectors}, "texts": body["texts"], "meta": meta})


def _ollama(answer: Answer, body: dict[str, Any]) -> bytes:
    vectors = [vector(text, body.get("dimensions")) for text in body["input"]]
    return json_bytes({"model": body["model"], "embeddings": vectors, "prompt_eval_count": answer.input})


def _texts(body: dict[str, Any]) -> tuple[str, bool]:
    found = body.get("input") or body.get("texts") or [part["content"]["parts"][0]["text"] for part in body["requests"]]
    return "\n".join([found] if isinstance(found, str) else found), False


OPENAI = Wire(".*/embeddings", _none, _none, _texts, streamed=lambda path, body: False, reply=_openai)
GEMINI = Wire(
    ".*:batchEmbedContents",
    _none,
    _none,
    _texts,
    model=lambda path, body: path.rpartition("/")[2].partition(":")[0],
    streamed=lambda path, body: False,
    reply=_gemini,
)
COHERE = Wire(
    ".*v2/embed", _none, _none, _texts, streamed=lambda path, body: False, reply=_cohere, failure=COHERE_CHAT.failure
)
OLLAMA = Wire(
    ".*api/embed", _none, _none, _texts, streamed=lambda path, body: False, reply=_ollama, failure=OLLAMA_CHAT.failure
)
