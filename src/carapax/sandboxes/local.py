"""No sandbox: commands run as the gateway's own user and reach all that it reaches, files and network.

It exists for machines where nothing else works and for people who know what they do; it is never chosen by itself.
Only the environment is cleared, and limits keep accidents small. What a command starts is killed with it: its session,
and what left that but kept the environment. A process that wants to hide can.
"""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType

from msgspec import Struct

from carapax.contracts import Execution
from carapax.process import LIVING, Limits, Process, keep_inherited, limiting, revealed, run_process, stepped
from carapax.redaction import Secret
from carapax.workspace import Workspace

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MARK = "CARAPAX_COMMAND"
_ROUNDS = 20


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """What commands may use.

    limits: what one command may use; here the number of processes is not bounded
    """

    limits: Limits = Limits()


class Local(Workspace):
    """A Sandbox that does not confine: a workspace, and commands in it."""

    network = True

    def __init__(self, config: Config, workspace: Path, egress: object = None) -> None:
        """`egress` is what other sandboxes reach the web by; here it is the machine's own network."""
        self._config = config
        root = workspace.absolute()
        self._quota = config.limits.quota(root)
        super().__init__(root, seen_as=str(root), quota=self._quota)
        self._started = 0

    async def __aenter__(self) -> "Local":
        keep_inherited()
        self.make()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing outlives a command."""

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        max_output: int,
        progress: Callable[[str], None] | None = None,
        environment: Mapping[str, Secret] = MappingProxyType({}),
    ) -> Execution:
        self._started += 1
        limits = await self._config.limits.left(self._quota)
        mark = f"{os.getpid()}-{id(self)}-{self._started}"
        own = {"PATH": _PATH, "HOME": str(self.root), "LANG": "C.UTF-8", "TERM": "dumb", _MARK: mark}
        return await run_process(
            [*_dying_with_gateway(), *stepped([LIVING, *limiting(limits, own_processes=False)], command)],
            folder=self.root,
            environment={**revealed(environment), **own},
            kill=partial(_kill_tree, f"{_MARK}={mark}".encode()),
            timeout_s=timeout_s,
            max_output=max_output,
            output_bytes=limits.output_bytes,
            quota=self._quota,
            progress=progress,
        )


EXTENSION = Local


def _dying_with_gateway() -> list[str]:
    found = shutil.which("setpriv") if sys.platform == "linux" else None
    return [found, "--pdeathsig", "KILL", "--"] if found else []


def _kill_tree(mark: bytes, process: Process) -> None:
    """Kill the session, then all that carry the mark, until there are none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for _ in range(_ROUNDS):
        found = _marked(mark)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _marked(mark: bytes) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
