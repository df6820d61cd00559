"""Linux namespaces through bubblewrap: each command sees the system read-only, its workspace, and nothing else.

No network, or the web through a proxy in the gateway; own processes, cleared environment, no capabilities, no further
user namespaces, and only the system calls that commands have need of. A gateway that runs as root gives the workspace
to an ordinary user and starts commands as that user, so that no command ever has root's identity in the kernel,
whatever it may break out of.
"""

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from carapax.contracts import Execution
from carapax.controlgroup import ControlGroup
from carapax.egressproxy import VARIABLES, Connecting, Nowhere, handing_over, offered
from carapax.errors import Unavailable
from carapax.process import (
    LIVING,
    Limits,
    Process,
    ended,
    keep_inherited,
    limiting,
    revealed,
    run_process,
    stepped,
    to_the_end,
)
from carapax.redaction import Secret
from carapax.seccomp import program
from carapax.workspace import Workspace

_HOME = "/workspace"
_MOUNT_POINT = "/mnt"
_STOPPING = 10_000  # looks at a process that is about to stop; about 0.1 s
_UID = 1000
_FILE = "carapax-"
_FIRST = re.compile(rb'"child-pid": ([0-9]+)')
_GRACE_S = 5.0
_PATIENCE = 50
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/ca-trust")
_OWN_SETTINGS = {
    "/etc/passwd": f"root:x:0:0:root:/:/bin/sh\nagent:x:{_UID}:{_UID}:agent:{_HOME}:/bin/sh\n",
    "/etc/group": f"root:x:0:\nagent:x:{_UID}:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_ENVIRONMENT = {"PATH": _PATH, "HOME": _HOME, "LANG": "C.UTF-8", "TERM": "dumb", "USER": "agent"}
# Before LIVING: that the first process of the namespace has bound its life to bwrap's, and so to the gateway's. It has
# when it does nothing more than sleep until others end. A command can be quicker than that, and would outlive it.
_BOUND = 'while read -r _ _ state _ </proc/1/stat || exit; [ "$state" != S ]; do :; done'
# Inside, before the command: a socket of the sandbox's own network, on which the gateway answers as a proxy.
_LISTENING = f"""{handing_over("gateway = _socket.socket(fileno=int(sys.argv[1]))")}
import posix
posix.execv(sys.argv[2], sys.argv[2:])
"""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Where commands run, and what they may use.

    level: "strict" gives no network; "relaxed" the web, through a proxy that goes by the rules of `[egress]`
    uid: the user and group commands run as when the gateway runs as root; best one that no account has
    tmp_bytes: size of the commands' own /tmp, kept in memory
    seccomp: filter system calls; false runs commands without, on a processor that no filter is known for
    limits: what commands may use
    """

    level: Literal["strict", "relaxed"] = "strict"
    uid: Annotated[int, Meta(ge=1)] = 60_700
    tmp_bytes: Annotated[int, Meta(gt=0)] = 256 << 20
    seccomp: bool = True
    limits: Limits = Limits()


class Bubblewrap(Workspace):
    """A Sandbox: a workspace, and commands in it. Where they may reach the web they do so by `egress`; without one they
    reach nothing.

    Opening it starts one command, and raises Unavailable with the remedy when that does not work.
    """

    def __init__(self, config: Config, workspace: Path, egress: Connecting | None = None) -> None:
        self._config = config
        self._egress = (egress or Nowhere()) if config.level == "relaxed" else None
        self._python = ""
        self._as_root = os.geteuid() == 0
        owner = (config.uid, config.uid) if self._as_root else None
        self._quota = config.limits.quota(workspace.absolute())
        super().__init__(workspace.absolute(), seen_as=_HOME, owner=owner, quota=self._quota)
        self._mounts: int | None = None
        self._bwrap = ""
        self._filter = b""
        self._group: ControlGroup | None = None

    async def __aenter__(self) -> "Bubblewrap":
        self._bwrap = _find_bwrap()
        self._python = _find_python() if self._egress else ""
        self._filter = program(os.uname().machine) if self._config.seccomp else b""
        keep_inherited()
        await asyncio.to_thread(_sweep)
        await asyncio.to_thread(self.make)
        self._mounts = await asyncio.to_thread(self._mounted) if self._as_root else None
        limits = self._config.limits
        self._group = ControlGroup.make(f"{id(self):x}", memory_bytes=limits.memory_bytes, processes=limits.processes)
        said = await self._tried()
        if said and self._group is not None:  # what cannot be entered is done without: single limits remain
            await self._leave_group()
            said = await self._tried()
        if said:
            self._leave_mounts()
            raise Unavailable(f"bubblewrap does not work here: {said}", _remedy(said, self._as_root))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave_group()
        self._leave_mounts()

    @property
    def network(self) -> bool:
        """Whether commands reach the web, by `egress`."""
        return self._egress is not None

    def of(self, session: str) -> "Bubblewrap":
        """All sessions share it."""
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
        given = revealed(environment)
        limits = await self._config.limits.left(self._quota)
        async with contextlib.AsyncExitStack() as opened:
            files = {path: opened.enter_context(_memory_file(text.encode())) for path, text in _OWN_SETTINGS.items()}
            descriptors = list(files.values())
            inside = list(command)
            if self._egress:
                descriptors.append(await opened.enter_async_context(offered(self._egress)))
                inside = [self._python, "-I", "-S", "-c", _LISTENING, str(descriptors[-1]), *stepped([":"], inside)]
            options = [*self._options(files, given)]
            if self._filter:
                descriptors.append(opened.enter_context(_memory_file(self._filter)))
                options += ["--seccomp", str(descriptors[-1])]
            descriptors.append(await opened.enter_async_context(_outlived()))
            options += ["--info-fd", str(descriptors[-1])]
            arguments = opened.enter_context(_memory_file("".join(option + "\0" for option in options).encode()))
            deaths = self._group.deaths() if self._group else 0
            execution = await run_process(
                self._launched(arguments, limits, inside),
                folder=Path("/"),
                environment={"PATH": _PATH},  # what bwrap was started with can be read in /proc/1
                descriptors=(arguments, *descriptors),
                kill=_kill,
                timeout_s=timeout_s,
                max_output=max_output,
                output_bytes=limits.output_bytes,
                quota=self._quota,
                progress=progress,
            )
            if self._group and self._group.deaths() > deaths and not execution.killed:
                execution = structs.replace(execution, killed="memory")
        return _signalled(execution)

    async def _tried(self) -> str:
        """What stands against running commands; empty when nothing does."""
        try:
            probe = await self.exec(["true"], timeout_s=10, max_output=2000)
        except Unavailable as error:
            return error.message
        if probe.exit_code == 0 and not probe.killed:
            return ""
        return " ".join(probe.output.split()) or f"it ended with {probe.exit_code}"

    def _leave_mounts(self) -> None:
        mounts, self._mounts = self._mounts, None
        if mounts is not None:
            os.close(mounts)

    async def _leave_group(self) -> None:
        group, self._group = self._group, None
        for _ in range(_PATIENCE):  # killed processes need a moment to be gone
            if group is None or group.remove():
                return
            await asyncio.sleep(0.01)

    def _launched(self, arguments: int, limits: Limits, command: Sequence[str]) -> list[str]:
        """The whole command line: limits, bwrap, the command.

        Limits are set inside, for the number of processes can be limited only in a user namespace of its own. Root
        first changes to an ordinary user.
        """
        outside = self._group.joining() if self._group else []
        inside = stepped([_BOUND, LIVING, *limiting(limits, own_processes=True)], command)
        whole = [self._bwrap, "--args", str(arguments), "--", *inside]
        if self._mounts is not None:
            mounts, uid = f"--mount=/proc/{os.getpid()}/fd/{self._mounts}", self._config.uid
            whole = ["nsenter", mounts, f"--setgid={uid}", f"--setuid={uid}", "--", *whole]
        return stepped(outside, whole)

    def _mounted(self) -> int:
        """A mount namespace in which the workspace stands where any user can reach it. Raises Unavailable."""
        mounting = ["mount", "--bind", str(self.root), _MOUNT_POINT]
        private = ["unshare", "--mount", "--propagation", "private", "--"]
        try:
            with subprocess.Popen(
                [*private, *stepped([shlex.join(mounting), "echo"], ["cat"])],
                env={"PATH": _PATH},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as holding:
                if holding.stdout and holding.stdout.readline():
                    return os.open(f"/proc/{holding.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
                said = " ".join(holding.communicate()[1].decode(errors="replace").split())
        except OSError as error:
            said = str(error)
        raise Unavailable(f"bubblewrap does not work here: {said}", _remedy(said, self._as_root))

    def _options(self, files: dict[str, int], given: dict[str, str]) -> Iterator[str]:
        """bwrap's options, with the files it makes and the descriptors it reads them from, and given variables."""
        yield from ("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL")
        yield from ("--die-with-parent", "--new-session", "--hostname", "sandbox")
        yield from ("--uid", str(_UID), "--gid", str(_UID), "--clearenv")
        for name, value in {**given, **_ENVIRONMENT, **(VARIABLES if self._egress else {})}.items():
            yield from ("--setenv", name, value)
        yield from ("--ro-bind", "/usr", "/usr")
        for path in map(Path, _SYSTEM):
            if path.is_symlink():
                yield from ("--symlink", str(path.readlink()), str(path))
            elif path.exists():
                yield from ("--ro-bind", str(path), str(path))
        yield from ("--perms", "0755", "--dir", "/etc")
        for name in _SETTINGS:
            yield from ("--ro-bind-try", name, name)
        for name, descriptor in files.items():
            yield from ("--perms", "0444", "--file", str(descriptor), name)
        yield from ("--proc", "/proc", "--dev", "/dev")
        for name in ("/tmp", "/dev/shm"):
            yield from ("--perms", "1777", "--size", str(self._config.tmp_bytes), "--tmpfs", name)
        yield from ("--bind", _MOUNT_POINT if self._as_root else str(self.root), _HOME, "--chdir", _HOME)
        yield from ("--remount-ro", "/dev", "--remount-ro", "/")


EXTENSION = Bubblewrap


def _find_bwrap() -> str:
    if sys.platform != "linux":
        raise Unavailable("bubblewrap exists only on Linux", 'choose another sandbox, such as sandbox = "local"')
    found = shutil.which("bwrap", path=_PATH)
    if found is None:
        raise Unavailable("bubblewrap is not installed", "apt install bubblewrap, or your system's like")
    return found


def _find_python() -> str:
    found = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if found is None:
        raise Unavailable('level = "relaxed" needs Python in /usr', 'apt install python3, or stay with "strict"')
    return found


def _remedy(said: str, as_root: bool) -> str:
    if "SECCOMP" in said:
        return (
            "a Linux with CONFIG_SECCOMP_FILTER is needed; [sandboxes.bubblewrap] seccomp = false runs without a filter"
        )
    if "nknown option" in said:
        return "bubblewrap 0.8.0 or newer is needed"
    if as_root:
        return (
            "run the gateway as an ordinary user; as root it needs mount namespaces (CAP_SYS_ADMIN) to start commands"
            " as an ordinary user, and unshare, mount and nsenter of util-linux"
        )
    return (
        "allow user namespaces to this user: sysctl kernel.unprivileged_userns_clone=1, on Ubuntu"
        " kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for bwrap, or what a container needs"
    )


def _kill(process: Process) -> None:
    """End bwrap and the first process of its namespace, with which everything else in it dies. In the moment before
    that one is bound to bwrap's life it would outlive it, so it is looked for while bwrap cannot start another."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGSTOP)
        for child in _children_of_stopped(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        os.killpg(process.pid, signal.SIGKILL)


async def _emptied(first: int) -> None:
    """Return when the first process of a namespace that ends has no others any more; it needs longer itself."""
    with contextlib.suppress(TimeoutError):
        if _children(first):
            async with asyncio.timeout(_GRACE_S):
                await ended(first)


@contextlib.asynccontextmanager
async def _outlived() -> AsyncIterator[int]:
    """Gives what bwrap is to tell by, as `--info-fd`, which process is the first of the namespace. The block ends when
    all others of it are gone: bwrap itself ends sooner, with the command."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    try:
        yield write_end
    finally:
        told = None
        with contextlib.suppress(OSError):
            told = _FIRST.search(os.read(read_end, 4096))
        os.close(read_end)
        os.close(write_end)
        if told:
            await to_the_end(_emptied(int(told[1])))


def _children_of_stopped(pid: int) -> list[int]:
    """The children of a process that was told to stop, once it has: then they are all there."""
    try:
        for _ in range(_STOPPING):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "TtZX":
                break
    except OSError:
        return []
    return _children(pid)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _signalled(execution: Execution) -> Execution:
    """bwrap exits with 128 and the number of the signal that ended its command."""
    if 128 < execution.exit_code <= 192:
        return structs.replace(execution, exit_code=128 - execution.exit_code)
    return execution


def _sweep() -> None:
    """End what gateways left behind that died in the middle of a start: a bwrap that waits for ever for its parent."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "comm").read_text() == "bwrap\n" and _is_orphan(folder):
                os.kill(int(folder.name), signal.SIGKILL)


def _is_orphan(process: Path) -> bool:
    """Whether the gateway is gone that this bwrap has its files from."""
    files = (str(file.readlink()) for file in (process / "fd").iterdir())
    marked = [file.removeprefix(f"/memfd:{_FILE}").split()[0] for file in files if file.startswith(f"/memfd:{_FILE}")]
    return bool(marked) and not Path("/proc", marked[0]).exists()


@contextlib.contextmanager
def _memory_file(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create(f"{_FILE}{os.getpid()}")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
