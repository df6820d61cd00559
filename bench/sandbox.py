"""What a command costs in a sandbox: the time from `exec` to its end, beside a bare `bwrap` of the same options."""

import contextlib
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.table import Row, at_most
from carapax.sandboxes.bubblewrap import Bubblewrap, Config
from carapax.seccomp import program

ROUNDS = 80
_WARM_UP = 5
_OPTIONS = shlex.split(
    """
    --unshare-all --unshare-user --disable-userns --cap-drop ALL --die-with-parent --new-session --hostname sandbox
    --uid 1000 --gid 1000 --clearenv --setenv PATH /usr/bin:/bin --setenv HOME /workspace --setenv LANG C.UTF-8
    --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --perms 0755 --dir
    /etc --ro-bind-try /etc/alternatives /etc/alternatives --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache
    --ro-bind-try /etc/ssl/certs /etc/ssl/certs --ro-bind-try /etc/ssl/openssl.cnf /etc/ssl/openssl.cnf --proc /proc
    --dev /dev --perms 1777 --size 268435456 --tmpfs /tmp --perms 1777 --size 268435456 --tmpfs /dev/shm
    """
)
_FILES = ("/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf")


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "bare").mkdir(mode=0o777)
        ours, bare = uvloop.run(_measured(Path(folder)))
    yield at_most("exec of true, bubblewrap", ours, "ms", 1.5, floor=bare, floor_name="bare bwrap, same options")


async def _measured(folder: Path) -> tuple[float, float]:
    """Milliseconds of ours and of the bare one, at their medians; they take turns, so that a slow moment meets both."""
    times: tuple[list[float], list[float]] = ([], [])
    async with Bubblewrap(Config(), folder / "workspace") as sandbox:
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            await sandbox.exec(["true"], timeout_s=10, max_output=1000)
            times[0].append(time.perf_counter() - begun)
            times[1].append(_bare(str(folder / "bare")))
    return statistics.median(times[0][_WARM_UP:]) * 1000, statistics.median(times[1][_WARM_UP:]) * 1000


def _bare(workspace: str) -> float:
    """Seconds of bwrap itself, by whoever starts commands: root's are started as an ordinary user here too."""
    with contextlib.ExitStack() as opened:
        options, descriptors = list(_OPTIONS), []
        for name in (*_FILES, "seccomp"):
            file = opened.enter_context(tempfile.TemporaryFile())
            file.write(program(os.uname().machine) if name == "seccomp" else b"root:x:0:0:root:/:/bin/sh\n")
            file.seek(0)
            descriptors.append(file.fileno())
            number = str(file.fileno())
            options += ["--seccomp", number] if name == "seccomp" else ["--perms", "0444", "--file", number, name]
        options += [
            "--bind",
            workspace,
            "/workspace",
            "--chdir",
            "/workspace",
            "--remount-ro",
            "/dev",
            "--remount-ro",
            "/",
        ]
        user = Config().uid if os.geteuid() == 0 else None
        begun = time.perf_counter()
        subprocess.run(
            ["bwrap", *options, "--", "true"],
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            check=True,
        )
        return time.perf_counter() - begun
