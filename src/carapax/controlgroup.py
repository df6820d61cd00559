"""A control group of Linux: memory and processes of several processes together, bounded by the kernel."""

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "carapax-"


class ControlGroup:
    """A group of version 2, or one each for memory and processes of version 1."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    @classmethod
    def make(cls, name: str, *, memory_bytes: int, processes: int) -> "ControlGroup | None":
        """A new group with these limits; None where the system, or this user, cannot have one."""
        for parents in _parents():
            group = cls([parent / f"{_PREFIX}{os.getpid()}-{name}" for parent in parents])
            try:
                _sweep(parents)
                if group._create(memory_bytes, processes):
                    return group
            except OSError:
                pass
            group.remove()
        return None

    def joining(self) -> list[str]:
        """The steps of a shell that enters the group; it ends with 125 when it cannot.

        In version 1 a single thread enters by `tasks`: by `cgroup.procs` it waits 10 ms for all processes of the
        machine to hold still.
        """
        return [f"{{ echo 0 > {shlex.quote(str(_door(folder)))} || exit 125; }}" for folder in self._folders]

    def deaths(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        for folder in self._folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    for line in (folder / name).read_text().splitlines():
                        if line.startswith("oom_kill "):
                            return int(line.split()[1])
        return 0

    def remove(self) -> bool:
        """Whether it is gone now. The kernel keeps one whose processes are still dying; the next gateway removes it."""
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        return not any(folder.exists() for folder in self._folders)

    def _create(self, memory_bytes: int, processes: int) -> bool:
        """Whether both limits could be set."""
        limits = {
            "memory.max": memory_bytes,
            "memory.limit_in_bytes": memory_bytes,
            "memory.swap.max": 0,
            "pids.max": processes,
        }
        written = set()
        for folder in self._folders:
            folder.mkdir(exist_ok=True)
            for name, limit in limits.items():
                if (folder / name).exists():
                    (folder / name).write_text(str(limit))
                    written.add(name)
        return "pids.max" in written and not written.isdisjoint(("memory.max", "memory.limit_in_bytes"))


def _door(folder: Path) -> Path:
    return folder / ("cgroup.procs" if _is_version_2() else "tasks")


def _is_version_2() -> bool:
    return (_ROOT / "cgroup.controllers").exists()


def _parents() -> Iterator[list[Path]]:
    """Where a group could be made: beside our own, or, as version 1 allows, in it."""
    own = _own_groups()
    if _is_version_2() and "" in own:
        yield [(_ROOT / own[""]).parent if own[""] else _ROOT]
    elif "memory" in own and "pids" in own:
        yield [_ROOT / "memory" / own["memory"], _ROOT / "pids" / own["pids"]]


def _own_groups() -> dict[str, str]:
    """The group this process is in, for each controller of version 1, and for version 2 under no name."""
    own: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            own.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    return own


def _sweep(parents: Sequence[Path]) -> None:
    """Remove groups that a gateway left behind; the kernel refuses for those in use."""
    for parent in parents:
        for folder in parent.glob(_PREFIX + "*"):
            if not Path("/proc", folder.name.removeprefix(_PREFIX).partition("-")[0]).exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()
