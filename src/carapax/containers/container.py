"""A warm container: it runs one command after another, and none of their processes outlives its command.

Its first process, the keeper, is of another user than commands are, so that none can touch it. It tells how many
processes there are and how many the kernel has killed for want of memory, and ends with its standard input: when the
gateway goes, however it goes, its containers end, and the engine removes them. Only a container with no process left is
used again; one that a command left something in, or that had to be stopped in the middle of one, is killed as a whole,
which the kernel does at once.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from carapax.config import Positive
from carapax.containers.engine import Engine, Stream
from carapax.containers.profile import profile
from carapax.errors import CarapaxError, Conflict, InvalidRequest, NotFound, Unavailable
from carapax.process import to_the_end

Sink = Callable[[bytes], bool]
Configuration = dict[str, Any]

WORKSPACE = "/data"
PASSING = "/passing"
USER = 1000
_KEEPER_USER = 65_534
_KEEPER = """
while read -r _; do
  killed=0
  for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ ! -r $file ] || while read -r name count; do [ "$name" != oom_kill ] || killed=$count; done < $file
  done
  set -- /proc/[0-9]*
  echo "$# $killed"
done
"""
_OWN_PROCESSES = 3  # the engine's init, the keeper, and the shell around a command
# The descriptor that a command's end is told on is not the command's. It can find it, and lie about its own end only.
_WRAPPED = '(exec "$@") 2>&1; echo "ended $?" >&2'
_ENDED = re.compile(rb"ended (\d+)\n\Z")
_ENDING_BYTES = 20
_LOOK_S = 1.0
_SETTLING_S = 0.25
_LEAST_MEMORY = 256 << 20  # the engine's own program, which becomes the command, needs as much of a process's share
_DYING_MEMORY = 64 << 20
_UNSEEN = "bind source path does not exist"  # as Docker says it of a folder of the gateway's
_ONE_MACHINE = (
    "run gateway and engine on one machine, where both see the same files, or stay with [sandboxes.docker] level ="
    ' "strict"'
)
_ADDRESSES = 64  # times the memory; runtimes reserve far more addresses than they use


class Allowance(Struct, frozen=True, forbid_unknown_fields=True):
    """What a container may use.

    cpu_seconds: processor time of each process
    memory_bytes: memory of all processes together, with what is in /tmp; there is no swap
    processes: processes and threads at the same time
    file_bytes: longest file that may be written
    open_files: files open at the same time in each process
    workspace_bytes: size of the workspace after which a command is killed, and no file grows any more
    output_bytes: output after which a command is killed; what exceeds the caller's own limit is dropped long before
    cpus: share of the machine's processors; 0.15 is 15 ms in every 100
    tmp_bytes: size of /tmp, kept in memory
    """

    cpu_seconds: Positive = 300
    memory_bytes: Positive = 384 << 20
    processes: Positive = 64
    file_bytes: Positive = 1 << 30
    open_files: Positive = 512
    workspace_bytes: Positive = 4 << 30
    output_bytes: Positive = 64 << 20
    cpus: Annotated[float, Meta(ge=0.01)] = 0.15
    tmp_bytes: Positive = 64 << 20


class Ended(Struct, frozen=True):
    """How a command ended: its exit code, negative for a signal, and which limit ended it."""

    exit_code: int
    killed: str = ""


class Gone(Exception):
    """The container had ended before the command: nothing was run."""


def template(
    image: str, volume: str, labels: Mapping[str, str], allowance: Allowance, passing: str = ""
) -> Configuration:
    """The one configuration that containers have. Nothing in it comes from a model, a command or a workspace.

    `passing` is a folder of the gateway's, seen as PASSING, in which the container hands over a socket at its start.
    """
    mounts: list[dict[str, object]] = [{"Type": "volume", "Source": volume, "Target": WORKSPACE}]
    if passing:
        private = {"Propagation": "rprivate"}
        mounts.append({"Type": "bind", "Source": passing, "Target": PASSING, "ReadOnly": True, "BindOptions": private})
    memory = max(allowance.memory_bytes, _LEAST_MEMORY)
    sizes = {"core": 0, "cpu": allowance.cpu_seconds, "data": memory, "as": memory * _ADDRESSES}
    sizes |= {"fsize": allowance.file_bytes, "nofile": allowance.open_files}
    return {
        "Image": image,
        "Labels": dict(labels),
        "Hostname": "sandbox",
        "User": f"{_KEEPER_USER}:{_KEEPER_USER}",
        "WorkingDir": "/",
        "Entrypoint": ["/bin/sh", "-c", _KEEPER],
        "Cmd": [],
        "Env": [],
        "Healthcheck": {"Test": ["NONE"]},
        "AttachStdin": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "NetworkDisabled": True,
        "HostConfig": {
            "Init": True,
            "AutoRemove": True,
            "Privileged": False,
            "NetworkMode": "none",
            "IpcMode": "private",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges", f"seccomp={profile()}"],
            "Memory": allowance.memory_bytes,
            "MemorySwap": allowance.memory_bytes,
            "NanoCpus": round(allowance.cpus * 1e9),
            "PidsLimit": allowance.processes + _OWN_PROCESSES,
            "ShmSize": allowance.tmp_bytes,
            "Ulimits": [{"Name": name, "Soft": size, "Hard": size} for name, size in sizes.items()],
            "Tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,mode=1777,size={allowance.tmp_bytes}"},
            "Mounts": mounts,
            "LogConfig": {"Type": "none"},
        },
    }


class Container:
    """One that was started; see `start`. `listening` is a socket of its network, which is closed when it ends."""

    def __init__(self, engine: Engine, name: str, keeper: Stream, memory_bytes: int) -> None:
        self.name = name
        self.usable = True
        self.listening: socket.socket | None = None
        self._engine = engine
        self._keeper = keeper
        # Dying takes processor time and memory as well, of which there may be none left.
        memory = memory_bytes + _DYING_MEMORY
        self._dying = {"NanoCpus": 10**9, "Memory": memory, "MemorySwap": memory}
        self._processes = 0
        self._deaths = 0

    @classmethod
    async def start(cls, engine: Engine, name: str, configuration: Configuration) -> "Container":
        """A new one by that name. Raises NotFound when its image is missing, Unavailable when it does not start."""
        keeper = None
        try:
            with _ours():  # cut short, the engine would make it after it was told to remove it
                await to_the_end(engine.call("POST", "/containers/create", query={"name": name}, body=configuration))
            keeper = await engine.attach(f"/containers/{name}/attach?stream=1&stdin=1&stdout=1", {})
            await engine.call("POST", f"/containers/{name}/start")
            container = cls(engine, name, keeper, configuration["HostConfig"]["Memory"])
            seen = await container._look()
            if seen is None:
                raise Unavailable("the container ended at its start", "its image needs a POSIX shell at /bin/sh")
            container._processes, container._deaths = seen
            return container
        except BaseException:
            if keeper is not None:
                keeper.close()
            with contextlib.suppress(CarapaxError):  # it was not made, or is gone, or the engine is
                await to_the_end(engine.call("DELETE", f"/containers/{name}", query={"force": "1", "v": "1"}))
            raise

    async def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout_s: float,
        sink: Sink,
        standard_input: bytes = b"",
    ) -> Ended:
        """Run a command to its end, its time limit or cancellation. `sink` is given its output, and says whether it
        may go on. When this returns, no process of it is left. Raises Gone; Unavailable when the container or its
        engine ends in the middle.
        """
        process = await self._made(command, environment, with_input=bool(standard_input))
        deaths, ended = self._deaths, None
        try:
            ended = await self._watched(process, timeout_s, sink, standard_input)
        finally:
            if self.usable and (ended is None or ended.killed or not await self._settled() or self._deaths > deaths):
                await to_the_end(
                    self.kill()
                )  # where memory was short, what holds it may be no process: /tmp, shared memory
        if self._deaths > deaths and not ended.killed:
            return Ended(ended.exit_code, "memory")
        return ended

    async def kill(self) -> None:
        """End all that runs in it, and it; the engine removes it."""
        self.usable = False
        try:
            with contextlib.suppress(CarapaxError):
                await self._engine.call("POST", f"/containers/{self.name}/update", body=self._dying)
            with contextlib.suppress(NotFound, Conflict):  # it has ended by itself
                await self._engine.call("POST", f"/containers/{self.name}/kill")
                await self._engine.call("POST", f"/containers/{self.name}/wait")
        finally:
            self._close()

    def drop(self) -> None:
        """Let it end and be removed, in its own time."""
        self.usable = False
        self._close()

    def _close(self) -> None:
        self._keeper.close()
        if self.listening is not None:
            self.listening.close()

    async def _made(self, command: Sequence[str], environment: Mapping[str, str], *, with_input: bool) -> str:
        try:
            made = await self._engine.ask(
                "POST",
                f"/containers/{self.name}/exec",
                kind=_Made,
                body={
                    "AttachStdin": with_input,
                    "AttachStdout": True,
                    "AttachStderr": True,
                    "Cmd": ["/bin/sh", "-c", _WRAPPED, "sh", *command],
                    "Env": [f"{name}={value}" for name, value in environment.items()],
                    "User": f"{USER}:{USER}",
                    "WorkingDir": WORKSPACE,
                },
            )
        except (NotFound, Conflict) as error:
            self.drop()
            raise Gone from error
        return made.Id

    async def _watched(self, process: str, timeout_s: float, sink: Sink, standard_input: bytes) -> Ended:
        code, told = None, bytearray()
        async with self._engine.attached(f"/exec/{process}/start", {"Detach": False, "Tty": False}) as stream:
            try:
                async with asyncio.timeout(timeout_s) as limit:
                    if standard_input:
                        await stream.input(standard_input)
                    while piece := await stream.output():
                        if piece[0] == 1 and not sink(piece[1]):
                            return Ended(-9, "output")
                        if piece[0] == 2:
                            told = (told + piece[1])[-_ENDING_BYTES:]
                        if code is None and (found := _ENDED.search(told)):
                            code = int(found[1])  # what it has said by now may be on its way
                            limit.reschedule(asyncio.get_running_loop().time() + _SETTLING_S)
            except TimeoutError:
                if code is None:
                    return Ended(-9, "time")
                await self.kill()  # something else can still speak, so something is left
                await _rest(stream, sink)
        return await self._cut_short(process) if code is None else Ended(_signalled(code))

    async def _cut_short(self, process: str) -> Ended:
        """How a command ended that ended the shell around it as well; it may have ended more."""
        seen = await self._look()
        if seen is None:
            await self._engine.call("GET", "/version")
            raise Unavailable("the container ended while the command ran", "the next command gets a new one")
        told = await self._engine.ask("GET", f"/exec/{process}/json", kind=_Inspected)
        return Ended(_signalled(told.ExitCode if told.ExitCode is not None else 137))

    async def _settled(self) -> bool:
        """Whether nothing runs but what always does. What is about to end is given a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLING_S):
                while seen := await self._look():
                    processes, self._deaths = seen
                    if processes <= self._processes:
                        return True
                    await asyncio.sleep(0.002)
        return False

    async def _look(self) -> tuple[int, int] | None:
        """How many processes there are, and how many died for want of memory; None when the keeper is gone. One that
        was not waited for leaves its answer behind, so then the container must not be used again."""
        line = bytearray()
        with contextlib.suppress(TimeoutError, ValueError):
            async with asyncio.timeout(_LOOK_S):
                await self._keeper.input(b"\n")
                while not line.endswith(b"\n"):
                    piece = await self._keeper.output()
                    if piece is None:
                        return None
                    line += piece[1]
                processes, deaths = line.split()
                return int(processes), int(deaths)
        return None


@contextlib.contextmanager
def _ours() -> Iterator[None]:
    """What an engine takes no container for is our configuration, not what a model asked for."""
    try:
        yield
    except InvalidRequest as error:
        apart = _UNSEEN in error.message
        raise Unavailable(error.message, _ONE_MACHINE if apart else "look at [sandboxes.docker] limits") from error


async def _rest(stream: Stream, sink: Sink) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LOOK_S):
            while piece := await stream.output():
                if piece[0] == 1 and not sink(piece[1]):
                    return


class _Made(Struct):
    Id: str


class _Inspected(Struct):
    ExitCode: int | None = None


def _signalled(code: int) -> int:
    """A shell and an engine tell a signal as 128 and its number."""
    return 128 - code if 128 < code <= 192 else code
