"""Converse on the wire: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html"""

import re
from collections.abc import Iterator
from struct import pack
from typing import Any
from urllib.parse import unquote
from zlib import crc32

import msgspec

from tests.fakes.answer import Answer, Call, Wire, identified, in_turn, json_bytes, split
from tests.fakes.wires.embeddings import vector

CONTENT_TYPE = "application/vnd.amazon.eventstream"


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One message of an event stream."""
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + pack(">H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = pack(">II", 16 + len(block) + len(payload), len(block))
    message = prelude + pack(">I", crc32(prelude)) + block + payload
    return message + pack(">I", crc32(message))


def converse_event(kind: str, **fields: Any) -> bytes:
    """An event as Bedrock sends it."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json_bytes(fields))


def converse_exception(kind: str, message: str) -> bytes:
    """An exception in a stream."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json_bytes({"message": message}))


def _stop(answer: Answer) -> str:
    return answer.stop or ("tool_use" if answer.calls else "end_turn")


def _reason(answer: Answer) -> dict[str, str]:
    return {} if answer.reasonless else {"stopReason": _stop(answer)}


def _usage(answer: Answer) -> dict[str, int]:
    return {
        "inputTokens": answer.input,
        "outputTokens": answer.output,
        "totalTokens": answer.input + answer.output,
    }


def converse_body(answer: Answer, model: str) -> bytes:
    """The answer as a whole."""
    content: list[dict[str, Any]] = []
    if answer.thinking:
        told = {"text": answer.thinking, "signature": "c2lnbmVk"}
        content.append({"reasoningContent": {"reasoningText": told}})
    if answer.text:
        content.append({"text": answer.text})
    for call in identified(answer):
        use = {"toolUseId": call.id, "name": call.name, "input": msgspec.json.decode(call.arguments)}
        content.append({"toolUse": use})
    output = {"message": {"role": "assistant", "content": content}}
    usage = {"usage": _usage(answer)} if answer.usage else {}
    return json_bytes({"output": output, **_reason(answer), "metrics": {"latencyMs": 1}, **usage})


def converse_fields(answer: Answer) -> Iterator[tuple[str, dict[str, Any]]]:
    """The answer as the events of a stream: their names and fields."""
    yield "messageStart", {"role": "assistant"}
    index = answer.first_index
    if answer.thinking:
        for word in split(answer.thinking, answer.pieces):
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"reasoningContent": {"text": word}}}
        signed = {"reasoningContent": {"signature": "c2lnbmVk"}}
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": signed}
        yield "contentBlockStop", {"contentBlockIndex": index}
        index += 1
    if answer.text:
        for word in split(answer.text, answer.pieces):
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": word}}
            if answer.hollow:
                yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": ""}}
                yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {}}
        yield "contentBlockStop", {"contentBlockIndex": index}
        index += 1
    yield from in_turn(answer, (_call(answer, at, call) for at, call in enumerate(identified(answer), index)))
    yield "messageStop", _reason(answer)
    if answer.farewell and answer.usage:
        yield "metadata", {"usage": _usage(answer), "metrics": {"latencyMs": 1}}


def _call(answer: Answer, index: int, call: Call) -> Iterator[tuple[str, dict[str, Any]]]:
    use = {"toolUse": {"toolUseId": call.id, "name": call.name}}
    yield "contentBlockStart", {"contentBlockIndex": index, "start": use}
    words = split(call.arguments, answer.pieces)
    for word in ["", *words] if answer.hollow else words:
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": word}}}
    yield "contentBlockStop", {"contentBlockIndex": index}


def converse_events(answer: Answer, model: str) -> Iterator[bytes]:
    """The answer as the messages of an event stream."""
    return (converse_event(kind, **fields) for kind, fields in converse_fields(answer))


def _last(body: dict[str, Any]) -> tuple[str, bool]:
    blocks = body["messages"][-1]["content"]
    results = [piece for block in blocks if "toolResult" in block for piece in block["toolResult"]["content"]]
    return "".join(block.get("text", "") for block in [*results, *blocks]), bool(results)


def _model(path: str, body: dict[str, Any]) -> str:
    found = re.search(r"model/([^/]+)/(converse|invoke)", path)
    return unquote(found[1]) if found else ""


def _summaries(body: dict[str, Any], models: list[dict[str, Any]]) -> object:
    common = {"outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"]}
    return {"modelSummaries": [{"modelId": model["id"], **common, **model.get("summary", {})} for model in models]}


def _profiles(body: dict[str, Any], models: list[dict[str, Any]]) -> object:
    """Each model has a profile for the whole world."""
    arn = "arn:aws:bedrock:us-east-1::foundation-model/"
    profiles = [
        {"inferenceProfileId": f"global.{model['id']}", "models": [{"modelArn": arn + model["id"]}]} for model in models
    ]
    return {"inferenceProfileSummaries": profiles}


WIRE = Wire(
    "model/.*/converse(-stream)?",
    converse_body,
    converse_events,
    _last,
    model=_model,
    streamed=lambda path, body: path.endswith("-stream"),
    failure=lambda said: {"message": said},
    error_event=lambda said: converse_exception("internalServerException", said),
    content_type=CONTENT_TYPE,
    pages={"foundation-models": _summaries, "inference-profiles": _profiles},
)


def _whole(answer: Answer, model: str) -> bytes:
    raise AssertionError("embeddings depend on the request")


def _events(answer: Answer, model: str) -> Iterator[bytes]:
    raise AssertionError("an embedding is not streamed")


def _embeddings(answer: Answer, body: dict[str, Any]) -> bytes:
    """In the language of Cohere, Nova or Titan, as the request is."""
    if "texts" in body:
        vectors = [vector(text, body.get("output_dimension")) for text in body["texts"]]
        return json_bytes({"embeddings": {"float": vectors}, "response_type": "embeddings_by_type"})
    if "taskType" in body:
        told = body["singleEmbeddingParams"]
        item = {"embeddingType": "TEXT", "embedding": vector(told["text"]["value"], told.get("embeddingDimension"))}
        return json_bytes({"embeddings": [item]})
    numbers = vector(body["inputText"], body.get("dimensions"))
    return json_bytes({"embedding": numbers, "inputTextTokenCount": answer.input})


def _text(body: dict[str, Any]) -> tuple[str, bool]:
    nova = body.get("singleEmbeddingParams", {}).get("text", {}).get("value", "")
    return "\n".join(body.get("texts", [])) or nova or body.get("inputText", ""), False


INVOKE = Wire(
    "model/.*/invoke",
    _whole,
    _events,
    _text,
    model=_model,
    streamed=lambda path, body: False,
    failure=lambda said: {"message": said},
    reply=_embeddings,
)
