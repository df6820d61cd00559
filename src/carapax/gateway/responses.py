"""Answers over HTTP, with the headers that every answer has."""

from collections.abc import Mapping

import msgspec
from aiohttp import hdrs, web
from msgspec import Struct

from carapax.errors import CarapaxError, Unauthorized
from carapax.gateway.errors import MethodNotAllowed, Problem, problem

PROBLEM_JSON = "application/problem+json"
_encode = msgspec.json.Encoder().encode

COMMON = {
    "Server": "carapax",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}
_DATA = {**COMMON, "Cache-Control": "no-store"}


def respond(
    body: bytes = b"",
    status: int = 200,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """An answer that is not kept by caches."""
    given = {**_DATA, **headers} if headers else dict(_DATA)
    if body or status not in (204, 304):
        given[hdrs.CONTENT_TYPE] = content_type
    return web.Response(body=body, status=status, headers=given)


def respond_json(value: Struct | Mapping[str, object], status: int = 200) -> web.Response:
    return respond(_encode(value), status)


def refusal(error: CarapaxError, status: int | None = None) -> web.Response:
    """An error as a problem document, with the headers its status asks for."""
    told = problem(error)
    return respond(_encode(told), status or told.status, PROBLEM_JSON, error_headers(error))


def error_headers(error: CarapaxError) -> dict[str, str]:
    """`Retry-After`, `WWW-Authenticate`, `Allow`, where they belong."""
    headers: dict[str, str] = {}
    wait = problem(error).retry_after_s
    if wait is not None:
        headers[hdrs.RETRY_AFTER] = str(max(1, round(wait + 0.5)))
    if isinstance(error, Unauthorized):
        headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="carapax"'
    if isinstance(error, MethodNotAllowed):
        headers[hdrs.ALLOW] = ", ".join(error.allowed)
    return headers


def fault() -> web.Response:
    """What is said when we are at fault: no more than that."""
    told = Problem("Internal Server Error", 500, "the gateway made a mistake", "internal", "see its log")
    return respond(_encode(told), 500, PROBLEM_JSON)
