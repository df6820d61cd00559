"""A container engine, Docker or Podman: each agent's commands run in warm containers of its own, over one volume.

A container has no network, no capabilities, a read-only root, a filter of system calls and one template for its
configuration, in which nothing comes from an agent. Commands that run at the same time run in different containers;
what they share is the volume, seen as /data, which outlives them all.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Annotated

from msgspec import Meta, Struct

from carapax.containers import files, image
from carapax.containers.container import WORKSPACE, Allowance, Container, Ended, Gone, Sink, template
from carapax.containers.engine import Engine
from carapax.containers.records import HOME, Owner, keep_volume, leave, limits_hold, sweep
from carapax.contracts import Entry, Execution
from carapax.errors import InvalidRequest, Unavailable
from carapax.process import Output, bounded, revealed
from carapax.redaction import Secret

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": WORKSPACE,
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "USER": "agent",
}


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Which engine runs commands, in what, and what they may use.

    socket: the engine's socket; "" is the one DOCKER_HOST names, else the first that answers of Docker's and Podman's,
      the system's and the user's own
    base: the image that sandboxes begin with, best with its digest; or a root file system as a tar archive, by its path
    packages: packages of the base's distribution to be installed on it
    commands: shell commands that change the image further, as root, after the packages
    containers: containers of one agent at the same time; further commands wait
    limits: what each container may use
    """

    socket: str = ""
    base: str = "debian:trixie-slim"
    packages: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    containers: Annotated[int, Meta(ge=1, le=64)] = 4
    limits: Allowance = Allowance()


class Docker:
    """A Sandbox in containers of an engine. Opening it finds the engine, and removes containers that an earlier gateway
    of the same home left behind; it starts none: the first command does, which makes the image where it is missing.

    Raises Unavailable with the remedy where no engine answers, or where it cannot bound memory and processes.
    """

    network = False

    def __init__(self, config: Config, workspace: Path, egress: object = None) -> None:
        """`workspace` names the agent; the folder itself is not used. `egress` is not reached from here."""
        self._config = config
        self._folder = workspace.absolute()
        self._recipe = image.Recipe("", "", (), ())
        self._owner = Owner("", "")
        self._opened = contextlib.AsyncExitStack()
        self._engine: Engine | None = None
        self._building = asyncio.Lock()
        self._places = asyncio.Semaphore(config.containers)
        self._free: list[Container] = []

    async def __aenter__(self) -> "Docker":
        async with self._opened as opened:
            self._owner = await asyncio.to_thread(Owner.of, self._folder)
            config = self._config
            self._recipe = await asyncio.to_thread(image.Recipe.of, config.base, config.packages, config.commands)
            self._engine = await opened.enter_async_context(await Engine.open(config.socket))
            await limits_hold(self._engine)
            await sweep(self._engine, self._owner)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._opened:
            for container in self._free:
                container.drop()
            if self._engine is not None:
                with contextlib.suppress(Unavailable):
                    await leave(self._engine, self._owner)

    @property
    def image(self) -> str:
        """The tag of the image that containers begin with."""
        return self._recipe.tag

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        max_output: int,
        progress: Callable[[str], None] | None = None,
        environment: Mapping[str, Secret] = MappingProxyType({}),
    ) -> Execution:
        bounded(command)
        output = Output(max_output, self._config.limits.output_bytes, progress)

        def sink(data: bytes) -> bool:
            output.feed(data)
            return not output.is_over

        given = {**revealed(environment), **_ENVIRONMENT}
        ended = await self._run(command, environment=given, timeout_s=timeout_s, sink=sink)
        output.end()
        return Execution(ended.exit_code, output.text(), output.truncated, ended.killed)

    async def read_file(self, path: str, max_bytes: int) -> bytes:
        said = await self._said(files.reading(path, max_bytes), path, max_bytes + 1)
        if len(said) > max_bytes:
            raise InvalidRequest(f"{path!r} has more than the {max_bytes} bytes that can be read at once")
        return said

    async def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        await self._said(files.writing(path, len(data), append=append), path, 0, data)

    async def list_files(self, path: str, *, recursive: bool, max_entries: int) -> list[Entry]:
        said = await self._said(files.listing(path, recursive=recursive), path, files.LISTING_BYTES)
        return files.entries(said, path, max_entries)

    async def _said(self, command: Sequence[str], path: str, most: int, standard_input: bytes = b"") -> bytes:
        said = bytearray()

        def sink(data: bytes) -> bool:
            said.extend(data)
            return len(said) <= most

        ended = await self._run(
            command, environment=_ENVIRONMENT, timeout_s=files.TIMEOUT_S, sink=sink, standard_input=standard_input
        )
        if ended.killed:
            raise Unavailable(f"{path!r}: the sandbox's limit of {ended.killed} was reached", "choose a smaller folder")
        files.refuse(ended.exit_code, path)
        return bytes(said)

    async def _run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout_s: float,
        sink: Sink,
        standard_input: bytes = b"",
    ) -> Ended:
        while True:
            async with self._container() as container:
                with contextlib.suppress(Gone):  # nothing was run; the next one is another
                    return await container.run(
                        command,
                        environment=environment,
                        timeout_s=timeout_s,
                        sink=sink,
                        standard_input=standard_input,
                    )

    @contextlib.asynccontextmanager
    async def _container(self) -> AsyncIterator[Container]:
        """A container for one command: a warm one, else a new one."""
        async with self._places:
            container = self._free.pop() if self._free else await self._started()
            try:
                yield container
            finally:
                if container.usable:
                    self._free.append(container)

    async def _started(self) -> Container:
        if self._engine is None:
            raise Unavailable("the sandbox is not open")
        await self._built(self._engine)
        volume = await keep_volume(self._engine, self._owner)
        name = f"{volume}-{secrets.token_hex(4)}"
        return await Container.start(
            self._engine, name, template(self._recipe.tag, volume, self._owner.labels, self._config.limits)
        )

    async def _built(self, engine: Engine) -> None:
        """Make the image where it is missing."""
        async with self._building:
            if not await image.exists(engine, self._recipe.tag):
                await image.build(engine, self._recipe, {HOME: self._owner.home}, lambda text: None)


EXTENSION = Docker
