"""The HTTP client that reaches model servers."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING

from carapax.errors import Unavailable
from carapax.redaction import without_userinfo

if TYPE_CHECKING:
    import aiohttp

MAX_BODY = 32 * 1024 * 1024
_FAREWELL_S = 0.2


class NotReached(Unavailable):
    """There was no connection, so nothing was sent."""


class Response:
    """An answer whose headers have come. Reading raises Unavailable when the connection breaks or goes silent."""

    def __init__(self, answer: "aiohttp.ClientResponse") -> None:
        self._answer = answer
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self.content_type = answer.content_type

    async def chunk(self) -> bytes:
        """The next piece of the body as it arrives; empty at the end."""
        import aiohttp  # noqa: PLC0415  # heavy, and most commands ask nobody

        try:
            return await self._answer.content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _broken(error, self._answer.url.host) from error

    async def read(self, max_bytes: int = MAX_BODY) -> bytes:
        """The whole body. Raises Unavailable for one of more than `max_bytes`."""
        pieces: list[bytes] = []
        size = 0
        while chunk := await self.chunk():
            size += len(chunk)
            if size > max_bytes:
                raise Unavailable(f"{self._answer.url.host} sent a body of more than {max_bytes} bytes")
            pieces.append(chunk)
        return b"".join(pieces)

    async def beginning(self, max_bytes: int, timeout_s: float) -> bytes:
        """What comes of the body in this time, also when it breaks off; at least `max_bytes` of a longer one."""
        body = bytearray()
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(timeout_s):
                while len(body) < max_bytes and (chunk := await self.chunk()):
                    body += chunk
        return bytes(body)

    async def finish(self) -> None:
        """All that matters was read: let the server end its answer, so that the connection can serve again."""
        try:
            async with asyncio.timeout(_FAREWELL_S):
                while await self.chunk():
                    pass
        except (Unavailable, TimeoutError):
            self._answer.close()


class Http:
    """One pool of connections for all model servers. Certificates are checked, redirects are not followed, and the
    environment's proxies are not used.

    Opened as an async context manager; connections are made when the first request needs one.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Http":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp  # noqa: PLC0415  # heavy, and most commands ask nobody

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "carapax"},
                trust_env=False,
            )
        return self._session

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        connect_timeout_s: float = 10,
        idle_timeout_s: float = 120,
    ) -> AsyncIterator[Response]:
        """Send a request and yield its answer once the headers are there; leaving early closes the connection.

        `connect_timeout_s` bounds reaching the server, `idle_timeout_s` every silence after that, also the one before
        the first byte. Raises Unavailable when nobody answers, and for an address that is none.
        """
        import aiohttp  # noqa: PLC0415  # heavy, and most commands ask nobody

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s, sock_read=idle_timeout_s)
        try:
            answer = await self._open().request(
                method, url, headers=headers, data=body, timeout=timeout, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _broken(error, url) from error
        try:
            yield Response(answer)
        finally:
            answer.release()


def _broken(error: Exception, where: str | None) -> Unavailable:
    import aiohttp  # noqa: PLC0415  # heavy, and most commands ask nobody

    where = without_userinfo(where or "the server").partition("?")[0]  # some queries hold keys
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return NotReached(f"the certificate of {where} is not trusted", "check the address and its certificate")
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError | ValueError):
        return NotReached(f"{where} is not an address", "check the base_url")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NotReached(f"no connection to {where} in time", "check the address and the network")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NotReached(
            f"no connection to {where}: its name cannot be looked up", "check the address and the network"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        why = os.strerror(error.errno) if error.errno else error.strerror
        return NotReached(f"no connection to {where}: {why}", "check that the server runs")
    if isinstance(error, TimeoutError):
        return Unavailable(f"{where} has gone silent")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Unavailable(f"{where} cut the connection in the middle of its answer")
    why = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return Unavailable(f"the connection to {where} broke: {why or type(error).__name__}")
