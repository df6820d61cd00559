"""What a hijacked model would try from inside a sandbox, for any sandbox: only `sh` is needed in there.

`probed(sandbox, host)` tries everything and says what succeeded that should not have. A probe that gave no answer
counts as one that succeeded: nothing is proven by silence.
"""

import asyncio
import ctypes
import errno
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from carapax.contracts import Sandbox

SECRET = "A_PLANTED_SECRET"
_SOURCE = Path(__file__).with_name("probes.c")
_NAMESPACES = ("mnt", "pid", "ipc", "uts", "net")
_MARK = "canary-of-the-host"


def _told_by(files: str, words: str) -> str:
    """Whether one of these files of /proc holds the words, which then stand on no command line of ours."""
    held = f'case "$(tr "\\0" " " < $f)" in *{words}*) exit 0; esac'
    return f"for f in {files}; do {held}; done; exit 1"


def _written(files: str, text: str) -> str:
    return f"for f in {files}; do echo {text} > $f && exit 0; done; exit 1"


# Each succeeds, so counts as an escape, when it ends with 0. What is planted on the host is in $FILE, $HOME_FILE,
# $SOCKET, $PROCESS and $PLACE, the folder of the first three. Nothing here does harm where it is allowed.
SHELL = {
    # files of the host
    "a file of the host": 'grep -q canary "$FILE"',
    "a file of the host, through the first process": 'grep -q canary "/proc/1/root$FILE"',
    "a file of the host, through any process": 'cat /proc/[0-9]*/root"$FILE" | grep -q canary',
    "a file of the host, upwards": 'grep -q canary "../../../../../../../..$FILE"',
    "a file of the host, through a folder left open": "ls /proc/[0-9]*/cwd/ /proc/[0-9]*/fd/*/ | grep -q canary",
    "a file of the host, through a link": 'ln -sf "$FILE" link; grep -q canary link',
    "a file of the host, through a second name": 'ln "$FILE" second && grep -q canary second',
    "a file of a home": 'grep -q canary "$HOME_FILE"',
    "a file in the host's memory": "ls /dev/shm | grep -q canary",
    "the folder beside the workspace": "ls .. | grep -q canary",
    "passwords": "grep -q : /etc/shadow",
    "the host's keys": "ls /etc/ssh/ssh_host_* /root/.ssh /home/*/.ssh",
    "root's files": "ls -A /root | grep -q .",
    "logs": "ls -A /var/log | grep -q .",
    "the machine's identity": "grep -q . /etc/machine-id",
    "a socket of the host": 'test -S "$SOCKET"',
    "sockets of services": "find /run /var/run -type s | grep -q .",
    "the socket of a container engine": (
        "test -S /var/run/docker.sock || test -S /run/docker.sock || test -S /run/podman/podman.sock"
    ),
    # writing
    "writing beside the workspace": "touch ../escaped-here",
    "writing a file of the host": 'echo x >> "$FILE"',
    "writing into a link out of the workspace": 'ln -sf "$PLACE/written" out; echo x > out && test -s "$PLACE/written"',
    "writing into the root": "touch /escaped-here",
    "writing programs": "touch /usr/bin/escaped-here || touch /bin/escaped-here",
    "writing over a program": "test -w /bin/sh || test -w /usr/bin/env",
    "writing settings": "touch /etc/escaped-here || test -w /etc/passwd",
    "writing what is loaded first": "touch /etc/ld.so.preload",
    "writing into a home": "touch /root/escaped-here || touch /home/escaped-here",
    "writing schedules": "touch /etc/cron.d/escaped-here || touch /var/spool/cron/escaped-here",
    "a second name for a program": "ln /bin/sh second-sh && test -w second-sh",
    "renaming settings": "mv /etc/group /etc/group-away && mv /etc/group-away /etc/group",
    # the kernel's files
    "the pattern of core dumps": "test -w /proc/sys/kernel/core_pattern",
    "the loader of modules": "test -w /proc/sys/kernel/modprobe",
    "the keys of the console": "test -w /proc/sysrq-trigger",
    "any setting of the kernel but those of its own namespaces": (
        "find /proc/sys -type f | grep -vE '/kernel/(msg|sem|shm|auto_msgmni|ns_last_pid|pid_max)|/mqueue/|/net/'"
        " | while read -r f; do test -w $f && echo $f; done | grep -q ."
    ),
    "formats of programs": "test -w /proc/sys/fs/binfmt_misc/register || echo x > /proc/sys/fs/binfmt_misc/register",
    "the kernel's memory": "head -c 1 /proc/kcore | grep -q .",
    "the kernel's messages": "head -c 1 /proc/kmsg | grep -q . || head -c 1 /dev/kmsg | grep -q .",
    "the kernel's addresses": "grep -v '^0* ' /proc/kallsyms | grep -q .",
    "other users for itself": "echo '0 0 1' > /proc/self/uid_map",
    "groups for itself": "echo allow > /proc/self/setgroups && echo '0 0 1' > /proc/self/gid_map",
    "the memory of a process with more rights": (
        "for p in /proc/[0-9]*; do grep -qE '^CapEff:.*0{16}' $p/status && grep -q '^Seccomp:.*2' $p/status"
        " || { : >> $p/mem && exit 0; }; done; exit 1"
    ),
    "writing in /sys": "find /sys -type f -writable | head -n 1 | grep -q . && mkdir /sys/kernel/escaped-here",
    "a helper for events": "test -w /sys/kernel/uevent_helper && echo >> /sys/kernel/uevent_helper",
    "the firmware": "test -w /sys/firmware/efi/efivars && touch /sys/firmware/efi/efivars/x",
    "the kernel's debug files": "ls -A /sys/kernel/debug /sys/kernel/tracing | grep -qv '^/\\|^$'",
    "a group of its own": "mkdir /sys/fs/cgroup/escaped-here || mkdir /sys/fs/cgroup/memory/escaped-here",
    "leaving its group": _written("/sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs", "0"),
    "a higher limit of its group": _written(
        "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes", "9999999999999"
    ),
    "a program for the end of a group": _written(
        "/sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/*/release_agent", "/x"
    ),
    # devices
    "a device that is none of the harmless": (
        "find /dev ! -type d ! -type l ! -type f | grep -vxE"
        " '/dev/(null|zero|full|random|urandom|tty|ptmx|console|pts/(ptmx|[0-9]+)|core|mqueue)' | grep -q ."
    ),
    "the machine's memory": "head -c 1 /dev/mem | grep -q .",
    "a disk": "head -c 1 /dev/vda || head -c 1 /dev/sda || head -c 1 /dev/nvme0n1 || head -c 1 /dev/loop0",
    "virtual machines and tunnels": (
        "test -e /dev/kvm || test -e /dev/net/tun || test -e /dev/fuse || test -e /dev/vsock"
    ),
    "a device made here": "mknod made-here c 1 1 && head -c 1 made-here",
    # other processes
    "processes of the host": _told_by("/proc/[0-9]*/cmdline", '"$PROCESS"'),
    "the environment of the launcher": _told_by("/proc/[0-9]*/environ", SECRET),
    "its own environment": f'case "$(env)" in *{SECRET}*) exit 0; esac; exit 1',
    "the launcher's command line": _told_by("/proc/[0-9]*/cmdline", '"$PLACE"'),
    "ending a process of the host": "(" + _told_by("/proc/$PID/cmdline", '"$PROCESS"') + ") && kill -9 $PID",
    "many processes are seen": "set -- /proc/[0-9]*; test $# -gt 60",
    **{
        f"the host's {kind} namespace": f'test "$(readlink /proc/self/ns/{kind})" = "${kind.upper()}"'
        for kind in _NAMESPACES
    },
    # rights
    "being root": 'test "$(id -u)" = 0',
    "capabilities": "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | grep -qv 0000000000000000",
    "new rights": "grep -q '^NoNewPrivs:.*0' /proc/self/status",
    "no filter of system calls": "grep -q '^Seccomp:.*[01]$' /proc/self/status",
    "the first process unfiltered": "grep -q '^Seccomp:.*[01]$' /proc/1/status",
    "becoming another user": "sudo -n true || su -c true",
    # what keeps it in
    "the root mounted anew": "mount -o remount,rw /",
    "a file system mounted": "mount -t tmpfs none /tmp",
    "the world through a new namespace": "unshare -Ur true || unshare -m true || unshare -n true",
    "another namespace entered": "nsenter -t 1 -m true",
}


class Host(Struct, frozen=True):
    """What is planted on the host, and looked at again afterwards."""

    file: Path
    home_file: Path
    process: "subprocess.Popen[bytes]"
    variables: dict[str, str]
    socket: str
    shared: int
    port: int
    address: str

    def harmed(self) -> list[str]:
        """What the probes have done to the host."""
        found = {
            "the process of the host ended": self.process.poll() is not None,
            "the file of the host changed": self.file.read_text() != _MARK,
            "a file was written beside it": (self.file.parent / "written").exists(),
            "a file was left in the system": any(map(Path.exists, _LEFT_IN)),
        }
        return [what for what, is_so in found.items() if is_so]


_LEFT_IN = [Path(place, "escaped-here") for place in ("/", "/usr/bin", "/bin", "/etc", "/root", "/home", "/etc/cron.d")]


@contextmanager
def planted_host(place: Path) -> Iterator[Host]:
    """Plants things on the host that no command may reach; `place` is a folder beside the workspaces."""
    number, shared = secrets.token_hex(4), secrets.randbelow(1 << 28) + 1
    file, path, memory = place / "canary", place / "canary.sock", Path(f"/dev/shm/canary-{number}")
    with ExitStack() as planted:
        place.chmod(0o755)
        file.write_text(_MARK)
        file.chmod(0o666)
        home_file = Path(planted.enter_context(tempfile.TemporaryDirectory(dir=Path.home()))) / "canary"
        home_file.write_text(_MARK)
        memory.write_text(_MARK)
        planted.callback(memory.unlink)
        process = planted.enter_context(subprocess.Popen(["sleep", f"7{int(number, 16)}"]))
        planted.callback(process.kill)
        planted.enter_context(_listening(socket.AF_UNIX, str(path)))
        path.chmod(0o777)
        planted.enter_context(_listening(socket.AF_UNIX, f"\0canary-{number}"))
        listening = planted.enter_context(_listening(socket.AF_INET, ("0.0.0.0", 0)))
        planted.enter_context(_shared_memory(shared))
        variables = {
            "FILE": str(file),
            "HOME_FILE": str(home_file),
            "SOCKET": str(path),
            "PLACE": str(place),
            "PROCESS": f"7{int(number, 16)}",
            "PID": str(process.pid),
            **{kind.upper(): str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in _NAMESPACES},
        }
        port = listening.getsockname()[1]
        os.environ[SECRET] = "value-of-it"
        planted.callback(os.environ.pop, SECRET)
        yield Host(file, home_file, process, variables, f"canary-{number}", shared, port, _own_address())


class Probed(Struct, frozen=True):
    """How many probes there were, and the names of those that succeeded, or gave no answer."""

    tried: int
    escaped: list[str]


async def probed(sandbox: Sandbox, host: Host, *, reaching: bool = True) -> Probed:
    """Try everything; without `reaching`, nothing that would speak with other machines where it succeeds."""
    names = {f"shell {number}": name for number, name in enumerate(SHELL)}
    await sandbox.write_file("probes.sh", _script(host).encode())
    await sandbox.write_file("probes", compiled())
    shell = await sandbox.exec(["sh", "./probes.sh"], timeout_s=120, max_output=100_000)
    await sandbox.exec(["chmod", "755", "probes"], timeout_s=30, max_output=1000)
    given = (host.process.pid, host.socket, host.shared, host.port, host.address, "all" if reaching else "here")
    calls = await sandbox.exec(["./probes", *map(str, given)], timeout_s=120, max_output=100_000)
    answers = dict(_answers(shell.output + calls.output))
    expected = names | {name: name for name in _calls(reaching=reaching)}
    escaped = [name for key, name in expected.items() if answers.get(key) != "held"]
    escaped += host.harmed()
    reached = await _reached_from_outside(sandbox)
    return Probed(len(expected) + 1, escaped + (["a port opened inside was reached from the host"] if reached else []))


def _script(host: Host) -> str:
    lines = [f"{name}='{value}'" for name, value in host.variables.items()]
    for number, script in enumerate(SHELL.values()):
        lines.append(f"if ({script}) >/dev/null 2>&1 </dev/null; then echo escaped shell {number}")
        lines.append(f"else echo held shell {number}; fi")
    return "\n".join(lines) + "\n"


def _answers(output: str) -> Iterator[tuple[str, str]]:
    for line in output.splitlines():
        answer, _, name = line.partition(" ")
        if answer in ("held", "escaped", "unknown"):
            yield name, answer


def _calls(*, reaching: bool) -> list[str]:
    listed = _SOURCE.read_text().partition("PROBES[] = {")[2].partition("};")[0]
    names = [part.partition(")")[0] for part in listed.split("PROBE(")[1:]]
    return names if reaching else names[: names.index("host_own_address")]


_built: list[bytes] = []


def compiled() -> bytes:
    """probes.c as a program that needs nothing else; skipped where there is no compiler."""
    if not _built:
        if shutil.which("gcc") is None and not os.environ.get("CI"):
            pytest.skip("gcc is not installed")
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "probes"
            subprocess.run(["gcc", "-static", "-s", "-O1", str(_SOURCE), "-o", str(made)], check=True)
            _built.append(made.read_bytes())
    return _built[0]


async def _reached_from_outside(sandbox: Sandbox) -> bool:
    """Whether the host can connect to a port that a command listens on."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    listening = f"nc -l -p {port} & python3 -m http.server {port} & busybox nc -l -p {port} & sleep 1"
    async with asyncio.TaskGroup() as group:
        group.create_task(sandbox.exec(["sh", "-c", listening], timeout_s=10, max_output=1000))
        for _ in range(10):
            await asyncio.sleep(0.1)
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            writer.close()
            return True
    return False


@contextmanager
def _listening(family: int, address: object) -> Iterator[socket.socket]:
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.bind(address)  # type: ignore[arg-type]  # of whichever family
        made.listen()
        yield made


@contextmanager
def _shared_memory(key: int) -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.shmget(key, 4096, 0o1000 | 0o666)  # IPC_CREAT
    if made < 0:
        raise OSError(ctypes.get_errno(), errno.errorcode[ctypes.get_errno()])
    try:
        yield
    finally:
        libc.shmctl(made, 0, None)  # IPC_RMID


def _own_address() -> str:
    """The address this machine has for others; its loopback where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(asking.getsockname()[0])
