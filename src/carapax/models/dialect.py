"""What every dialect of model APIs does alike with what is said: ids, names, arguments, counts."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from hashlib import blake2b
from itertools import count
from typing import Any, TypeVar

import msgspec

from carapax.messages import AssistantMessage, Message, ToolCall, ToolResult
from carapax.models.refusal import BROKEN_JSON, Origin, unavailable

T = TypeVar("T")

_MOST_TOKENS = 2**53


def is_one_of(model: str, patterns: Iterable[str]) -> bool:
    """Whether a model's name is of one of the patterns, in which `*`, `?` and `[]` mean what they do for files."""
    return any(fnmatchcase(model, pattern) for pattern in patterns)


def told_of(model: str, table: Mapping[str, T]) -> T | None:
    """What a table tells of the first of such patterns that the model's name is of; None when it is of none."""
    return next((told for pattern, told in table.items() if fnmatchcase(model, pattern)), None)


def string(value: object) -> str:
    """Text that a vendor sent, or none where it sent something else."""
    return value if isinstance(value, str) else ""


def arguments_object(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call as an object, which is all that vendors take back; what a model wrote that is none is
    kept as text in one."""
    try:
        arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
        msgspec.json.encode(arguments)
    except (*BROKEN_JSON, OverflowError):
        return {"invalid_json": call.arguments}
    return arguments


def json_text(value: object) -> str:
    """Arguments that a vendor sent as a value, as the text that others send; numbers may be of any size."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def tokens(count: int | None) -> int:
    """A count that a vendor gave, made fit to be kept."""
    return int(min(max(count or 0, 0), _MOST_TOKENS))


def counted(found: object) -> int:
    """A count in whatever form a vendor gave it; 0 for what is none."""
    if isinstance(found, float):
        found = int(found) if math.isfinite(found) else 0
    return tokens(found) if isinstance(found, int) else 0


def storable(origin: Origin, message: AssistantMessage) -> AssistantMessage:
    """The message, if a journal can keep it: a vendor's data may hold what JSON can but we cannot write, such as a
    number of forty digits. Raises ModelUnavailable otherwise."""
    try:
        msgspec.json.encode(message)
    except (ValueError, OverflowError, RecursionError) as error:
        raise unavailable(origin, f"the answer holds what cannot be kept: {error}") from None
    return message


def told_apart(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with no id of a call used again in a later answer, as by servers that number the calls of each."""
    ids = [call.id for message in messages if isinstance(message, AssistantMessage) for call in message.tool_calls]
    taken, seen = set(ids), set[str]()
    if len(taken) == len(ids):
        return messages
    apart: list[Message] = []
    renamed: dict[str, str] = {}
    for message in messages:
        if isinstance(message, AssistantMessage):
            again = seen.intersection(call.id for call in message.tool_calls)
            renamed = {name: _free(name, taken) for name in sorted(again)}
            message = _renamed(message, renamed)
            seen.update(call.id for call in message.tool_calls)
        elif isinstance(message, ToolResult) and message.call_id in renamed:
            message = msgspec.structs.replace(message, call_id=renamed[message.call_id])
        apart.append(message)
    return tuple(apart)


def _free(name: str, taken: set[str]) -> str:
    free = next(free for number in count(2) if (free := f"{name}_{number}") not in taken)
    taken.add(free)
    return free


def _renamed(message: AssistantMessage, names: Mapping[str, str]) -> AssistantMessage:
    parts = tuple(
        msgspec.structs.replace(part, id=names[part.id]) if isinstance(part, ToolCall) and part.id in names else part
        for part in message.parts
    )
    return msgspec.structs.replace(message, parts=parts)


def fitting_id(name: str, pattern: str) -> str:
    """The id of a tool call, or one made from it of nine letters and digits when the vendor would refuse it."""
    if re.fullmatch(pattern, name):
        return name
    digest = int.from_bytes(blake2b(name.encode(errors="replace"), digest_size=6).digest(), "big")
    return "".join("0123456789abcdefghijklmnopqrstuv"[digest >> shift & 31] for shift in range(0, 45, 5))


def fitting_name(name: str) -> str:
    """The name of a tool that a model made up, as vendors take it back."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "unknown"
