"""Finds the gateway that runs on a home, and asks it one thing at a time over HTTP."""

import socket
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from carapax.config import Home, TlsConfig
from carapax.errors import CarapaxError, Unavailable

if TYPE_CHECKING:
    import ssl

    from carapax.store.records import SessionInfo

T = TypeVar("T")
_TIMEOUT_S = 60.0
_LINES = "application/x-ndjson"


class Running(Struct, frozen=True):
    """What a running gateway says of itself in its run file. `shown` is the file of the certificate that it shows,
    where its port is encrypted; `host` and `tls` are what it was started with, which options may have said."""

    url: str
    pid: int
    token: str
    version: str = ""
    shown: str = ""
    host: str = ""
    tls: TlsConfig | None = None

    def context(self) -> "ssl.SSLContext | None":
        """For the next connection to it: exactly the certificate that it says it shows is trusted, and no other. None
        where its port is plain. Raises Unavailable when that file cannot be used."""
        if not self.shown:
            return None
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # a certificate of one's own need not be for the address of this machine
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(self.shown)
        except (OSError, ssl.SSLError) as error:
            raise Unavailable(f"{self.shown} cannot be used: {error}", "restart the gateway") from error
        return context


class ErrorData(Struct, frozen=True):
    kind: str = ""
    hint: str = ""


class RpcError(Struct, frozen=True):
    code: int
    message: str
    data: ErrorData = ErrorData()

    def told(self) -> CarapaxError:
        return CarapaxError(self.message, self.data.hint)


class _Problem(Struct, frozen=True):
    """A refusal over REST (RFC 9457)."""

    detail: str = "the gateway refused"
    hint: str = ""


class Gateway:
    """A running gateway."""

    def __init__(self, running: Running, patience_s: float = _TIMEOUT_S) -> None:
        self.running = running
        self._patience_s = patience_s

    def call(self, method: str, params: Struct | dict[str, object], result: type[T]) -> T:
        """Raises Unavailable when nobody answers, CarapaxError for what the gateway refuses."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._post("/rpc", msgspec.json.encode(request))
        try:
            message: dict[str, Any] = msgspec.json.decode(answer, type=dict[str, Any])
            if "error" in message:
                raise msgspec.convert(message["error"], RpcError).told()
            return msgspec.convert(message.get("result"), result)
        except msgspec.MsgspecError as error:
            raise Unavailable(f"{self.running.url} does not answer as a gateway does: {error}") from error

    def is_alive(self) -> bool:
        try:
            address = urlsplit(self.running.url)
            with socket.create_connection((address.hostname or "", address.port or 80), timeout=5):
                return True
        except (OSError, ValueError):
            return False

    def export(self, session: str) -> bytes:
        """A session as JSON lines, however long. Raises as `call` does."""
        return self._exchange("GET", f"/api/sessions/{quote(session, safe='')}/export", b"", {"Accept": _LINES})

    def import_(self, lines: bytes) -> "SessionInfo":
        """Make a session of JSON lines, up to 64 MB. Raises as `call` does."""
        from carapax.store.records import SessionInfo

        answer = self._exchange("POST", "/api/imports", lines, {"Content-Type": _LINES})
        return msgspec.json.decode(answer, type=SessionInfo)

    def _post(self, path: str, body: bytes) -> bytes:
        return self._request("POST", path, body, {"Content-Type": "application/json"})[1]

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        status, answer = self._request(method, path, body, headers)
        if status >= 400:
            problem = msgspec.json.decode(answer, type=_Problem)
            raise CarapaxError(problem.detail, problem.hint)
        return answer

    def _request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        import http.client

        address = urlsplit(self.running.url)
        host, context = address.hostname or "", self.running.context()
        connection = (
            http.client.HTTPSConnection(host, address.port, timeout=self._patience_s, context=context)
            if context
            else http.client.HTTPConnection(host, address.port, timeout=self._patience_s)
        )
        try:
            connection.request(method, path, body, {**headers, "Authorization": f"Bearer {self.running.token}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the gateway at {self.running.url} does not answer: {error}") from error
        finally:
            connection.close()


def announced(home: Home) -> Running | None:
    """What the gateway of this home said of itself when it started last, or None."""
    try:
        return msgspec.json.decode(home.run_file.read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def find_gateway(home: Home) -> Gateway | None:
    """The gateway that runs on this home now, or None."""
    running = announced(home)
    gateway = Gateway(running) if running else None
    return gateway if gateway and gateway.is_alive() else None
