"""A container engine, Docker or Podman: each agent's commands run in warm containers of its own, over one volume.

A container has no network of its own, no capabilities, a read-only root, a filter of system calls and one template for
its configuration, in which nothing comes from an agent. Commands that run at the same time run in different containers;
what they share is the volume, seen as /data, which outlives them all.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Annotated, Literal
from weakref import WeakValueDictionary

from msgspec import Meta, Struct, structs

from carapax.containers import image
from carapax.containers.container import Allowance
from carapax.containers.engine import Engine
from carapax.containers.records import HOME, Owner, leave, limits_hold, sweep
from carapax.containers.warm import Warm
from carapax.containers.wayout import WayOut
from carapax.contracts import Entry, Execution
from carapax.egressproxy import Connecting, Nowhere
from carapax.errors import Unavailable
from carapax.redaction import Secret


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Which engine runs commands, in what, and what they may use.

    level: "strict" gives no network; "relaxed" the web, through a proxy that goes by the rules of `[egress]`
    socket: the engine's socket; "" is the one DOCKER_HOST names, else the first that answers of Docker's and Podman's,
      the system's and the user's own
    scope: "agent" gives all sessions of an agent one workspace and its containers, "session" each its own
    base: the image that sandboxes begin with, best with its digest; or a root file system as a tar archive, by its path
    packages: packages of the base's distribution to be installed on it
    commands: shell commands that change the image further, as root, after the packages
    containers: containers over one workspace at the same time; further commands wait
    idle_s: seconds after which a container that nothing uses ends; its workspace stays
    limits: what each container may use
    """

    level: Literal["strict", "relaxed"] = "strict"
    socket: str = ""
    scope: Literal["agent", "session"] = "agent"
    base: str = "debian:trixie-slim"
    packages: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    containers: Annotated[int, Meta(ge=1, le=64)] = 4
    idle_s: Annotated[float, Meta(gt=0)] = 900
    limits: Allowance = Allowance()


class Docker:
    """A Sandbox in containers of an engine. Opening it finds the engine, and removes containers that an earlier gateway
    of the same home left behind; it starts none: the first command does, which makes the image where it is missing.

    Raises Unavailable with the remedy where no engine answers, or where it cannot bound memory and processes.
    """

    def __init__(self, config: Config, workspace: Path, egress: Connecting | None = None) -> None:
        """`workspace` names the agent; the folder itself is not used. Where commands may reach the web they do so by
        `egress`; without one they reach nothing."""
        self._config = config
        self._folder = workspace.absolute()
        self._way_out = WayOut(self._folder, egress or Nowhere()) if config.level == "relaxed" else None
        self._recipe = image.Recipe("", "", (), ())
        self._owner = Owner("", "")
        self._opened = contextlib.AsyncExitStack()
        self._building = asyncio.Lock()
        self._engine: Engine | None = None
        self._workspaces: WeakValueDictionary[str, Warm] = WeakValueDictionary()
        self._own: Warm | None = None

    async def __aenter__(self) -> "Docker":
        async with self._opened as opened:
            self._owner = await asyncio.to_thread(Owner.of, self._folder)
            config = self._config
            self._recipe = await asyncio.to_thread(image.Recipe.of, config.base, config.packages, config.commands)
            self._engine = await opened.enter_async_context(await Engine.open(config.socket))
            await limits_hold(self._engine)
            await sweep(self._engine, self._owner)
            if self._way_out:
                await asyncio.to_thread(self._way_out.sweep)
            self._own = self._workspace("")
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._opened:
            for workspace in list(self._workspaces.values()):
                workspace.drop()
            if self._engine is not None:
                with contextlib.suppress(Unavailable):
                    await leave(self._engine, self._owner)

    @property
    def network(self) -> bool:
        """Whether commands reach the web, by `egress`."""
        return self._way_out is not None

    @property
    def image(self) -> str:
        """The tag of the image that containers begin with."""
        return self._recipe.tag

    def of(self, session: str) -> "Docker | Warm":
        """The sandbox of a session."""
        return self._workspace(session) if self._config.scope == "session" else self

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        max_output: int,
        progress: Callable[[str], None] | None = None,
        environment: Mapping[str, Secret] = MappingProxyType({}),
    ) -> Execution:
        return await self._workspace("").exec(
            command, timeout_s=timeout_s, max_output=max_output, progress=progress, environment=environment
        )

    async def read_file(self, path: str, max_bytes: int) -> bytes:
        return await self._workspace("").read_file(path, max_bytes)

    async def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        await self._workspace("").write_file(path, data, append=append)

    async def list_files(self, path: str, *, recursive: bool, max_entries: int) -> list[Entry]:
        return await self._workspace("").list_files(path, recursive=recursive, max_entries=max_entries)

    def _workspace(self, session: str) -> Warm:
        """That of a session, or of the agent itself; it is kept as long as anybody, or a container of it, needs it."""
        if self._engine is None:
            raise Unavailable("the sandbox is not open")
        found = self._workspaces.get(session)
        if found is None:
            config, owner = self._config, structs.replace(self._owner, session=session)
            most, idle_s = config.containers, config.idle_s
            found = Warm(self._engine, owner, self._built, config.limits, self._way_out, most=most, idle_s=idle_s)
            self._workspaces[session] = found
        return found

    async def _built(self) -> str:
        """The tag of the image, which is made where it is missing."""
        if self._engine is None:
            raise Unavailable("the sandbox is not open")
        async with self._building:
            if not await image.exists(self._engine, self._recipe.tag):
                await image.build(self._engine, self._recipe, {HOME: self._owner.home}, lambda text: None)
        return self._recipe.tag


EXTENSION = Docker
