"""Runs a command to its end, its time limit, or cancellation, and gathers what it says."""

import asyncio
import codecs
import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from msgspec import Struct, structs

from carapax.config import Positive
from carapax.contracts import Execution
from carapax.errors import InvalidRequest, Unavailable
from carapax.quota import Quota, Usage
from carapax.redaction import Secret

T = TypeVar("T")

Progress = Callable[[str], None]
Process = subprocess.Popen[bytes]
Kill = Callable[[Process], None]
_LONGEST_ARGUMENT = 128_000  # the system's limit for one argument is 131,072 bytes
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_CHUNK = 65_536
_MARK = "CARAPAX_COMMAND"
_ROUNDS = 20
_GRACE_S = 5.0


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What a command may use.

    cpu_seconds: processor time of each of its processes
    memory_bytes: memory of each of its processes; where control groups can be had, of all an agent runs together
    processes: processes and threads at the same time, in a sandbox that has its own
    file_bytes: longest file it may write
    open_files: files open at the same time in each process
    workspace_bytes: size of the workspace after which a command is killed, and no file grows any more
    workspace_files: files and folders in the workspace after which a command is killed
    output_bytes: output after which it is killed; what exceeds the caller's own limit is dropped long before
    """

    cpu_seconds: Positive = 300
    memory_bytes: Positive = 1 << 30
    processes: Positive = 256
    file_bytes: Positive = 1 << 30
    open_files: Positive = 512
    workspace_bytes: Positive = 4 << 30
    workspace_files: Positive = 500_000
    output_bytes: Positive = 64 << 20

    def quota(self, workspace: Path) -> Quota:
        """What a workspace may hold."""
        return Quota(workspace, Usage(self.workspace_bytes, self.workspace_files))

    async def left(self, quota: Quota | None) -> "Limits":
        """The same; where the quota is used up, no file grows."""
        return structs.replace(self, file_bytes=0) if quota and await quota.is_full() else self


def bounded(command: Sequence[str]) -> None:
    """Raises InvalidRequest for a command that the system would not take as it is: it is too long, or holds a null
    character, where the system would cut it, or half a character."""
    if any(map(_NO_TEXT.search, command)):
        raise InvalidRequest(
            "the command holds a null character or what is no character", "leave it out, or let printf write it"
        )
    if max((len(part.encode()) for part in command), default=0) > _LONGEST_ARGUMENT:
        raise InvalidRequest(f"the command is longer than {_LONGEST_ARGUMENT} bytes", "write it to a file and run that")


def stepped(steps: Sequence[str], command: Sequence[str]) -> list[str]:
    """The same command, under a POSIX shell that takes these steps one after the other and becomes the command.

    Raises InvalidRequest for a command that the system would not take as it is.
    """
    bounded(command)
    return ["/bin/sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh", *command] if steps else list(command)


# A first step for commands that die with the gateway: that it still lives now that their lives are bound to its own.
# What `run_process` gives as input is a pipe to it, which cannot be written to when nobody is left to read.
LIVING = "echo >&0 && exec </dev/null"


def limiting(limits: Limits, *, own_processes: bool) -> list[str]:
    """The steps of a shell that set the limits.

    Memory is bounded by what is writable (RLIMIT_DATA), not by address space, of which runtimes reserve far more than
    they use; address space gets 64 times as much, against shared memory that the first does not count. The number of
    processes is bounded only where a command has a user namespace of its own: elsewhere all of the user's count.
    """
    processes = limits.processes
    steps = [
        "ulimit -c 0",
        f"ulimit -t {limits.cpu_seconds}",
        *(() if sys.platform == "darwin" else _memory(limits.memory_bytes)),  # macOS keeps, and takes, no such limits
        f"ulimit -f {limits.file_bytes >> 9}",
        f"ulimit -n {limits.open_files}",
    ]
    if own_processes:  # it is -u of bash and newer busybox, -p of other shells
        steps.append(f"{{ ulimit -u {processes} 2>/dev/null || ulimit -p {processes}; }}")
    return steps


def is_variable(name: str) -> bool:
    """Whether a command can be given a variable of this name."""
    return _VARIABLE.fullmatch(name) is not None


def _memory(size: int) -> tuple[str, str]:
    return f"ulimit -d {size >> 10}", f"ulimit -v {size >> 4}"


def revealed(environment: Mapping[str, Secret]) -> dict[str, str]:
    """Variables in the clear, for the start of a command. Raises InvalidRequest, which shows no value, for what cannot
    be one."""
    for name, value in environment.items():
        if not is_variable(name):
            raise InvalidRequest(f"{name[:50]!r} is no name of a variable", "use letters, digits and _")
        text = value.reveal()
        if _NO_TEXT.search(text) or len(text.encode()) > _LONGEST_ARGUMENT:
            raise InvalidRequest(
                f"the value for {name} cannot be given to a command", f"up to {_LONGEST_ARGUMENT} bytes of text can"
            )
    return {name: value.reveal() for name, value in environment.items()}


def keep_inherited() -> None:
    """Pass on to commands no descriptor that the gateway was started with: each would lead out of a sandbox."""
    for entry in Path("/dev/fd").iterdir():
        if int(entry.name) > 2:
            with contextlib.suppress(OSError):  # that of the listing is closed by now
                os.set_inheritable(int(entry.name), False)


def marked() -> tuple[bytes, dict[str, str]]:
    """A mark for one command, and the variable that carries it to all that the command starts."""
    name, value = _MARK, secrets.token_hex(16)
    return f"{name}={value}".encode(), {name: value}


def kill_marked(mark: bytes, process: Process) -> None:
    """Kill the session of a command, then all that carry the mark, until there are none: where there is /proc, those
    that left the session too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for _ in range(_ROUNDS):
        found = _carrying(mark)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _carrying(mark: bytes) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


async def to_the_end(work: Coroutine[object, object, T]) -> T:
    """What it gives. A cancellation, or several, take effect when it has ended: for what would leave something behind
    if it were cut short, and is bounded itself."""
    task = asyncio.get_running_loop().create_task(work)
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        await asyncio.gather(task, return_exceptions=True)  # what it raises is of no interest any more
        raise cancelled
    return task.result()


async def run_process(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    kill: Kill,
    timeout_s: float,
    max_output: int,
    output_bytes: int,
    progress: Progress | None = None,
    folder: Path | None = None,
    descriptors: Sequence[int] = (),
    quota: Quota | None = None,
) -> Execution:
    """Run it in a session of its own. However it ends, `kill` is called at the end to end all that it started.

    Its input is for the step LIVING, not for reading.

    Raises Unavailable when it cannot be started.
    """
    output, killed = Output(max_output, output_bytes, progress), ""
    with _alive() as alive, _piped(output) as end:
        process = _started(command, environment, folder, descriptors, alive, end)
        alive.close()
        end.close()
        output.overflow = partial(kill, process)
        try:
            async with asyncio.timeout(timeout_s):
                killed = await _ended_within(process, quota)
        except TimeoutError:
            killed = "time"
        finally:
            kill(process)
            code = await to_the_end(_reaped(process, output))
    return Execution(code, output.text(), output.truncated, "output" if output.is_over else killed)


async def _reaped(process: Process, output: "Output") -> int:
    code = await asyncio.to_thread(process.wait) if process.poll() is None else process.returncode
    await output.drained()
    return code


def _started(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path | None,
    descriptors: Sequence[int],
    alive: BinaryIO,
    output: BinaryIO,
) -> Process:
    """Start it. This waits for its beginning, less than a millisecond; by asyncio it takes 3, for a fork of all that
    the gateway has in memory."""
    try:
        return subprocess.Popen(
            command,
            stdin=alive,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=folder,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"{command[0]} cannot be started: {error.strerror}") from error


async def _ended_within(process: Process, quota: Quota | None) -> str:
    """Return when it has ended, or with "disk" when the quota is exceeded before."""
    if quota is None:
        await _ended(process)
        return ""
    async with asyncio.TaskGroup() as group:
        ending, exceeding = group.create_task(_ended(process)), group.create_task(quota.exceeded())
        await asyncio.wait((ending, exceeding), return_when=asyncio.FIRST_COMPLETED)
        killed = "" if ending.done() else "disk"
        ending.cancel()
        exceeding.cancel()
    return killed


async def _ended(process: Process) -> None:
    if sys.platform == "linux":
        await ended(process.pid)
    else:
        await asyncio.to_thread(process.wait)


async def ended(pid: int) -> None:
    """Return when this process, of whomever, has ended. Only on Linux."""
    happened, loop = asyncio.Event(), asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop.add_reader(descriptor, happened.set)
    try:
        await happened.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@contextlib.contextmanager
def _alive() -> Iterator[BinaryIO]:
    """Gives the end of a pipe that can be written to as long as this block, and this process, goes on."""
    read_end, write_end = os.pipe()
    try:
        with os.fdopen(write_end, "wb", buffering=0) as writing:
            yield writing
    finally:
        os.close(read_end)


@contextlib.contextmanager
def _piped(output: "Output") -> Iterator[BinaryIO]:
    """Gives the end of a pipe that is written to; `output` gets what is written."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            data = os.read(read_end, _CHUNK)
        except BlockingIOError:  # a command can open its pipe for reading, and was quicker
            return
        if data:
            output.feed(data)
        else:
            loop.remove_reader(read_end)
            output.end()

    loop.add_reader(read_end, read)
    try:
        with os.fdopen(write_end, "wb", buffering=0) as writing:
            yield writing
    finally:
        loop.remove_reader(read_end)
        os.close(read_end)


class Output:
    """Output in bounded memory: its beginning and its end. Up to the same bound it is passed on as it comes."""

    def __init__(self, limit: int, most: int, progress: Progress | None) -> None:
        self.overflow: Callable[[], None] = lambda: None
        self._size = 0
        self._limit = limit
        self._most = most
        self._head = bytearray()
        self._tail = bytearray()
        self._progress = progress
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = asyncio.Event()

    @property
    def truncated(self) -> bool:
        return self._size > self._limit

    @property
    def is_over(self) -> bool:
        return self._size > self._most

    def feed(self, data: bytes) -> None:
        shown = data[: max(0, self._limit - self._size)]
        self._size += len(data)
        if shown:
            self._show(self._decoder.decode(shown))
        room = self._limit - self._limit // 2 - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        del self._tail[: max(0, len(self._tail) - self._limit // 2)]
        if self.is_over:
            self.overflow()

    def end(self) -> None:
        self._show(self._decoder.decode(b"", True))
        self._ended.set()

    async def drained(self) -> None:
        """Return when nobody can write any more, or, should somebody have escaped, soon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await self._ended.wait()

    def _show(self, text: str) -> None:
        if text and self._progress is not None:
            self._progress(text)

    def text(self) -> str:
        if not self.truncated:
            return (self._head + self._tail).decode(errors="replace")
        head = codecs.getincrementaldecoder("utf-8")("replace").decode(self._head)
        tail = bytes(self._tail).lstrip(bytes(range(0x80, 0xC0)))
        cut = self._size - len(self._head) - len(self._tail)
        return f"{head}\n[... {cut} bytes cut out here ...]\n{tail.decode(errors='replace')}"
