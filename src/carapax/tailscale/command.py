"""The command line of Tailscale: what it is asked, and what it answers as JSON.

Its answers are `ipn/ipnstate.Status` and `ipn.ServeConfig` of https://github.com/tailscale/tailscale, of which only
what is needed is read.
"""

import asyncio
import contextlib
import getpass
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from carapax.errors import Unavailable

T = TypeVar("T")
LIMIT_S = 10.0
_LONGEST = 4_000_000
_TOLD = 500
_MAC = Path("/Applications/Tailscale.app/Contents/MacOS/Tailscale")
_VISIT_LINE = re.compile(rb"https://login\.tailscale\.com/\S+\s")
_VISIT = re.compile(r"https://login\.tailscale\.com/\S+")


class Node(Struct):
    """This machine. `dns_name` ends with a dot."""

    dns_name: str = field(name="DNSName", default="")


class NodeStatus(Struct):
    """`tailscale status --json`. `backend` is "Running" when it is connected."""

    backend: str = field(name="BackendState")
    node: Node | None = field(name="Self", default=None)
    version: str = field(name="Version", default="")
    auth_url: str = field(name="AuthURL", default="")

    @property
    def name(self) -> str:
        """The full name of this machine in its tailnet; empty when it has none."""
        return self.node.dns_name.rstrip(".").lower() if self.node else ""


class Handler(Struct):
    """What answers at a path: `proxy` is the address that requests are passed on to."""

    proxy: str = field(name="Proxy", default="")
    path: str = field(name="Path", default="")
    text: str = field(name="Text", default="")


class Web(Struct):
    handlers: dict[str, Handler] = field(name="Handlers", default_factory=dict)


class Serving(Struct):
    """`tailscale serve status --json`, which is `null` or `{}` while nothing is served."""

    web: dict[str, Web] | None = field(name="Web", default=None)
    funnels: dict[str, bool] | None = field(name="AllowFunnel", default=None)

    def handlers(self, name: str) -> dict[str, Handler]:
        """What is served at `https://NAME`, by path."""
        web = (self.web or {}).get(f"{name}:443")
        return web.handlers if web else {}

    def is_public(self, name: str) -> bool:
        """Whether the whole internet reaches it."""
        return bool((self.funnels or {}).get(f"{name}:443"))


def find_program(environ: Mapping[str, str]) -> str | None:
    """The command line, if it is installed."""
    found = shutil.which("tailscale", path=environ["PATH"]) if environ.get("PATH") else None
    return found or (str(_MAC) if environ.get("PATH") and _MAC.exists() else None)


class Command:
    """Runs the command line, for ten seconds at most each time. Raises Unavailable with the remedy when it fails."""

    def __init__(self, program: str, environ: Mapping[str, str], limit_s: float = LIMIT_S) -> None:
        self._program = program
        self._environ = dict(environ)
        self._limit_s = limit_s

    async def status(self) -> NodeStatus:
        return self._read(await self._run("status", "--json", "--peers=false"), NodeStatus)

    async def serving(self) -> Serving:
        output = await self._run("serve", "status", "--json")
        return Serving() if output.strip() == b"null" else self._read(output, Serving)

    async def serve(self, target: str, *, public: bool) -> None:
        """Have https://NAME pass requests on to `target`, for the tailnet or for everybody, also after a restart."""
        await self._run("funnel" if public else "serve", "--bg", "--yes", "--https=443", target, may_ask=True)

    async def stop(self, *, public: bool) -> None:
        """End what is served at the root of https://NAME; other paths stay."""
        await self._run("funnel" if public else "serve", "--yes", "--https=443", "--set-path=/", "off")

    def _read(self, output: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(output, type=kind)
        except msgspec.MsgspecError as error:
            problem = f"tailscale answers what is not known here: {error}"
            raise Unavailable(problem, "look at `tailscale version`: 1.60 or later is needed") from error

    async def _run(self, *arguments: str, may_ask: bool = False) -> bytes:
        """Its output. One that `may_ask` a person to visit an address waits for that for ever: it is killed when it has
        said the address, which is told. What others say before they are killed for being slow is told, too."""
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environ,
            )
        except OSError as error:
            raise Unavailable(f"{self._program} cannot be started: {error.strerror}", "install it again") from error
        said, warned, ended = bytearray(), bytearray(), False
        try:
            async with asyncio.timeout(self._limit_s), asyncio.TaskGroup() as group:
                for stream, into in ((process.stdout, said), (process.stderr, warned)):
                    group.create_task(_gather(stream, into, process.kill if may_ask else None))
                await process.wait()
                ended = True
        except TimeoutError:
            ended = False
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if not ended or process.returncode:
            raise _refusal(" ".join(arguments[:2]), bytes(said + warned).decode(errors="replace"), slow=not ended)
        return bytes(said)


async def _gather(stream: asyncio.StreamReader | None, into: bytearray, end: Callable[[], None] | None) -> None:
    """All that comes, up to a length; with `end`, which is called then, up to the line with an address to visit."""
    assert stream is not None
    while data := await stream.read(65_536):
        into += data[: max(0, _LONGEST - len(into))]
        if end and _VISIT_LINE.search(into):
            with contextlib.suppress(ProcessLookupError):
                end()


def _refusal(asked: str, said: str, *, slow: bool) -> Unavailable:
    """What went wrong, and what a person can do about it."""
    visit = _VISIT.search(said)
    short = " ".join(said.split())[:_TOLD]
    if visit:
        return Unavailable("Serve, HTTPS or Funnel is not enabled in your tailnet", f"enable it: {visit[0]}")
    if "access denied" in said.lower():
        remedy = f"run once: sudo tailscale set --operator={getpass.getuser()}"
        return Unavailable("Tailscale lets only root, or its operator, change what is served", remedy)
    if "failed to connect to local tailscaled" in said.lower():
        return Unavailable("Tailscale does not run on this machine", "start it: sudo systemctl start tailscaled")
    if slow:
        return Unavailable(f"`tailscale {asked}` did not end within {LIMIT_S:.0f} s: {short}", "run it yourself to see")
    return Unavailable(f"`tailscale {asked}` failed: {short}", "run it yourself to see more")
