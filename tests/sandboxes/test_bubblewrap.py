"""Commands in namespaces of their own."""

import asyncio
import errno
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest

from carapax.app import open_app
from carapax.config import AgentConfig, EgressConfig, Home
from carapax.config import Config as GatewayConfiguration
from carapax.configfile import free_port
from carapax.contracts import Execution, Sandbox
from carapax.egress import PublicEgress
from carapax.errors import Unavailable
from carapax.process import Limits
from carapax.sandboxes.absent import Absent
from carapax.sandboxes.bubblewrap import Bubblewrap, Config
from carapax.sandboxes.local import Config as LocalConfig
from carapax.sandboxes.local import Local
from tests.running import run
from tests.sandboxes.reaching import DIRECT, FETCH, page, told
from tests.sandboxes.sandbox_contract import SandboxContract, lasting, processes, running

pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)
RELAXED = Config(level="relaxed")
NODE = shutil.which("node", path="/usr/bin:/usr/local/bin")


class TestBubblewrap(SandboxContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        return Bubblewrap(Config(), folder / "private" / "workspace")


def executed(folder: Path, script: str, config: Config | None = None, *, timeout_s: float = 20) -> Execution:
    async def scene() -> Execution:
        async with Bubblewrap(config or Config(), folder / "workspace") as sandbox:
            return await sandbox.exec(["sh", "-c", script], timeout_s=timeout_s, max_output=20_000)

    return run(scene())


def said(folder: Path, script: str) -> list[str]:
    return executed(folder, script).output.split()


def test_nothing_of_the_host_is_there_but_its_programs(tmp_path: Path) -> None:
    there = set(said(tmp_path, "ls -A /"))
    assert there <= {
        *("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr", "workspace")
    }
    assert set(said(tmp_path, "ls -A /etc")) <= {
        *("passwd", "group", "hosts", "nsswitch.conf", "alternatives", "ld.so.cache", "ssl", "pki")
    }
    assert said(tmp_path, "ls -A /tmp /dev/shm") == ["/dev/shm:", "/tmp:"]
    assert said(tmp_path, "cat /etc/shadow /proc/1/root/etc/shadow; ls /root /home /run /var /sys").count("No") == 6 + 1


def test_the_same_probes_find_a_sandbox_that_does_not_confine(tmp_path: Path) -> None:
    async def scene() -> Execution:
        async with Local(LocalConfig(), tmp_path / "workspace") as sandbox:
            probes = "ls -A / /etc; touch /dev/shm/carapax-probe && rm /dev/shm/carapax-probe; ls -d /proc/[0-9]*"
            return await sandbox.exec(["sh", "-c", probes], timeout_s=20, max_output=100_000)

    words = run(scene()).output.split()
    assert {"root", "home", "run", "var", "shadow"} <= set(words)
    assert sum(word.startswith("/proc/") for word in words) > 4


def test_only_the_workspace_and_the_temporary_folders_can_be_written(tmp_path: Path) -> None:
    places = "/ /usr /usr/bin /etc /etc/ssl /dev /proc /lib /tmp /dev/shm /workspace"
    script = f"for place in {places}; do touch $place/x && echo $place; done 2>/dev/null"
    assert said(tmp_path, script) == ["/tmp", "/dev/shm", "/workspace"]
    executed(tmp_path, "chmod u+w /etc/passwd; echo x > /etc/passwd; rm /etc/passwd")
    assert said(tmp_path, "chmod u+w /etc/passwd; echo x > /etc/passwd; wc -l < /etc/passwd")[-1] == "2"


def test_the_temporary_folder_is_bounded_and_gone_afterwards(tmp_path: Path) -> None:
    config = Config(tmp_bytes=1 << 20)
    assert executed(tmp_path, "head -c 2000000 /dev/zero > /tmp/x; wc -c < /tmp/x", config).output.endswith("1048576\n")
    assert said(tmp_path, "ls /tmp") == []


def test_there_is_no_network(tmp_path: Path) -> None:
    assert said(tmp_path, "tail -n +3 /proc/net/dev | cut -d: -f1") == ["lo"]
    assert said(tmp_path, "tail -n +2 /proc/net/route") == []


def test_each_sandbox_says_whether_it_gives_a_network(tmp_path: Path) -> None:
    sandboxes: list[Sandbox] = [
        Bubblewrap(Config(), tmp_path),
        Bubblewrap(RELAXED, tmp_path),
        Local(LocalConfig(), tmp_path),
        Absent(Unavailable("none")),
    ]
    assert [sandbox.network for sandbox in sandboxes] == [False, True, True, False]


def test_other_processes_are_not_seen(tmp_path: Path) -> None:
    assert len(said(tmp_path, "ls -d /proc/[0-9]*")) <= 4


def test_there_are_no_capabilities_and_no_way_to_get_any(tmp_path: Path) -> None:
    status = executed(tmp_path, "grep -E '^(Cap|NoNewPrivs|Uid)' /proc/self/status; unshare -U true && echo nested")
    words = status.output.split()
    assert words.count("0000000000000000") == 5
    assert words[words.index("NoNewPrivs:") + 1] == "1"
    assert words[words.index("Uid:") + 1 :][:4] == ["1000"] * 4
    assert "nested" not in words


def test_to_the_kernel_it_is_never_root(tmp_path: Path) -> None:
    expected = Config().uid if os.geteuid() == 0 else os.geteuid()
    executed(tmp_path, "echo x > made")
    assert (tmp_path / "workspace" / "made").stat().st_uid == expected != 0


def test_the_workspace_is_private(tmp_path: Path) -> None:
    executed(tmp_path, "true")
    assert (tmp_path / "workspace").stat().st_mode & 0o777 == 0o700


def test_what_a_command_made_for_itself_alone_is_read_by_the_gateway(tmp_path: Path) -> None:
    async def scene() -> bytes:
        async with Bubblewrap(Config(), tmp_path / "workspace") as sandbox:
            await sandbox.exec(["sh", "-c", "umask 077; echo x > own"], timeout_s=20, max_output=100)
            return await sandbox.read_file("own", 100)

    assert run(scene()) == b"x\n"


def test_paths_of_the_host_are_not_told(tmp_path: Path) -> None:
    output = executed(tmp_path, "cat /proc/*/cmdline /proc/*/environ; readlink /proc/1/cwd; pwd; env").output
    assert str(tmp_path) not in output
    assert str(Path.cwd()) not in output


def test_many_processes_are_contained(tmp_path: Path) -> None:
    config = Config(limits=Limits(processes=24))
    ended = executed(tmp_path, f"for i in $(seq 60); do {lasting(4646)} & done; echo all", config)
    assert "all" not in ended.output.split()
    assert not running(lasting(4646))


def test_a_fork_bomb_ends_at_the_time_limit(tmp_path: Path) -> None:
    config = Config(limits=Limits(processes=24))
    name = f"bomb{os.getpid()}"
    bomb = f"echo 'sh /workspace/{name} & sh /workspace/{name} & wait; {lasting(4747)}' > {name}; sh {name}"
    assert executed(tmp_path, bomb, config, timeout_s=0.5).killed == "time"
    assert not running(f"sh /workspace/{name}")
    assert not running(lasting(4747))


def test_processor_time_is_bounded(tmp_path: Path) -> None:
    ended = executed(tmp_path, "exec sh -c 'while :; do :; done'", Config(limits=Limits(cpu_seconds=1)))
    assert ended.exit_code in (-signal.SIGXCPU, -signal.SIGKILL)
    assert ended.killed == ""


def test_a_full_workspace_grows_no_more_until_files_are_removed(tmp_path: Path) -> None:
    async def scene() -> list[tuple[str, bool]]:
        config = Config(limits=Limits(workspace_bytes=4 << 20))
        found = []
        async with Bubblewrap(config, tmp_path / "workspace") as sandbox:
            for script in (
                "while :; do cat /usr/bin/env >> big; done",
                "echo more > more; test -s more",
                "rm big; echo more > more; test -s more",
                "echo more > more; test -s more",
            ):
                ended = await sandbox.exec(["sh", "-c", script], timeout_s=20, max_output=1000)
                found.append((ended.killed, ended.exit_code == 0))
        return found

    assert run(scene()) == [("disk", False), ("", False), ("", False), ("", True)]


def test_the_number_of_open_files_is_bounded(tmp_path: Path) -> None:
    assert said(tmp_path, "ulimit -n") == [str(Limits().open_files)]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_runtimes_that_reserve_much_memory_start(tmp_path: Path) -> None:
    assert executed(tmp_path, "node -e 'console.log(1 + 1)'").output == "2\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user rarely has a control group")
def test_memory_of_several_processes_is_bounded_together(tmp_path: Path) -> None:
    async def scene() -> Execution | None:
        config = Config(limits=Limits(memory_bytes=64 << 20))
        async with Bubblewrap(config, tmp_path / "workspace") as sandbox:
            if sandbox._group is None:
                return None
            hungry = "dd if=/dev/zero of=/dev/null bs=40M count=50 2>/dev/null"
            script = f"{hungry} & {hungry} & {hungry} & wait"
            return await sandbox.exec(["sh", "-c", script], timeout_s=20, max_output=1000)

    ended = run(scene())
    if ended is None:
        pytest.skip("no control groups can be made here")
    assert ended.killed == "memory"


def test_commands_die_with_the_gateway(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from carapax.sandboxes.bubblewrap import Bubblewrap, Config\n"
        "async def main():\n"
        "    async with Bubblewrap(Config(), Path(sys.argv[1])) as sandbox:\n"
        f"        await sandbox.exec(['sh', '-c', 'echo; {lasting(4848)}'], timeout_s=60, max_output=9,\n"
        "                           progress=lambda text: print('started', flush=True))\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "w")], stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == b"started\n"
        gateway.kill()
    give_up = time.monotonic() + 60
    while running(lasting(4848)):
        assert time.monotonic() < give_up


def test_a_gateway_killed_at_any_moment_of_a_start_leaves_no_command(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, signal, sys, threading; from pathlib import Path\n"
        "from carapax.sandboxes.bubblewrap import Bubblewrap, Config\n"
        "async def main():\n"
        "    async with Bubblewrap(Config(), Path(sys.argv[1])) as sandbox:\n"
        "        for wait in range(12):\n"
        "            if not os.fork():\n"
        "                threading.Timer(wait * 0.001, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
        "                asyncio.set_event_loop(None); asyncio._set_running_loop(None)\n"
        "                asyncio.run(sandbox.exec(sys.argv[2].split(), timeout_s=60, max_output=9))\n"
        "            os.wait()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "w"), lasting(6363)], check=True)
    give_up = time.monotonic() + 60
    while running(lasting(6363)):
        assert time.monotonic() < give_up
    executed(tmp_path, "true")  # the next start ends even what was not to become a command any more
    assert not [words for words in processes() if lasting(6363) in words]


def test_a_command_cancelled_at_any_moment_of_its_start_leaves_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Bubblewrap(Config(), tmp_path / "w") as sandbox:
            for number in range(40):
                command = asyncio.get_running_loop().create_task(
                    sandbox.exec(lasting(5959).split(), timeout_s=60, max_output=9)
                )
                await asyncio.wait([command], timeout=number * 0.0006)
                command.cancel()
                await asyncio.wait([command])

    run(scene())
    give_up = time.monotonic() + 60
    while running(lasting(5959)):
        assert time.monotonic() < give_up


def planted(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bwrap of another kind is the system's."""
    folder.chmod(0o755)
    (folder / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bwrap").chmod(0o755)
    monkeypatch.setattr("carapax.sandboxes.bubblewrap._PATH", str(folder))


def test_without_bubblewrap_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.sandboxes.bubblewrap._PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="not installed") as caught:
        executed(tmp_path, "true")
    assert "apt install bubblewrap" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root's bwrap is started by another user, who cannot see this one")
def test_without_user_namespaces_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path, "echo bwrap: No permissions to create new namespace >&2; exit 1", monkeypatch)
    with pytest.raises(Unavailable, match="No permissions to create new namespace") as caught:
        executed(tmp_path, "true")
    assert "kernel.unprivileged_userns_clone" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user")
def test_when_root_cannot_become_another_user_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not work here") as caught:
        executed(tmp_path, "true", Config(uid=2**32 - 1))
    assert "run the gateway as an ordinary user" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user")
def test_where_no_program_changes_to_another_user_nothing_runs_or_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bwrap", "unshare", "mount", "sh", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setattr("carapax.sandboxes.bubblewrap._PATH", str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count, not paths)
    with pytest.raises(Unavailable, match="nsenter cannot be started") as caught:
        executed(tmp_path / "workspace", "true")
    assert "nsenter of util-linux" in caught.value.hint
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 (a count, not paths)


def test_a_command_that_is_cancelled_again_and_again_leaves_nothing_open(tmp_path: Path) -> None:
    async def scene() -> tuple[int, int]:
        async with Bubblewrap(Config(), tmp_path / "workspace") as sandbox:
            before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count, not paths)
            for times in range(1, 20):
                begun = asyncio.Event()

                def said(text: str, begun: asyncio.Event = begun) -> None:
                    begun.set()

                command = ["sh", "-c", f"setsid {lasting(9191)} & echo begun; {lasting(9191)}"]
                async with asyncio.TaskGroup() as group:
                    task = group.create_task(sandbox.exec(command, timeout_s=20, max_output=99, progress=said))
                    await begun.wait()
                    for _ in range(times):
                        task.cancel()
                        await asyncio.sleep(0)
            return before, len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count, not paths)

    before, after = run(scene())
    assert after <= before
    assert not running(lasting(9191))


class TestRelaxedBubblewrap(SandboxContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        return Bubblewrap(RELAXED, folder / "private" / "workspace")


def reached(folder: Path, script: str, config: Config, *allowed: str) -> str:
    """What a Python script in the sandbox said; a page is at PORT of this machine."""

    async def scene() -> str:
        egress = PublicEgress(EgressConfig(allowed))
        async with page() as port, Bubblewrap(config, folder / "workspace", egress) as sandbox:
            return await told(sandbox, script, port)

    return run(scene())


def test_relaxed_commands_reach_through_the_proxy_what_the_way_out_allows(tmp_path: Path) -> None:
    assert reached(tmp_path, FETCH, RELAXED, "127.0.0.1/32") == "page\n"


def test_relaxed_commands_reach_no_address_that_is_not_public(tmp_path: Path) -> None:
    assert reached(tmp_path, FETCH, RELAXED).startswith("403 http://127.0.0.1:")


def test_relaxed_commands_without_a_way_out_reach_nothing(tmp_path: Path) -> None:
    script = f"import os, urllib.request as u\nPORT = 80\n{FETCH}"
    output = executed(tmp_path, f"python3 -c {shlex.quote(script)}", RELAXED).output
    assert "there is no way out of here" in output


def test_relaxed_commands_are_cut_off_but_for_the_proxy(tmp_path: Path) -> None:
    cut_off = [str(errno.ECONNREFUSED), str(errno.ENETUNREACH), str(errno.ENETUNREACH)]
    assert reached(tmp_path, DIRECT, RELAXED, "127.0.0.1/32").split() == cut_off


def test_what_the_operator_allows_tools_relaxed_commands_of_a_gateway_reach_too(tmp_path: Path) -> None:
    agents = {"main": AgentConfig(model="demo/demo")}
    request = f"CONNECT 127.0.0.1:{free_port()} HTTP/1.1"  # where nobody is
    script = f"import socket; s = socket.create_connection(('127.0.0.1', 3128)); s.send(b'{request}\\r\\n\\r\\n')"

    async def answer(allow: tuple[str, ...], home: Home) -> str:
        sandboxes = {"bubblewrap": msgspec.to_builtins(RELAXED)}
        config = GatewayConfiguration(agents=agents, sandboxes=sandboxes, egress=EgressConfig(allow))
        async with open_app(config, home, environ={}) as services:
            agent = services.sessions.agent()
            command = ["python3", "-c", f"{script}; print(s.recv(20).decode())"]
            return (await agent.sandbox.exec(command, timeout_s=20, max_output=1000)).output

    def home(name: str) -> Home:
        return Home(tmp_path / name, tmp_path / name / "data")

    assert run(answer((), home("a"))).startswith("HTTP/1.1 403")
    assert run(answer(("127.0.0.1",), home("b"))).startswith("HTTP/1.1 502")


def test_strict_commands_have_no_proxy(tmp_path: Path) -> None:
    assert said(tmp_path, "env | grep -i proxy; cat /proc/net/tcp | wc -l") == ["1"]


@pytest.mark.parametrize("config", [Config(), RELAXED, Config(seccomp=False)])
def test_commands_are_given_no_descriptors_but_their_input_and_output(tmp_path: Path, config: Config) -> None:
    listing = executed(tmp_path, "exec find /proc/self/fd -type l -printf '%l\\n'", config).output.split()
    kinds = {re.sub("[0-9]+", "N", target) for target in listing}
    assert kinds <= {"/dev/null", "pipe:[N]", "/proc/N/fd", "/workspace"}
    assert len({target for target in listing if target.startswith("pipe:")}) == 1


def test_relaxed_without_python_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None if name == "python3" else f"/usr/bin/{name}")
    with pytest.raises(Unavailable, match="needs Python") as caught:
        executed(tmp_path, "true", RELAXED)
    assert "apt install python3" in caught.value.hint
