"""A workspace that is a volume, and warm containers over it: each command has one of them for itself."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType

from carapax.containers import files
from carapax.containers.container import WORKSPACE, Allowance, Container, Ended, Gone, Sink, template
from carapax.containers.engine import Engine
from carapax.containers.records import Owner, keep_volume
from carapax.containers.room import Room
from carapax.containers.wayout import WayOut
from carapax.contracts import Entry, Execution
from carapax.egressproxy import VARIABLES
from carapax.errors import CarapaxError, InvalidRequest, Unavailable
from carapax.process import Output, bounded, revealed, stepped
from carapax.redaction import Secret

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": WORKSPACE,
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "USER": "agent",
}


class Warm:
    """A Sandbox of one owner. It starts containers as they are needed, at most so many at a time, from what `image`
    gives; one that nothing has used for `idle_s` seconds ends."""

    def __init__(
        self,
        engine: Engine,
        owner: Owner,
        image: Callable[[], Awaitable[str]],
        allowance: Allowance,
        way_out: WayOut | None = None,
        *,
        most: int,
        idle_s: float,
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._image = image
        self._allowance = allowance
        self._way_out = way_out
        self._idle_s = idle_s
        self._places = asyncio.Semaphore(most)
        self._room = Room(engine, owner.volume, allowance.workspace_bytes)
        self._free: dict[Container, asyncio.TimerHandle] = {}

    @property
    def network(self) -> bool:
        """Whether commands reach the web."""
        return self._way_out is not None

    def drop(self) -> None:
        """Let all containers that nothing uses end."""
        for container in list(self._free):
            self._retire(container)

    def of(self, session: str) -> "Warm":
        """It is that of a session, or all share it."""
        return self

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
        output = Output(max_output, self._allowance.output_bytes, progress)

        def sink(data: bytes) -> bool:
            output.feed(data)
            return not output.is_over

        if await self._room.is_full():
            command = stepped(["ulimit -f 0"], command)
        given = {**revealed(environment), **_ENVIRONMENT, **(VARIABLES if self._way_out else {})}
        ended = await self._watched(self._run(command, environment=given, timeout_s=timeout_s, sink=sink))
        await self._room.glance()
        output.end()
        return Execution(ended.exit_code, output.text(), output.truncated, ended.killed)

    async def read_file(self, path: str, max_bytes: int) -> bytes:
        said = await self._said(files.reading(path, max_bytes), path, max_bytes + 1)
        if len(said) > max_bytes:
            raise InvalidRequest(f"{path!r} has more than the {max_bytes} bytes that can be read at once")
        return said

    async def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        if await self._room.is_full():
            raise Unavailable("the workspace holds as much as it may", "remove files from it")
        await self._said(files.writing(path, len(data), append=append), path, 0, data)

    async def list_files(self, path: str, *, recursive: bool, max_entries: int) -> list[Entry]:
        said = await self._said(files.listing(path, recursive=recursive), path, files.LISTING_BYTES)
        return files.entries(said, path, max_entries)

    async def _watched(self, running: Coroutine[None, None, Ended]) -> Ended:
        """How it ended; it is cancelled, which ends its container, when the workspace has become too large."""

        async def outcome() -> Ended | CarapaxError:
            try:
                return await running
            except CarapaxError as error:
                return error

        async with asyncio.TaskGroup() as group:
            ending, exceeding = group.create_task(outcome()), group.create_task(self._exceeded())
            await asyncio.wait((ending, exceeding), return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            exceeding.cancel()
        if ending.cancelled():
            return Ended(-9, "disk")
        ended = ending.result()
        if isinstance(ended, CarapaxError):
            raise ended
        return ended

    async def _exceeded(self) -> None:
        """Return when the workspace is too large; an engine that cannot say so does not end commands."""
        try:
            await self._room.exceeded()
        except CarapaxError:
            await asyncio.Event().wait()

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
            async with self._container() as container, self._reaching(container):
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
        """A container for one command: the one used last, else a new one."""
        async with self._places:
            if self._free:
                container, idle = self._free.popitem()
                idle.cancel()
            else:
                container = await self._started()
            try:
                yield container
            finally:
                if container.usable:
                    later = asyncio.get_running_loop().call_later
                    self._free[container] = later(self._idle_s, self._retire, container)

    def _retire(self, container: Container) -> None:
        self._free.pop(container).cancel()
        container.drop()

    async def _started(self) -> Container:
        tag = await self._image()
        volume = await keep_volume(self._engine, self._owner)
        name = f"{volume}-{secrets.token_hex(4)}"
        given = (tag, volume, self._owner.labels, self._allowance)
        if self._way_out is None:
            return await Container.start(self._engine, name, template(*given))
        with self._way_out.passing() as passing:
            container = await Container.start(self._engine, name, template(*given, passing.folder))
            await passing.take(container)
        return container

    def _reaching(self, container: Container) -> contextlib.AbstractAsyncContextManager[None]:
        return self._way_out.answering(container) if self._way_out else contextlib.nullcontext()
