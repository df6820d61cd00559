"""The operations as REST, found by method and path in the table."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple, get_origin
from urllib.parse import parse_qsl, unquote

from aiohttp import hdrs, web
from msgspec import Struct
from msgspec.structs import fields

from carapax.api.operation import Operation
from carapax.api.services import Services
from carapax.config import LimitsConfig
from carapax.contracts import Supervise
from carapax.errors import InvalidRequest, NotFound
from carapax.gateway.errors import MethodNotAllowed, WrongMediaType
from carapax.gateway.limits import check_text, read_body
from carapax.gateway.responses import respond_json
from carapax.gateway.strict_json import parse


class Route(NamedTuple):
    """An operation, and the path's part of its parameters."""

    operation: Operation
    fields: dict[str, str]


class Routes:
    """All REST paths of a table. Words of a path win over fields in braces."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._by_length: dict[int, list[tuple[tuple[str, ...], Operation]]] = {}
        for operation in operations.values():
            for path in operation.paths:
                words = tuple(path.split("/"))
                self._by_length.setdefault(len(words), []).append((words, operation))
        for routes in self._by_length.values():
            routes.sort(key=lambda route: [word.startswith("{") for word in route[0]])

    def find(self, method: str, raw_path: str) -> Route:
        """Raises NotFound for a path that nothing has, MethodNotAllowed naming the methods it has."""
        words = _words(raw_path)
        allowed: set[str] = set()
        for pattern, operation in self._by_length.get(len(words), ()):
            fields = _match(pattern, words)
            if fields is None:
                continue
            if operation.method == method:
                return Route(operation, fields)
            allowed.add(operation.method)
        if allowed:
            raise MethodNotAllowed(f"{method} is not for {raw_path}", tuple(sorted(allowed)))
        raise NotFound(f"there is nothing at {raw_path}", "GET /api/openapi.json lists what there is")


async def respond_operation(
    request: web.BaseRequest, route: Route, services: Services, supervise: Supervise
) -> web.StreamResponse:
    """Call an operation with what path, query and body say, and answer with its result as JSON."""
    limits = services.config.limits
    if route.operation.method == "GET":
        given = query_of(request, route.operation.params)
    else:
        if request.query_string:
            raise InvalidRequest(f"{route.operation.name} takes no query", "send parameters as JSON in the body")
        given = await read_json(request, limits)
    repeated = given.keys() & route.fields.keys()
    if repeated:
        raise InvalidRequest(f"{sorted(repeated)[0]} stands in the path", "leave it out elsewhere")
    params = route.operation.bind({**given, **route.fields}, strict=route.operation.method != "GET")
    check_text(params, limits.message_bytes)
    result = await supervise(route.operation.name, route.operation.call(services, params))
    return respond_json(result, route.operation.status)


async def read_json(request: web.BaseRequest, limits: LimitsConfig, longest: int | None = None) -> dict[str, object]:
    """The body, which is a JSON object or absent, of up to `longest` (default `limits.body_bytes`) bytes."""
    if not request.can_read_body:
        return {}
    check_json_type(request)
    raw = bytes(await read_body(request, limits, longest))
    value = parse(raw, limits.json_depth) if raw else {}
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object")
    return value


def check_json_type(request: web.BaseRequest) -> None:
    """Raises WrongMediaType for what does not say that it is JSON in UTF-8, and for compressed bodies."""
    if hdrs.CONTENT_ENCODING in request.headers:
        raise WrongMediaType("compressed bodies are not taken", "send it as it is")
    kind, charset = request.content_type, (request.charset or "utf-8").lower()
    if kind not in ("application/json", "application/json-rpc") or charset not in ("utf-8", "utf8"):
        raise WrongMediaType(f"the body is said to be {kind}", "send Content-Type: application/json")


def query_of(request: web.BaseRequest, params: type[Struct]) -> dict[str, object]:
    """The query of the address; a list has its name before each value. Raises InvalidRequest for any other name that
    occurs twice, and for what is not UTF-8."""
    _, _, raw = request.raw_path.partition("?")
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError as error:
        raise InvalidRequest(f"the query cannot be read: {error}") from error
    query: dict[str, object] = dict(pairs)
    lists = _lists(params)
    if sum(name not in lists for name, _ in pairs) != len(query.keys() - lists):
        raise InvalidRequest("a name occurs twice in the query", "send each name once")
    return query | {listed: [value for name, value in pairs if name == listed] for listed in query.keys() & lists}


@cache
def _lists(params: type[Struct]) -> frozenset[str]:
    """The fields that are lists."""
    return frozenset(each.encode_name for each in fields(params) if get_origin(each.type) is list)


def _words(raw_path: str) -> tuple[str, ...]:
    try:
        return tuple(unquote(word, errors="strict") for word in raw_path.partition("?")[0].split("/"))
    except UnicodeDecodeError as error:
        raise InvalidRequest("the path is not UTF-8") from error


def _match(pattern: tuple[str, ...], words: tuple[str, ...]) -> dict[str, str] | None:
    fields: dict[str, str] = {}
    for expected, word in zip(pattern, words, strict=True):
        if expected.startswith("{"):
            fields[expected[1:-1]] = word
        elif expected != word:
            return None
    return fields if all(fields.values()) else None
