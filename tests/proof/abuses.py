"""What uses up a machine, for any sandbox: only `sh` is needed in there.

A sandbox is opened with small limits: a second of processor time, 64 MB of memory, 48 processes, files of 8 MB, a
workspace of 16 MB and 400 files, an output of a megabyte. `abused(sandbox, neighbour, host_workspace)` runs each abuse.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from carapax.contracts import Sandbox
from carapax.process import Limits
from carapax.quota import Usage
from tests.proof.probes import compiled

LIMITS = Limits(
    cpu_seconds=1,
    memory_bytes=64 << 20,
    processes=48,
    file_bytes=8 << 20,
    open_files=64,
    output_bytes=1 << 20,
    workspace_bytes=16 << 20,
    workspace_files=400,
)
TMP_BYTES = 8 << 20
TIME_S = 0.7
_OVERSHOT = Usage(2 << 30, 40_000)  # what may be written between two looks
_ALLOWED_S = 1.0

# $M is a number that stands on the command line of all that is started, so that survivors are found by it.
ABUSES = {
    "a fork bomb": 'echo "sh ./bomb$M & sh ./bomb$M & wait; sleep $M" > bomb$M; sh ./bomb$M',
    "a wide fork": "i=0; while [ $i -lt 3000 ]; do sleep $M & i=$((i + 1)); done; wait",
    "threads": "./probes threads",
    "a gigabyte at once": "dd if=/dev/zero of=/dev/null bs=1000M count=1 status=none $M=; ./probes memory",
    "shared memory": "./probes shared",
    "memory of many": "for i in 1 2 3 4 5 6 7 8; do ./probes memory & done; wait",
    "memory that files take": "i=0; while head -c 4000000 /dev/zero > /tmp/$i; do i=$((i + 1)); done",
    "memory that shared files take": "i=0; while head -c 4000000 /dev/zero > /dev/shm/$i; do i=$((i + 1)); done",
    "a full disk": "i=0; while :; do head -c 4000000 /dev/zero > big$M-$i; i=$((i + 1)); done",
    "one long file": "cat /dev/zero > long$M",
    "a sparse file": "dd if=/dev/null of=sparse$M bs=1 seek=1000000000000; sleep 0.1",
    "a disk full of files": "i=0; while :; do : > f$M-$i; i=$((i + 1)); done",
    "a disk full of folders": "i=0; while :; do mkdir d$M-$i; i=$((i + 1)); done",
    "folders in folders": "while mkdir d && cd d; do :; done",
    "a busy loop": "while :; do :; done",
    "many busy loops": 'for i in 1 2 3 4 5 6 7 8; do sh -c "while :; do :; done" $M & done; wait',
    "descriptors": "./probes descriptors; sleep $M",
    "a flood of output": "yes $M",
    "a flood of nothing": "cat /dev/zero",
    "a flood of errors": "yes $M >&2",
    "a command that waits for input": "cat; sleep $M",
    "children nobody waits for": "i=0; while [ $i -lt 3000 ]; do (sleep $M &); i=$((i + 1)); done",
    "a daemon": "(setsid sleep $M &)",
    "a daemon that closed everything": "(setsid sh -c 'exec <&- >&- 2>&-; (sleep $0 &)' $M &); exit 0",
    "what ignores signals": "trap '' TERM INT HUP QUIT; (trap '' TERM HUP; sleep $M) & while :; do sleep $M; done",
    "what stops itself": "sleep $M & kill -STOP $$; sleep $M",
    "what stops its launcher": "kill -STOP 1; kill -STOP $PPID; sleep $M",
    "what ends all it can": "sleep $M & kill -9 -1; sleep $M",
    "huge arguments": "set -- $(seq 300000); sleep $M & /bin/true $@; sleep $M",
    "a huge environment": "X=$(seq 300000); export X; sleep $M & env true; sleep $M",
    "a closed output": "exec >&- 2>&-; sleep $M",
    "a pipe nobody reads": "mkfifo pipe$M; cat /dev/zero > pipe$M & sleep $M",
}


class Abused(Struct, frozen=True):
    """How an abuse went: seconds it was contained after its limit, what survived it, whether others were disturbed."""

    name: str
    late_s: float
    survivors: int
    disturbed: bool
    overshot: bool

    @property
    def contained(self) -> bool:
        """Whether all was as it should be."""
        return self.late_s <= _ALLOWED_S and not (self.survivors or self.disturbed or self.overshot)


async def abused(sandbox: Sandbox, neighbour: Sandbox, workspace: Path | None) -> list[Abused]:
    """Run each abuse in the one, and commands in the other meanwhile. `workspace` is the first one's on the host, where
    it can be seen there."""
    found = []
    await sandbox.write_file("probes", compiled())
    await sandbox.exec(["chmod", "755", "probes"], timeout_s=30, max_output=1000)
    for name, script in ABUSES.items():
        tried = [await _abused(sandbox, neighbour, workspace, name, script)]
        if tried[0].late_s > _ALLOWED_S:  # a busy machine may be late, but not each time
            tried.append(await _abused(sandbox, neighbour, workspace, name, script))
        found.append(tried[-1])
    return found


async def _abused(sandbox: Sandbox, neighbour: Sandbox, workspace: Path | None, name: str, script: str) -> Abused:
    mark, ended, answers = str(10_000_000 + secrets.randbelow(90_000_000)), asyncio.Event(), []

    async def commands_of_neighbour() -> None:
        while not ended.is_set():
            execution = await neighbour.exec(["echo", "alive"], timeout_s=20, max_output=100)
            answers.append(execution.output)
            await asyncio.sleep(0.1)

    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(commands_of_neighbour())
        await sandbox.exec(["sh", "-c", script.replace("$M", mark)], timeout_s=TIME_S, max_output=2000)
        late_s = time.monotonic() - begun - TIME_S
        survivors = list(_marked(mark))
        ended.set()
    overshot = workspace is not None and _held(workspace).exceeds(_OVERSHOT)
    await sandbox.exec(
        ["sh", "-c", "rm -rf d; find . -mindepth 1 ! -name probes -delete"], timeout_s=60, max_output=1000
    )
    for pid in survivors:  # the test ends what the sandbox has not
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return Abused(name, late_s, len(survivors), set(answers) != {"alive\n"}, overshot)


def _held(workspace: Path) -> Usage:
    kilobytes, files = (
        int(subprocess.run(["du", "-s", option, workspace], capture_output=True, check=True).stdout.split()[0])
        for option in ("-k", "--inodes")
    )
    return Usage(kilobytes << 10, files)


def _marked(mark: str) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "cmdline").read_bytes() and "Z" not in _state(folder):
                yield int(folder.name)


def _state(folder: Path) -> str:
    return (folder / "stat").read_text().rpartition(") ")[2][:1]
