import asyncio
from collections.abc import Awaitable
from typing import TypeVar, cast

import msgspec
import pytest
from msgspec import Struct

from carapax.api.operation import Operation
from carapax.api.services import Services
from carapax.errors import Broken, Conflict, Forbidden, InvalidRequest, NotFound, RateLimited
from carapax.gateway.rpc import Rpc

T = TypeVar("T")


class Pair(Struct, forbid_unknown_fields=True):
    minuend: int
    subtrahend: int = 0


class Difference(Struct):
    difference: int


class Nothing(Struct, forbid_unknown_fields=True):
    pass


class Said(Struct, forbid_unknown_fields=True):
    text: str = ""


async def subtract(services: Services, params: Pair) -> Difference:
    return Difference(params.minuend - params.subtrahend)


async def fail(services: Services, params: Said) -> Struct:
    kinds = {
        "conflict": Conflict("busy", "wait"),
        "missing": NotFound("no such thing"),
        "busy": RateLimited("too fast", 7),
    }
    raise kinds.get(params.text) or ZeroDivisionError(params.text)


async def supervise(what: str, work: Awaitable[T]) -> T:
    try:
        return await work
    except ZeroDivisionError as error:
        raise Broken(f"{what} failed unexpectedly", "see the log") from error


def admit(operation: Operation) -> None:
    if operation.scope == "admin":
        raise Forbidden("needs the scope 'admin'")


TABLE = {
    "subtract": Operation("subtract", "read", subtract, Pair, Difference, ""),
    "fail": Operation("fail", "read", fail, Said, Struct, ""),
    "rule": Operation("rule", "admin", fail, Nothing, Struct, ""),
}
RPC = Rpc(TABLE, 32, 100, supervise)


def ask(raw: str | bytes) -> object:
    """The answer as a value, or None for silence."""
    raw = raw.encode() if isinstance(raw, str) else raw
    answer = asyncio.run(RPC.answer(raw, cast(Services, None), admit))
    return None if answer is None else msgspec.json.decode(answer)


def error(code: int, message: str, request_id: object = None, **data: object) -> object:
    told: dict[str, object] = {"code": code, "message": message}
    if data:
        told["data"] = data
    return {"jsonrpc": "2.0", "error": told, "id": request_id}


def result(difference: int, request_id: object) -> object:
    return {"jsonrpc": "2.0", "result": {"difference": difference}, "id": request_id}


def code_of(answer: object) -> tuple[int, object]:
    assert isinstance(answer, dict)
    return answer["error"]["code"], answer["id"]


def test_a_refusal_names_the_fields_that_do_not_fit() -> None:
    async def refuse(services: Services, params: Nothing) -> Struct:
        raise InvalidRequest("2 fields do not fit", fields={"host": "expected an address", "port": "too large"})

    async def main() -> bytes | None:
        rpc = Rpc({"set": Operation("set", "read", refuse, Nothing, Struct, "")}, 32, 100, supervise)
        return await rpc.answer(b'{"jsonrpc":"2.0","id":1,"method":"set"}', cast(Services, None), admit)

    answer = msgspec.json.decode(asyncio.run(main()) or b"")
    told: dict[str, object] = {
        "kind": "invalid_request",
        "fields": {"host": "expected an address", "port": "too large"},
    }
    assert answer == error(-32602, "2 fields do not fit", 1, **told)


@pytest.mark.parametrize(
    ("request_text", "answer"),
    [
        ('{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}', result(19, 1)),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}', result(-19, 2)),
        (
            '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
            result(19, 3),
        ),
        (
            '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
            result(19, 4),
        ),
        ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
        ('{"jsonrpc": "2.0", "method": "foobar"}', None),
        (
            '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
            error(-32601, "there is no method 'foobar'", "1"),
        ),
        ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', error(-32600, "method must be a string")),
        ("[]", error(-32600, "a batch has 1 to 100 requests, not 0")),
        ("[1]", [error(-32600, "a request is an object")]),
        ("[1,2,3]", [error(-32600, "a request is an object")] * 3),
        (
            """[
              {"jsonrpc": "2.0", "method": "subtract", "params": [4, 2], "id": "1"},
              {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
              {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
              {"foo": "boo"},
              {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
              {"jsonrpc": "2.0", "method": "subtract", "params": [9], "id": "9"}
            ]""",
            [
                result(2, "1"),
                result(19, "2"),
                error(-32600, 'jsonrpc must be "2.0"'),
                error(-32601, "there is no method 'foo.get'", "5"),
                result(9, "9"),
            ],
        ),
        (
            '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},'
            ' {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
            None,
        ),
    ],
)
def test_the_examples_of_the_specification_are_answered_as_it_says(request_text: str, answer: object) -> None:
    assert ask(request_text) == answer


@pytest.mark.parametrize(
    "raw",
    [
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]',
        "",
        b"\xff",
        '{"jsonrpc": "2.0", "method": "subtract", "params": [1], "id": 1, "id": 2}',
        '{"jsonrpc": "2.0", "method": "subtract", "params": ' + "[" * 40 + "]" * 40 + ', "id": 1}',
    ],
)
def test_text_that_is_not_json_is_a_parse_error_without_id(raw: str | bytes) -> None:
    assert code_of(ask(raw)) == (-32700, None)


@pytest.mark.parametrize("request_id", [1, 0, -7, 2**80, 1.5, "", "a", None])
def test_ids_of_every_kind_come_back_as_they_were(request_id: object) -> None:
    request = {"jsonrpc": "2.0", "method": "subtract", "params": [3, 1], "id": request_id}
    assert ask(msgspec.json.encode(request)) == result(2, request_id)


@pytest.mark.parametrize(
    ("request_text", "request_id"),
    [
        ("1", None),
        ("null", None),
        ('"x"', None),
        ("{}", None),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": [1], "id": true}', None),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": [1], "id": {}}', None),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": [1], "id": [1]}', None),
        ('{"jsonrpc": "1.0", "method": "subtract", "params": [1], "id": 1}', 1),
        ('{"jsonrpc": 2.0, "method": "subtract", "params": [1], "id": 1}', 1),
        ('{"method": "subtract", "params": [1], "id": 1}', 1),
        ('{"jsonrpc": "2.0", "params": [1], "id": "a"}', "a"),
        ('{"jsonrpc": "2.0", "method": null, "id": 1}', 1),
        ('{"jsonrpc": "2.0", "method": ["subtract"], "id": 1}', 1),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": 1, "id": 1}', 1),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": null, "id": 1}', 1),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": "x", "id": 1}', 1),
        ("[" + ",".join(["1"] * 101) + "]", None),
    ],
)
def test_what_is_no_request_is_an_invalid_request(request_text: str, request_id: object) -> None:
    assert code_of(ask(request_text)) == (-32600, request_id)


@pytest.mark.parametrize(
    "params", ["[]", "{}", "[1,2,3]", '["1"]', "[1.5]", '{"minuend": 1, "other": 2}', '{"minuend": null}', "[[1]]"]
)
def test_parameters_that_do_not_fit_are_invalid_params(params: str) -> None:
    answer = ask(f'{{"jsonrpc": "2.0", "method": "subtract", "params": {params}, "id": 1}}')
    assert code_of(answer) == (-32602, 1)


def test_the_error_names_the_parameter_and_those_there_are() -> None:
    answer = ask('{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": "x"}, "id": 1}')
    message = "subtract: Expected `int`, got `str` - at `$.minuend`"
    assert answer == error(-32602, message, 1, kind="invalid_request", hint="parameters: minuend, subtrahend")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("conflict", error(-32009, "busy", 1, kind="conflict", hint="wait")),
        ("missing", error(-32004, "no such thing", 1, kind="not_found")),
        (
            "busy",
            error(-32029, "too fast", 1, kind="rate_limited", hint="try again in 7 s", retry_after_s=7.0),
        ),
        ("other", error(-32603, "fail failed unexpectedly", 1, kind="broken", hint="see the log")),
    ],
)
def test_errors_have_their_code_kind_and_hint(text: str, answer: object) -> None:
    assert ask(f'{{"jsonrpc": "2.0", "method": "fail", "params": ["{text}"], "id": 1}}') == answer


def test_a_failing_request_does_not_touch_the_others_of_its_batch() -> None:
    batch = [
        {"jsonrpc": "2.0", "method": "fail", "id": 1},
        {"jsonrpc": "2.0", "method": "subtract", "params": [1], "id": 2},
    ]
    answer = ask(msgspec.json.encode(batch))
    assert isinstance(answer, list)
    assert [code_of(answer[0]), answer[1]] == [(-32603, 1), result(1, 2)]


def test_a_caller_without_the_scope_is_refused_before_its_parameters_are_read() -> None:
    answer = ask('{"jsonrpc": "2.0", "method": "rule", "params": [1,2,3], "id": 1}')
    assert answer == error(-32003, "needs the scope 'admin'", 1, kind="forbidden")


def test_a_text_that_is_too_long_is_refused() -> None:
    answer = ask('{"jsonrpc": "2.0", "method": "fail", "params": ["%s"], "id": 1}' % ("é" * 51))
    hint = "shorten it, or put it into a file"
    assert answer == error(-32013, "text has 102 bytes, more than 100", 1, kind="too_large", hint=hint)


def test_a_notification_that_fails_is_answered_with_nothing() -> None:
    assert ask('{"jsonrpc": "2.0", "method": "fail", "params": ["conflict"]}') is None
