"""No sandbox: commands run as the gateway's own user and reach all that it reaches, files and network.

It exists for machines where nothing else works and for people who know what they do; it is never chosen by itself.
Only the environment is cleared, and limits keep accidents small. What a command starts is killed with it: its session,
and what left that but kept the environment. A process that wants to hide can.
"""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType

from msgspec import Struct

from carapax.contracts import Execution
from carapax.process import (
    LIVING,
    Limits,
    keep_inherited,
    kill_marked,
    limiting,
    marked,
    revealed,
    run_process,
    stepped,
)
from carapax.redaction import Secret
from carapax.workspace import Workspace

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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

    async def __aenter__(self) -> "Local":
        keep_inherited()
        self.make()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing outlives a command."""

    def of(self, session: str) -> "Local":
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
        limits = await self._config.limits.left(self._quota)
        mark, variable = marked()
        own = {"PATH": _PATH, "HOME": str(self.root), "LANG": "C.UTF-8", "TERM": "dumb", **variable}
        return await run_process(
            [*_dying_with_gateway(), *stepped([LIVING, *limiting(limits, own_processes=False)], command)],
            folder=self.root,
            environment={**revealed(environment), **own},
            kill=partial(kill_marked, mark),
            timeout_s=timeout_s,
            max_output=max_output,
            output_bytes=limits.output_bytes,
            quota=self._quota,
            progress=progress,
        )


EXTENSION = Local


def _dying_with_gateway() -> list[str]:
    found = shutil.which("setpriv", path=_PATH) if sys.platform == "linux" else None
    return [found, "--pdeathsig", "KILL", "--"] if found else []
