"""A model file for llama.cpp, made here: the smallest Llama with random weights and one token for each byte.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import random
import struct
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path

Value = str | int | float | list[str] | list[int]
_UINT32, _FLOAT32, _STRING, _ARRAY, _INT32 = 4, 6, 8, 9, 5
_ALIGNMENT = 32
_WIDTH, _HIDDEN, _HEADS = 32, 64, 2
_END = "<|end|>"
_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def write_model(file: Path, *, context_tokens: int = 2048, seed: int = 1) -> None:
    """Write a model of one layer, some 100 KB, that a llama.cpp server loads and talks with; it says nonsense."""
    tokens = [*_byte_letters(), _END]
    known: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "llama.context_length": context_tokens,
        "llama.embedding_length": _WIDTH,
        "llama.block_count": 1,
        "llama.feed_forward_length": _HIDDEN,
        "llama.attention.head_count": _HEADS,
        "llama.attention.head_count_kv": _HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": _WIDTH // _HEADS,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * 256 + [3],
        "tokenizer.ggml.merges": [f"{tokens[33]} {tokens[34]}"],
        "tokenizer.ggml.eos_token_id": 256,
        "tokenizer.ggml.bos_token_id": 256,
        "tokenizer.chat_template": _TEMPLATE,
    }
    shapes = {
        "token_embd.weight": (_WIDTH, len(tokens)),
        "output_norm.weight": (_WIDTH,),
        "output.weight": (_WIDTH, len(tokens)),
        **{f"blk.0.{name}_norm.weight": (_WIDTH,) for name in ("attn", "ffn")},
        **{f"blk.0.attn_{name}.weight": (_WIDTH, _WIDTH) for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}.weight": (_WIDTH, _HIDDEN) for name in ("gate", "up")},
        "blk.0.ffn_down.weight": (_HIDDEN, _WIDTH),
    }
    file.write_bytes(_gguf(known, shapes, random.Random(seed)))


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in byte-level vocabularies: printable ones for themselves."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    strange = iter(range(256, 512))
    return [chr(byte if byte in printable else next(strange)) for byte in range(256)]


def _gguf(known: Mapping[str, Value], shapes: Mapping[str, tuple[int, ...]], chance: random.Random) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(known))
    head += b"".join(_string(name) + _value(value) for name, value in known.items())
    data = b""
    for name, shape in shapes.items():
        head += _string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", 0, len(data))
        data += _padded(_weights(shape, chance))
    return _padded(head) + data


def _weights(shape: Iterable[int], chance: random.Random) -> bytes:
    count = 1
    for size in shape:
        count *= size
    return array("f", (chance.gauss(0, 0.5) for _ in range(count))).tobytes()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Value) -> bytes:
    match value:
        case str():
            return struct.pack("<I", _STRING) + _string(value)
        case int():
            return struct.pack("<II", _UINT32, value)
        case float():
            return struct.pack("<If", _FLOAT32, value)
    texts = [_string(item) for item in value if isinstance(item, str)]
    if texts:
        return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(texts)
    return struct.pack(f"<IIQ{len(value)}i", _ARRAY, _INT32, len(value), *value)
