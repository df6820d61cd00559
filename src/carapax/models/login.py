"""What logins have in common: how a person signs in, how tokens are asked for, and how they are kept."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from carapax.errors import CarapaxError, ModelUnauthorized, ModelUnavailable, Unavailable
from carapax.http import Http
from carapax.models.credential import Credentials
from carapax.models.refusal import BROKEN_JSON, shown
from carapax.redaction import Secret

T = TypeVar("T")

_LONGEST = 1 << 20
_TIMEOUT_S = 30


class Challenge(Struct, frozen=True):
    """What a person has to do: open `url`, and type `code` there where there is one, before `expires_at`. `kept` is for
    the login itself, to go on with."""

    url: str
    code: str
    expires_at: float
    kept: Secret = Secret("")


class Login(Credentials, Protocol):
    """Credentials that a person signs in for. They stand in the vault as `login:NAME`."""

    async def begin(self) -> Challenge:
        """Ask for a sign-in. Raises a ModelError."""
        ...

    async def finish(self, challenge: Challenge, pasted: str = "") -> None:
        """Wait until the person has signed in, or take what the browser showed, and keep what came of it. Raises
        ModelUnauthorized when it was refused or took too long, and other ModelErrors."""
        ...


def signed_out(login: str, why: str) -> ModelUnauthorized:
    """The error for a login that has ended, or never was."""
    return ModelUnauthorized(why, f"sign in: `carapax models login {login}`", vendor=login)


class Told(Struct, frozen=True):
    """What a server of tokens answered to one who showed the `secret`, which no error may tell."""

    login: str
    status: int
    body: bytes
    secret: Secret = Secret("")

    def words(self, said: str) -> str:
        """What the server said, as people may see it."""
        return shown(said, self.secret)

    def read(self, kind: type[T]) -> T:
        """The answer as this type. Raises ModelUnavailable for one that is something else."""
        try:
            return msgspec.json.decode(self.body, type=kind, strict=False)
        except BROKEN_JSON:
            raise self.unusable() from None

    def unusable(self) -> ModelUnavailable:
        """The error for an answer that says neither yes nor no. Its body may hold tokens, and is not told."""
        return ModelUnavailable(
            f"the login {self.login} got an answer with status {self.status} that cannot be used",
            vendor=self.login,
            status=self.status,
        )


async def ask(
    login: str,
    http: Http,
    method: str,
    url: str,
    secret: Secret,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Told:
    """Ask a server of tokens; the secret is one in what is sent. Raises ModelUnavailable when it does not answer."""
    sent = {"Accept": "application/json", **(headers or {})}
    try:
        async with http.request(method, url, headers=sent, body=body, idle_timeout_s=_TIMEOUT_S) as response:
            return Told(login, response.status, await response.read(_LONGEST), secret)
    except Unavailable as error:
        raise ModelUnavailable(f"the login {login}: {error.message}", error.hint, vendor=login) from error


class SingleFlight(Generic[T]):
    """Does a thing once for all who want it while it is being done: they get the same result, or the same error."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._landed = 0
        self._result: T | CarapaxError | None = None

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        before = self._landed
        async with self._lock:
            if self._landed == before:
                self._result = await _outcome(work)
                self._landed += 1
            result = self._result
        if isinstance(result, CarapaxError):
            raise result
        assert result is not None
        return result


async def _outcome(work: Callable[[], Awaitable[T]]) -> T | CarapaxError:
    try:
        return await work()
    except CarapaxError as error:
        return error


class Followed(Generic[T]):
    """A file of another program, read again whenever it has changed, and never written."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        self.path = path
        self._kind = kind
        self._seen: tuple[int, int] | None = None
        self._content: T | None = None

    def read(self) -> T | None:
        """What it says; None when there is no such file or it says something else."""
        try:
            found = self.path.stat()
            seen = (found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._content = msgspec.json.decode(self.path.read_bytes(), type=self._kind)
                self._seen = seen
        except (OSError, *BROKEN_JSON):
            self._seen = self._content = None
        return self._content
