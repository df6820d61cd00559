"""The gateway in a tailnet: reached under the name of this machine, with a certificate that every browser knows.

Tailscale takes the requests and passes them on to the gateway's port. It says so in headers, which make each of them
one from elsewhere: free access of this machine never reaches that far, and nobody is known by what those headers say.
"""

import asyncio
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from carapax.errors import Conflict, Unavailable
from carapax.tailscale.command import Command, NodeStatus, Serving, find_program

Mode = Literal["off", "serve", "funnel"]
_V4, _V6 = ("127.0.0.1", "localhost"), ("localhost", "[::1]")
_LOOPBACK = {"127.0.0.1": _V4, "localhost": _V4, "0.0.0.0": _V4, "::1": _V6, "::": _V6}
_LISTEN = 'leave gateway.host out, or set it to "0.0.0.0"'


class TailscaleStatus(Struct, frozen=True):
    """How the gateway can be reached through Tailscale.

    installed: whether its command line is here
    state: what it says of itself; "Running" when this machine is connected, empty when it does not answer
    version: its version
    name: the name of this machine in its tailnet
    mode: "serve" when the tailnet reaches the gateway now, "funnel" when everybody does, else "off"
    url: where it is reached; empty when it is off
    problem: what stands in the way
    remedy: what to do about it
    """

    installed: bool
    state: str = ""
    version: str = ""
    name: str = ""
    mode: Mode = "off"
    url: str = ""
    problem: str = ""
    remedy: str = ""


class Tailscale:
    """`listens` says where the gateway's port is before anything else is asked. `names` are those under which it is
    reached now."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        program = find_program(environ)
        self.names: frozenset[str] = frozenset()
        self._command = Command(program, environ) if program else None
        self._targets: tuple[str, ...] = ()
        self._asking = asyncio.Lock()  # an answer that was overtaken by a change would be taken for the newer one

    def listens(self, host: str, port: int, *, encrypted: bool) -> None:
        """Where the gateway's port is. Tailscale passes requests on to this machine only."""
        scheme = "https+insecure" if encrypted else "http"
        names = _LOOPBACK.get(host, ())
        self._targets = tuple(f"{scheme}://{name}:{port}" for name in names)

    async def status(self) -> TailscaleStatus:
        """How things are now; what goes wrong is in `problem`."""
        async with self._asking:
            return await self._status()

    async def _status(self) -> TailscaleStatus:
        if self._command is None:
            return TailscaleStatus(False, problem="Tailscale is not installed", remedy="https://tailscale.com/download")
        try:
            node = await self._command.status()
            serving = await self._command.serving() if node.backend == "Running" else Serving()
        except Unavailable as error:
            return TailscaleStatus(True, problem=error.message, remedy=error.hint)
        mode = self._mode(node, serving)
        self.names = frozenset((node.name,)) if mode != "off" else frozenset()
        problem, remedy = _connected(node)
        url = f"https://{node.name}" if mode != "off" else ""
        return TailscaleStatus(True, node.backend, node.version, node.name, mode, url, problem, remedy)

    async def configure(self, mode: Mode) -> TailscaleStatus:
        """Have the tailnet, everybody, or nobody reach the gateway.

        Raises Conflict when something else is served in the gateway's place or would become public with it, and
        Unavailable when Tailscale is not there or refuses.
        """
        async with self._asking:
            if self._command is None:
                raise Unavailable("Tailscale is not installed", "get it from https://tailscale.com/download")
            node, serving = await self._command.status(), await self._command.serving()
            now = self._mode(node, serving)
            if mode == "off":
                if now != "off":
                    await self._command.stop(public=now == "funnel")
            else:
                problem, remedy = _connected(node)
                if problem:
                    raise Conflict(problem, remedy)
                if not self._targets:
                    raise Conflict("the gateway does not listen on this machine's own address", _LISTEN)
                self._check_free(node.name, serving, mode)
                await self._command.serve(self._targets[0], public=mode == "funnel")
            return await self._changed(mode)

    async def _changed(self, mode: Mode) -> TailscaleStatus:
        """The status, which has to be the wished one."""
        status = await self._status()
        if status.mode != mode:
            problem = status.problem or f"`tailscale serve status` shows {status.mode}"
            raise Unavailable(f"Tailscale took the command and is not at {mode!r}: {problem}", status.remedy)
        return status

    def _mode(self, node: NodeStatus, serving: Serving) -> Mode:
        root = serving.handlers(node.name).get("/")
        if root is None or root.proxy.rstrip("/") not in self._targets:
            return "off"
        return "funnel" if serving.is_public(node.name) else "serve"

    def _check_free(self, name: str, serving: Serving, mode: Mode) -> None:
        handlers = serving.handlers(name)
        root = handlers.get("/")
        if root is not None and root.proxy.rstrip("/") not in self._targets:
            what = root.proxy or root.path or "a text"
            remedy = "`tailscale serve --https=443 --set-path=/ off` ends that"
            raise Conflict(f"https://{name} already serves {what}", remedy)
        others = sorted(path for path in handlers if path != "/")
        if mode == "funnel" and others and not serving.is_public(name):
            remedy = "serve them on another port first: `tailscale serve --https=8443 ...`"
            raise Conflict(f"https://{name} also serves {', '.join(others)}, which would become public", remedy)


def _connected(node: NodeStatus) -> tuple[str, str]:
    """What keeps this machine from its tailnet, and the remedy; two times nothing when it is in it."""
    if node.backend == "Running" and node.name:
        return "", ""
    if node.backend == "NeedsLogin":
        return "this machine is not signed in to Tailscale", f"sign in: {node.auth_url or 'sudo tailscale up'}"
    if node.backend == "NeedsMachineAuth":
        return "this machine waits to be approved", "approve it in the admin console of Tailscale"
    if node.backend == "Running":
        return "this machine has no name in its tailnet", "turn MagicDNS on in the admin console of Tailscale"
    return f"Tailscale is not connected ({node.backend[:40]})", "connect it: sudo tailscale up"
