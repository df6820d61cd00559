"""JSON-RPC 2.0 (https://www.jsonrpc.org/specification), one function for HTTP and WebSocket."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard

import msgspec
from msgspec import Struct

from carapax.api.operation import Operation
from carapax.api.services import Services
from carapax.contracts import Supervise
from carapax.errors import CarapaxError
from carapax.gateway import errors
from carapax.gateway.limits import check_text
from carapax.gateway.strict_json import parse

Id = str | int | float | None
Admit = Callable[[Operation], None]
LONGEST_BATCH = 100
_encode = msgspec.json.Encoder().encode


class ErrorData(Struct, frozen=True, omit_defaults=True):
    kind: str
    hint: str = ""
    retry_after_s: float | None = None
    fields: dict[str, str] = {}


class Error(Struct, frozen=True, omit_defaults=True):
    code: int
    message: str
    data: ErrorData | None = None


class Success(Struct, frozen=True):
    jsonrpc: str
    result: Struct
    id: Id


class Failure(Struct, frozen=True):
    jsonrpc: str
    error: Error
    id: Id


class _Call(NamedTuple):
    method: str
    params: dict[str, object] | list[object]
    id: Id
    wants_answer: bool


@dataclass(frozen=True, slots=True)
class Rpc:
    """Answers requests from a table of operations. JSON may be `depth` levels deep, a text `text_bytes` long."""

    operations: Mapping[str, Operation]
    depth: int
    text_bytes: int
    supervise: Supervise

    async def answer(self, raw: bytes, services: Services, admit: Admit) -> bytes | None:
        """The response to a request or batch, or None where nothing is to be answered.

        `admit` is asked before each operation, and raises the CarapaxError that refuses it.
        """
        try:
            message = parse(raw, self.depth)
        except errors.MalformedJson as error:
            return _encode(_failed(None, error))
        if not isinstance(message, list):
            answer = await self._one(message, services, admit)
            return None if answer is None else _encode(answer)
        if not 0 < len(message) <= LONGEST_BATCH:
            return _encode(_invalid(None, f"a batch has 1 to {LONGEST_BATCH} requests, not {len(message)}"))
        answers = [answer for item in message if (answer := await self._one(item, services, admit)) is not None]
        return _encode(answers) if answers else None

    async def _one(self, message: object, services: Services, admit: Admit) -> Success | Failure | None:
        call = _read(message)
        if isinstance(call, Failure):
            return call
        answer = await self._perform(call, services, admit)
        return answer if call.wants_answer else None

    async def _perform(self, call: _Call, services: Services, admit: Admit) -> Success | Failure:
        operation = self.operations.get(call.method)
        if operation is None:
            return _failure(call.id, errors.METHOD_NOT_FOUND, f"there is no method {call.method!r}")
        try:
            admit(operation)
            params = operation.bind(call.params)
            check_text(params, self.text_bytes)
            result = await self.supervise(operation.name, operation.call(services, params))
            return Success("2.0", result, call.id)
        except CarapaxError as error:
            return _failed(call.id, error)


def _read(message: object) -> _Call | Failure:
    if not isinstance(message, dict):
        return _invalid(None, "a request is an object")
    request_id = message.get("id")
    if not _is_id(request_id):
        return _invalid(None, "an id is a string, a number or null")
    method, params = message.get("method"), message.get("params", {})
    if message.get("jsonrpc") != "2.0":
        return _invalid(request_id, 'jsonrpc must be "2.0"')
    if not isinstance(method, str):
        return _invalid(request_id, "method must be a string")
    if not isinstance(params, dict | list):
        return _invalid(request_id, "params must be an object or an array")
    return _Call(method, params, request_id, "id" in message)


def _is_id(value: object) -> TypeGuard[Id]:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


def _invalid(request_id: Id, message: str) -> Failure:
    return _failure(request_id, errors.INVALID_REQUEST, message)


def _failure(request_id: Id, code: int, message: str) -> Failure:
    return Failure("2.0", Error(code, message), request_id)


def _failed(request_id: Id, error: CarapaxError) -> Failure:
    data = ErrorData(errors.kind_of(error), error.hint, errors.retry_after(error), errors.fields_of(error))
    return Failure("2.0", Error(errors.told(error).code, error.message, data), request_id)
