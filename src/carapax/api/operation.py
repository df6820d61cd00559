"""The decorator that makes an async function an operation, and the table of all of them.

JSON-RPC, REST, OpenAPI and the WebSocket are encodings of this one table.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, TypeVar, get_type_hints

import msgspec
from msgspec import Struct

from carapax.api.services import Services
from carapax.errors import InvalidRequest
from carapax.redaction import decode

Scope = Literal["read", "write", "approve", "admin"]
Method = Literal["GET", "POST", "PATCH", "DELETE"]
SCOPES: tuple[Scope, ...] = ("read", "write", "approve", "admin")
_REGEX = re.compile(r"Expected `str` matching regex '.*'", re.DOTALL)
P = TypeVar("P", bound=Struct)
R = TypeVar("R", bound=Struct)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a caller can ask for.

    `scope` is what the caller must hold; each of read, write, approve and admin includes the ones before it. `method`
    and `paths` are its REST forms, with fields of `params` in braces; without a path it exists over RPC only. `raises`
    names the statuses besides the common ones that its REST form may answer with.
    """

    name: str
    scope: Scope
    call: Callable[[Services, Any], Awaitable[Struct]]
    params: type[Struct]
    result: type[Struct]
    summary: str
    method: Method = "GET"
    paths: tuple[str, ...] = ()
    status: int = 200
    raises: tuple[int, ...] = ()

    def bind(self, given: Mapping[str, object] | Sequence[object], *, strict: bool = True) -> Struct:
        """Check parameters, given by name or in the order of the fields. Raises InvalidRequest naming what is wrong.

        Not `strict` takes numbers and truth values written as text, as they stand in an address.
        """
        if not isinstance(given, Mapping):
            fields = self.params.__struct_fields__
            if len(given) > len(fields):
                raise InvalidRequest(f"{self.name} takes at most {len(fields)} parameters, not {len(given)}")
            given = dict(zip(fields, given, strict=False))
        # To JSON Schema 1.0 is an integer, and every integer a number.
        whole = {key: int(value) if _is_whole(value) else value for key, value in given.items()}
        try:
            return msgspec.convert(whole, self.params, strict=strict, dec_hook=decode)
        except msgspec.ValidationError as error:
            known = ", ".join(self.params.__struct_fields__) or "none"
            said = _REGEX.sub("Expected text that is not empty and has no control characters", str(error))
            raise InvalidRequest(f"{self.name}: {said}", f"parameters: {known}") from error


OPERATIONS: dict[str, Operation] = {}


def operation(
    name: str,
    *,
    scope: Scope,
    method: Method = "GET",
    path: str | tuple[str, ...] = (),
    status: int = 200,
    raises: tuple[int, ...] = (),
) -> Callable[[Callable[[Services, P], Awaitable[R]]], Callable[[Services, P], Awaitable[R]]]:
    """Put an async function `(services, params) -> result` into the table; its docstring describes it."""

    def register(call: Callable[[Services, P], Awaitable[R]]) -> Callable[[Services, P], Awaitable[R]]:
        hints = get_type_hints(call)
        if name in OPERATIONS:
            raise ValueError(f"the operation {name} is declared twice")
        paths = (path,) if isinstance(path, str) else path
        summary = inspect.cleandoc(call.__doc__ or "")
        OPERATIONS[name] = Operation(
            name, scope, call, hints["params"], hints["return"], summary, method, paths, status, raises
        )
        return call

    return register


def _is_whole(value: object) -> TypeGuard[float]:
    return isinstance(value, float) and value.is_integer()


def covers(held: Sequence[str], needed: Scope) -> bool:
    """Whether one of the scopes held is the needed one or includes it."""
    return any(scope in held for scope in SCOPES[SCOPES.index(needed) :])
