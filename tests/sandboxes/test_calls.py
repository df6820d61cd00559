"""System calls made for real in a sandbox: those of an attack are refused, those of ordinary tools work."""

import errno
import json
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from carapax.contracts import Execution
from carapax.errors import Unavailable
from carapax.sandboxes.bubblewrap import Bubblewrap, Config
from carapax.seccomp import ABSENT, DEPENDING, FORBIDDEN, Numbers
from tests.running import run

PYTHON = "/usr/bin/python3"
MACHINE = os.uname().machine
WITHOUT = Config(seccomp=False)

pytestmark = [
    pytest.mark.skipif(
        (shutil.which("bwrap") is None or not Path(PYTHON).exists()) and not os.environ.get("CI"),
        reason=f"bubblewrap or {PYTHON} is not installed",
    ),
    pytest.mark.skipif(MACHINE not in ("x86_64", "aarch64"), reason=f"there is no filter for {MACHINE}"),
]
needs_x86 = pytest.mark.skipif(MACHINE != "x86_64", reason="the code is that of x86_64")

# Makes each call it is given and says the error it got, or "done".
PROBE = """
import ctypes, errno, json, sys
libc = ctypes.CDLL(None, use_errno=True)
def made(number, *arguments):
    given = [ctypes.c_ulong(argument) for argument in arguments]
    if libc.syscall(ctypes.c_long(number), *given) >= 0:
        return "done"
    return errno.errorcode[ctypes.get_errno()]
print(json.dumps({name: made(*call) for name, call in json.loads(sys.argv[1]).items()}))
"""
# Runs machine code: the call of another instruction set, which libc does not make.
MACHINE_CODE = """
import ctypes, mmap, sys
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
memory.write(bytes.fromhex(sys.argv[1]))
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
print("got", ctypes.CFUNCTYPE(ctypes.c_int)(address)())
"""
GETPID_OF_32_BITS = "53 b814000000 cd80 5b c3"

NUMBER = {
    name: number
    for name, numbers in {**ABSENT, **FORBIDDEN, **DEPENDING}.items()
    if (number := numbers[0 if MACHINE == "x86_64" else 1]) is not None
}


def executed(folder: Path, *command: str, config: Config | None = None) -> Execution:
    async def scene() -> Execution:
        async with Bubblewrap(config or Config(), folder / "workspace") as sandbox:
            return await sandbox.exec(command, timeout_s=30, max_output=20_000)

    return run(scene())


def answers(folder: Path, calls: Mapping[str, tuple[int, ...]], config: Config | None = None) -> dict[str, str]:
    ended = executed(folder, PYTHON, "-c", PROBE, json.dumps(calls), config=config)
    assert ended.exit_code == 0, ended.output
    found: dict[str, str] = json.loads(ended.output)
    return found


def refusals(names: Numbers, number: int) -> dict[str, str]:
    return {name: errno.errorcode[number] for name in names if name in NUMBER}


# What an attack would try, with the arguments that tell the filter's refusal from the kernel's own.
ATTACKS: dict[str, tuple[tuple[int, ...], str]] = {
    "a user namespace": ((NUMBER.get("clone", 0), 0x1000_0000 | signal.SIGCHLD, 0, 0, 0, 0), "EPERM"),
    "a network namespace": ((NUMBER.get("clone", 0), 0x4000_0000 | signal.SIGCHLD, 0, 0, 0, 0), "EPERM"),
    "typing into a terminal": ((NUMBER.get("ioctl", 0), 0, 0x5412, 0), "EPERM"),
    "the same, disguised": ((NUMBER.get("ioctl", 0), 0, 0x7_0000_5412, 0), "EPERM"),
    "pasting into a terminal": ((NUMBER.get("ioctl", 0), 0, 0x541C, 0), "EPERM"),
    "a line discipline": ((NUMBER.get("ioctl", 0), 0, 0x5423, 0), "EPERM"),
    "another personality": ((NUMBER.get("personality", 0), 0x0020_0000), "EPERM"),
    "a packet socket": ((NUMBER.get("socket", 0), 17, 3, 0), "EAFNOSUPPORT"),
    "a machine's socket": ((NUMBER.get("socket", 0), 40, 1, 0), "EAFNOSUPPORT"),
    "a cipher's socket": ((NUMBER.get("socket", 0), 38, 5, 0), "EAFNOSUPPORT"),
    "the packet filter's socket": ((NUMBER.get("socket", 0), 16, 3, 12), "EPROTONOSUPPORT"),
    "an association": ((NUMBER.get("socket", 0), 2, 5, 132), "EPROTONOSUPPORT"),
    "a call of tomorrow": ((470, 0), "ENOSYS"),
    "the highest of calls": ((0xFFFF_FFFF, 0), "ENOSYS"),
}


def test_no_forbidden_call_is_made(tmp_path: Path) -> None:
    calls = {name: (NUMBER[name], 0, 0, 0, 0, 0, 0) for name in {**ABSENT, **FORBIDDEN} if name in NUMBER}
    expected = refusals(ABSENT, errno.ENOSYS) | refusals(FORBIDDEN, errno.EPERM)
    assert answers(tmp_path, calls) == expected


def test_no_attack_by_arguments_gets_through(tmp_path: Path) -> None:
    expected = {name: answer for name, (_, answer) in ATTACKS.items()}
    assert answers(tmp_path, {name: call for name, (call, _) in ATTACKS.items()}) == expected


def test_the_same_probes_find_a_sandbox_without_a_filter(tmp_path: Path) -> None:
    names = ("keyctl", "ptrace", "bpf", "clone3", "process_vm_readv", "get_mempolicy", "fsopen")
    calls = {name: (NUMBER[name], 0, 0, 0, 0, 0, 0) for name in names}
    filtered = refusals(ABSENT, errno.ENOSYS) | refusals(FORBIDDEN, errno.EPERM)
    found = answers(tmp_path, calls, WITHOUT)
    assert sum(found[name] != filtered[name] for name in names) >= 4
    attacks = answers(tmp_path, {name: call for name, (call, _) in ATTACKS.items()}, WITHOUT)
    assert sum(attacks[name] != answer for name, (_, answer) in ATTACKS.items()) >= 4


def test_the_first_process_of_a_sandbox_is_filtered_too(tmp_path: Path) -> None:
    assert executed(tmp_path, "sh", "-c", "cat /proc/[0-9]*/status | grep ^Seccomp: | sort -u").output.split() == [
        "Seccomp:",
        "2",
    ]


@needs_x86
def test_a_call_of_32_bits_ends_the_process(tmp_path: Path) -> None:
    ended = executed(tmp_path, PYTHON, "-c", MACHINE_CODE, GETPID_OF_32_BITS)
    assert (ended.exit_code, ended.output) == (-signal.SIGSYS, "")
    assert executed(tmp_path, PYTHON, "-c", MACHINE_CODE, GETPID_OF_32_BITS, config=WITHOUT).exit_code != -signal.SIGSYS


ORDINARY = {
    "threads, processes and sockets of Python": (
        "python3 -c 'import asyncio, multiprocessing as m, socket, subprocess as s, threading\n"
        'if __name__ == "__main__":\n'
        "    t = threading.Thread(target=int); t.start(); t.join()\n"
        '    s.run(["true"], check=True)\n'
        '    m.get_context("fork").Pool(2).map(int, [1, 2])\n'
        "    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n"
        "        socket.socket(socket.AF_INET, kind); socket.socket(socket.AF_UNIX, kind)\n"
        '    socket.socket(socket.AF_INET6); socket.if_nameindex(); socket.getaddrinfo("localhost", 80)\n'
        "    asyncio.run(asyncio.sleep(0))'"
    ),
    "an archive": "mkdir a; echo x > a/b; tar czf a.tgz a; rm -r a; tar xzf a.tgz; grep -q x a/b",
    "text tools": "seq 9 | sort -rn | awk '{print $1 * 2}' | sed -n 1p | grep -qx 18; find . | xargs ls > /dev/null",
    "a repository": (
        "git init -q r && cd r && echo x > f && git add f && git -c user.name=a -c user.email=a@b commit -qm x"
        " && git gc -q && git log --oneline | grep -q x"
    ),
    "a compiler": "echo 'int main(void) { return 0; }' > p.c && gcc -O1 p.c -o p && ./p",
}


@pytest.mark.parametrize(("tool", "script"), ORDINARY.items(), ids=list(ORDINARY))
def test_ordinary_tools_work(tmp_path: Path, tool: str, script: str) -> None:
    needed = {"a repository": "git", "a compiler": "gcc"}.get(tool, "sh")
    if shutil.which(needed, path="/usr/bin:/bin") is None:
        pytest.skip(f"{needed} is not installed")
    ended = executed(tmp_path, "sh", "-ec", script)
    assert (ended.exit_code, ended.output) == (0, "")


def test_on_an_unknown_processor_nothing_runs_but_by_the_operators_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "here", "6", "1", "riscv64")))
    with pytest.raises(Unavailable, match="no filter of system calls for the processor 'riscv64'"):
        executed(tmp_path, "true")
    assert executed(tmp_path, "true", config=WITHOUT).exit_code == 0
