"""A way out of containers that have no network: a proxy in the gateway, on a socket that listens inside.

Descriptors pass between networks over Unix sockets only, and a container is never given one of the machine's. So it is
started with a folder that holds one, made for it alone, and used once, before the first command: a program in the
container hands over what listens there. Then socket and folder are removed; what commands see is an empty folder in
which nobody can make anything any more.
"""

import contextlib
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from carapax.containers.container import PASSING, Container, Ended, Gone
from carapax.egressproxy import Connecting, answering, handing_over, received
from carapax.errors import InvalidRequest, Unavailable

_FOLDER = ".passing"
_THIS_GATEWAY = f"{secrets.token_hex(4)}."
_SOCKET = "gateway"
_STRICT = 'stay with [sandboxes.docker] level = "strict"'
_HANDING_OVER = handing_over(
    f'gateway = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)\ngateway.connect("{PASSING}/{_SOCKET}")'
)
_COMMAND = ("python3", "-I", "-S", "-c", _HANDING_OVER)
_PATH = "/usr/local/bin:/usr/bin:/bin"
_TIMEOUT_S = 30.0
_LONGEST_REASON = 2000
_NO_PROGRAM = (126, 127)  # by which a shell tells that it cannot start one


class Passing:
    """The taking over of one socket, from one container."""

    def __init__(self, folder: str, gateway: socket.socket) -> None:
        """`folder` is what the container is to see as PASSING; `gateway` listens in there."""
        self.folder = folder
        self._gateway = gateway

    async def take(self, container: Container) -> None:
        """Have a container that nothing has run in hand over its socket, and keep it there as `listening`.

        Raises Unavailable with the remedy, and ends the container, when it does not.
        """
        try:
            container.listening = await self._taken(container)
        except BaseException:
            if container.usable:
                await container.kill()
            raise

    async def _taken(self, container: Container) -> socket.socket:
        said = bytearray()

        def sink(data: bytes) -> bool:
            said.extend(data[: _LONGEST_REASON - len(said)])
            return True

        try:
            ended = await container.run(_COMMAND, environment={"PATH": _PATH}, timeout_s=_TIMEOUT_S, sink=sink)
        except Gone:
            raise Unavailable("the container ended at its start", "look at the engine's log") from None
        if ended != Ended(0) or not container.usable:
            raise _refused(ended, said.decode(errors="replace"))
        try:
            with self._gateway.accept()[0] as connection:
                connection.setblocking(False)
                return received(connection)
        except (OSError, InvalidRequest) as error:
            raise Unavailable(f"the container handed over no socket: {error}", _STRICT) from error


class WayOut:
    """Where the containers of one agent reach the web, by `egress`."""

    def __init__(self, workspace: Path, egress: Connecting) -> None:
        """`workspace` names the agent; what is handed over passes through a folder beside it."""
        self._folder = workspace.parent / _FOLDER / workspace.name
        self._egress = egress

    def sweep(self) -> None:
        """Remove what an earlier gateway may have left behind in the middle of a start."""
        with contextlib.suppress(OSError):
            for left in self._folder.iterdir():
                if not left.name.startswith(_THIS_GATEWAY):
                    shutil.rmtree(left, ignore_errors=True)

    @contextlib.contextmanager
    def passing(self) -> Iterator[Passing]:
        """For the start of one container. At its end nobody can hand over anything any more."""
        with contextlib.ExitStack() as opened:
            gateway = opened.enter_context(socket.socket(socket.AF_UNIX))
            folder = self._made()
            opened.callback(shutil.rmtree, folder, ignore_errors=True)
            _listen(gateway, folder)
            yield Passing(str(folder), gateway)

    def _made(self) -> Path:
        """A folder for one container. Nobody on this machine but the gateway's user comes through the one above it."""
        folder = self._folder / f"{_THIS_GATEWAY}{secrets.token_hex(4)}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            folder.mkdir()
            folder.chmod(0o755)
        except OSError as error:
            raise Unavailable(f"{folder} cannot be made: {error}", "check the folder's owner and disk") from error
        return folder

    @contextlib.asynccontextmanager
    async def answering(self, container: Container) -> AsyncIterator[None]:
        """The proxy answers in a container until the end of the context."""
        if container.listening is None:
            raise Unavailable("the container has no way out")
        with container.listening.dup() as listening:  # the container may end, and close its own, in the middle
            async with answering(listening, self._egress):
                yield


def _listen(gateway: socket.socket, folder: Path) -> None:
    """Listen in a folder, whose path may be longer than the address of a Unix socket. Raises Unavailable."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            gateway.bind(f"/proc/self/fd/{descriptor}/{_SOCKET}")
        finally:
            os.close(descriptor)
        (folder / _SOCKET).chmod(0o666)  # who runs commands is another user than the gateway
        gateway.listen(1)
        gateway.setblocking(False)
    except OSError as error:
        raise Unavailable(f'level = "relaxed" cannot be had here: {error}', f"it needs Linux; {_STRICT}") from error


def _refused(ended: Ended, said: str) -> Unavailable:
    """Why nothing was handed over."""
    if ended.exit_code in _NO_PROGRAM:
        remedy = 'add "python3" to [sandboxes.docker] packages'
        return Unavailable('level = "relaxed" needs Python in the image', f"{remedy}, or {_STRICT}")
    reason = " ".join(said.split()) or f"it ended with {ended.exit_code} {ended.killed}".rstrip()
    return Unavailable(f"the container handed over no socket: {reason}", f"look at the engine's log, or {_STRICT}")
