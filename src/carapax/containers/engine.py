"""Speaks with a container engine, Docker or Podman, over its Unix socket.

The interface is Docker's Engine API (docs.docker.com/reference/api/engine); its version is the engine's own, up to the
newest known here. What a person has to do when there is no engine is said here too.
"""

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from carapax.errors import CarapaxError, Conflict, InvalidRequest, NotFound, Unavailable

T = TypeVar("T")

OLDEST = (1, 40)
NEWEST = (1, 51)
_ANSWER_S = 60.0
_PING_S = 5.0
_LONGEST_HEAD = 16_384
_LONGEST_FRAME = 16 << 20
_INSTALL = (
    "apt install docker.io, or your system's like, or Podman; then add the gateway's user to the group docker, or"
    " start the user's own engine"
)


class About(Struct, frozen=True, rename={"api": "ApiVersion", "least": "MinAPIVersion", "version": "Version"}):
    """What an engine says of itself: its version, and the newest and oldest version of the interface it speaks."""

    api: str
    least: str = "1.12"
    version: str = ""


class Engine:
    """An engine that answers. Every call raises Unavailable when it does not, NotFound, Conflict and InvalidRequest for
    what it refuses."""

    def __init__(self, path: str, session: aiohttp.ClientSession) -> None:
        self.path = path
        self.about = About("")
        self._session = session
        self._prefix = ""

    async def __aenter__(self) -> "Engine":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @classmethod
    async def open(cls, path: str = "", environ: Mapping[str, str] = os.environ) -> "Engine":
        """The engine at a socket, else the first that answers where engines listen. Raises Unavailable."""
        found: list[Unavailable] = []
        for place in [path] if path else places(environ):
            connector = aiohttp.UnixConnector(place)
            engine = cls(place, aiohttp.ClientSession("http://docker", connector=connector))
            try:
                async with asyncio.timeout(_PING_S):
                    await engine._greet()
                return engine
            except TimeoutError:
                found.append(Unavailable(f"the engine at {place} does not answer", "restart it"))
            except Unavailable as error:
                found.append(error)
            await engine._session.close()
        there = [error for error in found if error.hint != _INSTALL]
        raise (there or found)[0]

    async def _greet(self) -> None:
        self.about = await self.ask("GET", "/version", kind=About)
        newest, least = (_numbers(version) for version in (self.about.api, self.about.least))
        if newest < OLDEST or least > NEWEST:
            raise Unavailable(
                f"the engine at {self.path} speaks versions {self.about.least} to {self.about.api} of the interface",
                f"versions {_dotted(OLDEST)} to {_dotted(NEWEST)} are spoken here; Docker 20.10 and newer do",
            )
        self._prefix = f"/v{_dotted(min(newest, NEWEST))}"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        kind: type[T],
        query: Mapping[str, str] | None = None,
        body: object = None,
        timeout_s: float = _ANSWER_S,
    ) -> T:
        """What the engine answers, as a type."""
        answer = await self.call(method, path, query=query, body=body, timeout_s=timeout_s)
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.DecodeError as error:
            raise Unavailable(f"the engine at {self.path} answered {path} with something else: {error}") from error

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        timeout_s: float = _ANSWER_S,
    ) -> bytes:
        """What the engine answers."""
        with self._told():
            async with self._session.request(
                method,
                self._prefix + path,
                params=query,
                data=None if body is None else msgspec.json.encode(body),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                answer = await response.read()
                if response.status >= 400:
                    raise _refusal(response.status, answer)
                return answer

    async def upload(
        self, path: str, *, query: Mapping[str, str], data: AsyncIterator[bytes] | bytes
    ) -> AsyncIterator[bytes]:
        """Send an archive, and give the lines that the engine says meanwhile, however long it takes."""
        with self._told():
            async with self._session.post(
                self._prefix + path,
                params=query,
                data=data,
                headers={"Content-Type": "application/x-tar"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_PING_S),
            ) as response:
                if response.status >= 400:
                    raise _refusal(response.status, await response.read())
                async for line in response.content:
                    yield line

    @contextlib.asynccontextmanager
    async def attached(self, path: str, body: object) -> AsyncIterator["Stream"]:
        """A call whose connection becomes the input and output of a process, for as long as the block lasts."""
        stream = await self.attach(path, body)
        try:
            yield stream
        finally:
            stream.close()

    async def attach(self, path: str, body: object) -> "Stream":
        """The same, for the caller to close."""
        sent = msgspec.json.encode(body)
        head = (
            f"POST {self._prefix}{path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
            f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        with self._told():
            reader, writer = await asyncio.open_unix_connection(self.path, limit=_LONGEST_HEAD)
        stream = Stream(reader, writer)
        try:
            with self._told():
                async with asyncio.timeout(_ANSWER_S):
                    writer.write(head.encode() + sent)
                    await stream.begun()
        except BaseException:
            stream.close()
            raise
        return stream

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What stands between us and the engine, as one error with its remedy."""
        try:
            yield
        except PermissionError as error:
            raise self._unreachable(error) from error
        except aiohttp.ClientConnectorError as error:
            raise self._unreachable(error.os_error) from error
        except (aiohttp.ClientError, TimeoutError, OSError, EOFError) as error:
            raise Unavailable(
                f"the engine at {self.path} went away: {error or type(error).__name__}", "look at its log, and start it"
            ) from error

    def _unreachable(self, error: OSError) -> Unavailable:
        if isinstance(error, PermissionError):
            return Unavailable(
                f"the engine at {self.path} does not let this user in",
                "add the gateway's user to the socket's group (usermod -aG docker NAME) and log in anew",
            )
        if isinstance(error, FileNotFoundError):
            return Unavailable(f"no container engine is at {self.path}", _INSTALL)
        return Unavailable(f"the engine at {self.path} cannot be reached: {error}", "systemctl start docker")


class Stream:
    """Input and output of a process in a container, over the connection of the call that asked for them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def begun(self) -> None:
        """Wait until the connection is the process's. Raises what the engine refused."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head.split(" ", 2)[1])
        if status >= 400:
            raise _refusal(status, await self._reader.read(_LONGEST_HEAD))

    async def output(self) -> tuple[int, bytes] | None:
        """The next piece and the descriptor it was written to, 1 or 2; None at the end."""
        try:
            kind, length = struct.unpack(">BxxxI", await self._reader.readexactly(8))
            if length > _LONGEST_FRAME:
                raise Unavailable(f"the engine sent a frame of {length} bytes")
            return kind, await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            return None

    async def input(self, data: bytes) -> None:
        """Write to the process's standard input. What it does not take for it has ended is dropped."""
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


def places(environ: Mapping[str, str]) -> list[str]:
    """Where engines listen, in the order they are tried."""
    if host := environ.get("DOCKER_HOST", ""):
        if not host.startswith("unix://"):
            raise Unavailable(
                f"DOCKER_HOST is {host!r}, and engines are spoken with over Unix sockets only",
                'set it to unix://PATH, or [sandboxes.docker] socket = "PATH"',
            )
        return [host.removeprefix("unix://")]
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    home = Path(environ.get("HOME") or Path.home())
    return [
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        str(home / ".docker/run/docker.sock"),
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    ]


def filters(labels: Mapping[str, str], **more: Iterable[str]) -> dict[str, str]:
    """The query that lists what carries all of the labels; an empty value stands for any."""
    wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
    chosen = {"label": wanted, **{name: [*values] for name, values in more.items()}}
    return {"filters": msgspec.json.encode(chosen).decode()}


class _Said(Struct):
    message: str = ""


def _refusal(status: int, answer: bytes) -> CarapaxError:
    try:
        said = msgspec.json.decode(answer, type=_Said).message
    except msgspec.DecodeError:
        said = answer.decode(errors="replace")
    told = f"the container engine says: {' '.join(said.split())[:500] or status}"
    kind: type[CarapaxError] = {400: InvalidRequest, 404: NotFound, 409: Conflict}.get(status, Unavailable)
    return kind(told)


def _numbers(version: str) -> tuple[int, int]:
    try:
        major, minor = version.split(".")[:2]
        return int(major), int(minor)
    except ValueError:
        raise Unavailable(f"the engine speaks a version of the interface that is no number: {version!r}") from None


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
