"""A container engine for tests: the one that runs here, else one that is started for as long as the tests run.

Images come from no registry: the root file system of their base is made of this machine's own programs.
"""

import atexit
import contextlib
import functools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from carapax.containers.container import Allowance
from carapax.containers.engine import Engine, filters, places
from carapax.containers.records import AGENT, HOME, home_id
from carapax.egressproxy import Connecting
from carapax.sandboxes.docker import Config, Docker

_START_S = 60.0
_PROGRAMS = (
    "sh bash dash cat ls grep find sed awk head tail tee mv rm cp ln mkdir rmdir mkfifo mknod chmod chown stat readlink"
    " sleep seq dd truncate env id kill setsid yes printf echo true false tr wc sort cut date touch tar ps mount umount"
    " unshare nsenter chroot xargs timeout sync pwd uname basename dirname test python3 setpriv su df diff nproc"
    " prlimit"
)
_LEFT_OUT = {"test", "dist-packages", "idlelib", "tkinter", "ensurepip", "lib2to3", "__pycache__", "distutils"}
_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


@functools.cache
def engine_socket() -> str:
    """Where an engine answers. Without one the test is skipped, or fails when CI is true."""
    home = pwd.getpwuid(os.getuid()).pw_dir  # engines of a user are there, and the suite has a home of its own
    for place in places({**os.environ, "HOME": home}):
        if _answers(place):
            return place
    if os.geteuid() == 0 and shutil.which("dockerd"):
        return _started()
    reason = "no container engine answers, and only root with docker.io can start one"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@functools.cache
def root_files() -> Path:
    """A root file system as a tar archive: a shell, the usual programs, and Python."""
    folder = Path(tempfile.mkdtemp(prefix="carapax-root-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with tarfile.open(folder / "root.tar", "w") as archive:
        for name in ("usr", "usr/bin", "usr/lib", "usr/lib64", "etc", "tmp", "proc", "dev", "sys"):
            _add(archive, name, tarfile.DIRTYPE)
        for name in ("bin", "sbin", "lib", "lib64"):
            _add(archive, name, tarfile.SYMTYPE, "usr/bin" if name == "sbin" else f"usr/{name}")
        for name, real in sorted(_files().items()):
            _add_file(archive, name, real)
    return folder / "root.tar"


def configured(**changes: object) -> Config:
    """A sandbox of this engine and that file system. It has more of the processor, so that tests are quick."""
    config = Config(socket=engine_socket(), base=str(root_files()), limits=Allowance(cpus=1))
    return msgspec.structs.replace(config, **changes)


def relaxed() -> Config:
    """One whose commands reach the web."""
    return configured(level="relaxed")


@contextlib.asynccontextmanager
async def sandbox(
    folder: Path, config: Config | None = None, egress: Connecting | None = None
) -> AsyncIterator[Docker]:
    """A sandbox, whose volume is removed afterwards."""
    try:
        async with Docker(config or configured(), folder, egress) as opened:
            yield opened
    finally:
        if folder.parent.is_dir():
            await remove_volumes(home_id(folder.parent), folder.name)


async def remove_volumes(home: str, agent: str = "") -> None:
    """Remove the volumes of a home, or only those of an agent of it."""
    async with await Engine.open(engine_socket()) as engine:
        labels = {HOME: home, **({AGENT: agent} if agent else {})}
        listed = await engine.ask("GET", "/volumes", query=filters(labels), kind=_Volumes)
        for volume in listed.Volumes or []:
            await engine.call("DELETE", f"/volumes/{volume.Name}", query={"force": "1"})


class _Volume(msgspec.Struct):
    Name: str


class _Volumes(msgspec.Struct):
    Volumes: list[_Volume] | None = None


def _answers(place: str) -> bool:
    with socket.socket(socket.AF_UNIX) as asking, contextlib.suppress(OSError):
        asking.settimeout(5)
        asking.connect(place)
        asking.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b" 200 " in asking.recv(100)
    return False


def _started() -> str:
    folder = Path(tempfile.mkdtemp(prefix="carapax-dockerd-", dir="/tmp"))  # the names of its sockets must be short
    place = folder / "docker.sock"
    options = [f"--data-root={folder}/data", f"--exec-root={folder}/run", f"--pidfile={folder}/pid"]
    options += [f"--host=unix://{place}", "--iptables=false", "--ip6tables=false", "--bridge=none"]
    with (folder / "log").open("wb") as log:
        command = [
            "setpriv",
            "--pdeathsig",
            "TERM",
            "--",
            "dockerd",
            *options,
        ]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    atexit.register(_stop, process, folder)
    give_up = time.monotonic() + _START_S
    while time.monotonic() < give_up and process.poll() is None:
        if _answers(str(place)):
            return str(place)
        time.sleep(0.1)
    pytest.fail("dockerd does not start: " + (folder / "log").read_text(errors="replace")[-2000:])


def _stop(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _files() -> dict[str, Path]:
    """Programs with the libraries they are linked to, by the name they get."""
    found: dict[str, Path] = {}
    for program in _PROGRAMS.split():
        if place := shutil.which(program, path=_PATH):
            found[f"usr/bin/{program}"] = Path(place).resolve()
    if python := found.get("usr/bin/python3"):
        library = Path("/usr/lib") / python.name
        for file in library.rglob("*"):
            if file.is_file() and _LEFT_OUT.isdisjoint(file.parts) and "config-" not in str(file):
                found[str(file).lstrip("/")] = file.resolve()
    linked = [str(real) for name, real in found.items() if "/bin/" in name or real.suffix == ".so"]
    said = subprocess.run(["ldd", *linked], capture_output=True, text=True, check=False).stdout
    for library_name in set(re.findall(r"\s(/\S+) \(0x", said)):
        name = library_name.lstrip("/")
        found[name if name.startswith("usr/") else f"usr/{name}"] = Path(library_name).resolve()
    return found


def _add(archive: tarfile.TarFile, name: str, kind: bytes, target: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, target, 0o755
    archive.addfile(entry)


def _add_file(archive: tarfile.TarFile, name: str, real: Path) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = real.stat().st_size, real.stat().st_mode & 0o755
    with real.open("rb") as content:
        archive.addfile(entry, content)
