"""Secrets that cannot be printed by accident."""

import re
from collections.abc import Callable
from typing import Any, NoReturn

MASK = "********"
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_SECRET = (
    r"(token|secret|password|passwd|passphrase|credentials?|authorization|bearer|cookie"
    r"|(api|private|access|secret|signing|session|encryption|auth)[_-]?key)"
)
_NAMED = re.compile(rf"{_SECRET}$", re.IGNORECASE)
_IN_QUERY = re.compile(rf"(?<=[?&])([\w.-]*({_SECRET}|auth|key|sig|signature)=)[^&#\s]+", re.IGNORECASE)


class Secret:
    """A value that shows as `********` in repr, str, format and JSON, and refuses to be pickled.

    Only what sends it, compares it, or shows it to its owner once calls `reveal()`.
    """

    __slots__ = ("_reveal",)

    def __init__(self, value: str) -> None:
        # A function, so that what lists attributes, as format strings and debuggers do, meets no value.
        self._reveal: Callable[[], str] = lambda: value

    def reveal(self) -> str:
        return self._reveal()

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled")


def decode(kind: type, value: Any) -> Any:
    """Reads a Secret where msgspec meets one: its `dec_hook`. What it raises does not hold the value."""
    if kind is not Secret:
        raise NotImplementedError(f"{kind} cannot be read")
    if not isinstance(value, str):
        raise ValueError("expected `str`")
    return Secret(value)


def encode(value: object) -> str:
    """Writes a Secret where msgspec meets one, masked: its `enc_hook`."""
    if not isinstance(value, Secret):
        raise NotImplementedError(f"{type(value)} cannot be written")
    return str(value) if value else ""


def without_userinfo(url: str) -> str:
    """A URL, or a text with URLs, whose user names and passwords are masked, and keys in its query."""
    return _IN_QUERY.sub(rf"\1{MASK}", _USERINFO.sub(f"{MASK}@", url))


def is_called_secret(name: str) -> bool:
    """Whether what has this name must not be shown: a token, a password, an API key."""
    return _NAMED.search(name) is not None


def masked(name: str, value: object) -> object:
    """A setting of this name, or a table or list of them, as it may be shown: what is called a secret is masked, and
    what URLs hold of them."""
    match value:
        case dict():
            return {inner: masked(str(inner), item) for inner, item in value.items()}
        case list() | tuple():
            return [masked(name, item) for item in value]
        case str() | int() if value and value is not True and is_called_secret(name):
            return MASK
        case str():
            return without_userinfo(value)
    return value
