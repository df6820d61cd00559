"""How errors are told to callers: one table for HTTP statuses and JSON-RPC codes."""

from http import HTTPStatus
from typing import NamedTuple

from msgspec import Struct

from carapax import errors
from carapax.errors import CarapaxError, InvalidRequest


class TooLarge(InvalidRequest):
    """More bytes than are taken."""


class TooSlow(InvalidRequest):
    """The rest did not come in time."""


class WrongMediaType(InvalidRequest):
    """A body that is not JSON."""


class MethodNotAllowed(InvalidRequest):
    """The path exists, for other methods."""

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message, f"allowed: {', '.join(allowed)}")
        self.allowed = allowed


class MalformedJson(InvalidRequest):
    """Text that is not JSON as RFC 8259 has it, or is too deep."""


class Told(NamedTuple):
    status: int
    code: int


PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

_TOLD: dict[type[CarapaxError], Told] = {
    MalformedJson: Told(400, PARSE_ERROR),
    TooLarge: Told(413, -32013),
    TooSlow: Told(408, -32008),
    WrongMediaType: Told(415, -32015),
    MethodNotAllowed: Told(405, METHOD_NOT_FOUND),
    InvalidRequest: Told(400, INVALID_PARAMS),
    errors.Unauthorized: Told(401, -32001),
    errors.Forbidden: Told(403, -32003),
    errors.NotFound: Told(404, -32004),
    errors.Conflict: Told(409, -32009),
    errors.RateLimited: Told(429, -32029),
    errors.Unavailable: Told(503, -32050),
    errors.Lagged: Told(503, -32051),
    errors.StoreFull: Told(507, -32052),
    errors.StoreError: Told(503, -32053),
    errors.ConfigError: Told(503, -32054),
    errors.ContextOverflow: Told(413, -32062),
    errors.ModelBusy: Told(503, -32061),
    errors.ModelError: Told(502, -32060),
    errors.Broken: Told(500, INTERNAL_ERROR),
    CarapaxError: Told(500, -32000),
}


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong (RFC 9457).

    title: the HTTP status in words
    status: the HTTP status
    detail: what was wrong and where
    kind: the kind of error, stable for programs
    hint: what to do
    retry_after_s: when trying again may help, in seconds
    fields: what is wrong with each field that does not fit, by its name
    """

    title: str
    status: int
    detail: str
    kind: str
    hint: str = ""
    retry_after_s: float | None = None
    fields: dict[str, str] = {}


def told(error: CarapaxError) -> Told:
    """The HTTP status and JSON-RPC code of an error: those of its nearest kind in the table."""
    return next(_TOLD[kind] for kind in type(error).__mro__ if kind in _TOLD)


def kind_of(error: CarapaxError) -> str:
    """The kind as a program reads it: `invalid_request`, `not_found` ..."""
    name = type(error).__name__
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


def retry_after(error: CarapaxError) -> float | None:
    if isinstance(error, errors.RateLimited | errors.ModelError):
        return error.retry_after_s
    return None


def fields_of(error: CarapaxError) -> dict[str, str]:
    return error.fields if isinstance(error, InvalidRequest) else {}


def problem(error: CarapaxError) -> Problem:
    status, kind = told(error).status, kind_of(error)
    phrase = HTTPStatus(status).phrase
    return Problem(phrase, status, error.message, kind, error.hint, retry_after(error), fields_of(error))
