"""Commands in containers."""

import asyncio
import errno
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from carapax.config import AgentConfig, EgressConfig
from carapax.config import Config as GatewayConfiguration
from carapax.containers.container import Allowance
from carapax.containers.engine import Engine, filters
from carapax.containers.records import HOME, home_id
from carapax.contracts import Entry, Execution, Sandbox
from carapax.egress import PublicEgress
from carapax.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from carapax.events import ToolReturned
from carapax.sandboxes.docker import Config, Docker
from carapax.testing import call
from carapax.testing.provider import Answer
from carapax.tools import search_files, shell, write_file
from tests.engine import configured, engine_socket, relaxed, remove_volumes, root_files, sandbox
from tests.running import run
from tests.sandboxes.reaching import DIRECT, FETCH, page, told
from tests.sandboxes.sandbox_contract import CommandsContract, SandboxContract, lasting, running
from tests.sessions.opened import opened as opened_gateway
from tests.tools.calling import called


@pytest.fixture(autouse=True, scope="module")
def _engine() -> None:
    engine_socket()


class TestDocker(SandboxContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        return sandbox(folder / "private" / "workspace")


class TestRelaxedDocker(CommandsContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        return sandbox(folder / "private" / "workspace", relaxed())


def executed(folder: Path, *scripts: str, config: Config | None = None, timeout_s: float = 20) -> list[Execution]:
    async def scene() -> list[Execution]:
        async with sandbox(folder / "workspace", config) as opened:
            return [
                await opened.exec(["sh", "-c", script], timeout_s=timeout_s, max_output=20_000) for script in scripts
            ]

    return run(scene())


def said(folder: Path, script: str, config: Config | None = None) -> list[str]:
    return executed(folder, script, config=config)[0].output.split()


async def containers(folder: Path, **more: list[str]) -> list[str]:
    """The names of the containers of the home that has this folder of workspaces."""
    async with await Engine.open(engine_socket()) as engine:
        query = {"all": "1", **filters({HOME: home_id(folder)}, **more)}
        listed: list[dict[str, object]] = json.loads(await engine.call("GET", "/containers/json", query=query))
        return [str(one["Id"]) for one in listed]


def test_an_order_is_kept_between_what_a_command_says_and_its_end(tmp_path: Path) -> None:
    async def scene() -> set[str]:
        async with sandbox(tmp_path / "workspace") as opened:
            return {(await opened.exec(["echo", "all"], timeout_s=9, max_output=9)).output for _ in range(30)}

    assert run(scene()) == {"all\n"}


def test_a_command_gets_no_rights(tmp_path: Path) -> None:
    words = said(tmp_path, "grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid)' /proc/self/status")
    assert words.count("0000000000000000") == 5
    assert words[words.index("NoNewPrivs:") + 1] == "1"
    assert words[words.index("Seccomp:") + 1] == "2"
    assert words[words.index("Uid:") + 1 :][:4] == ["1000"] * 4


ATTEMPTS = {
    "a file of the system": "echo x > /etc/passwd || echo x > /usr/bin/new || touch /new",
    "the engine's socket": "ls /var/run/docker.sock /run/docker.sock /run/podman/podman.sock",
    "a mount": "mount -t tmpfs none /tmp || mount -o remount,rw / || mount -t proc none /tmp",
    "a namespace": "unshare -U true || unshare -r true || unshare -n true",
    "the kernel's settings": "echo 1 > /proc/sys/kernel/panic || echo x > /proc/sys/kernel/core_pattern",
    "the kernel's triggers": "echo b > /proc/sysrq-trigger",
    "the host's devices": "ls /dev/sda /dev/vda /dev/mem /dev/kmsg /dev/fuse /dev/kvm",
    "a device of one's own": "mknod disk b 254 0 || mknod /tmp/disk b 254 0",
    "a control group": "echo 1 > /sys/fs/cgroup/memory/memory.limit_in_bytes || mkdir /sys/fs/cgroup/pids/x"
    " || echo $$ > /sys/fs/cgroup/cgroup.procs",
    "root": "setpriv --reuid=0 id || su -c id || chroot / true",
    "the keeper": "kill -9 1 || kill -9 $(grep -l 'while read' /proc/[0-9]*/cmdline | cut -d/ -f3 | head -1)",
    "the keeper's files": "ls /proc/1/root/ /proc/1/fd/",
    "another's memory": "echo x > /proc/1/mem",
    "programs in /tmp": "cp /usr/bin/true /tmp/run && chmod +x /tmp/run && /tmp/run",
    "the network": "cat < /dev/tcp/1.1.1.1/53 || [ $(tail -n +3 /proc/net/dev | grep -vc lo:) != 0 ]",
}


def test_there_is_no_way_out(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        async with sandbox(tmp_path / "workspace") as opened:
            succeeded = []
            for what, script in ATTEMPTS.items():
                ended = await opened.exec(["bash", "-c", script], timeout_s=9, max_output=1000)
                succeeded += [] if ended.exit_code else [f"{what}: {ended.output}"]
            assert (await opened.exec(["echo", "still here"], timeout_s=9, max_output=99)).output == "still here\n"
            return succeeded

    assert run(scene()) == []


def test_processes_of_the_host_are_not_seen(tmp_path: Path) -> None:
    assert len(said(tmp_path, "ls -d /proc/[0-9]*")) <= 5


def test_a_program_that_becomes_its_owner_does_not(tmp_path: Path) -> None:
    script = "cp /usr/bin/id mine && chmod 6755 mine && ./mine -u; find / -xdev -perm -4000 -type f | wc -l"
    assert said(tmp_path, script) == ["1000", "0"]


def test_rare_sockets_and_rings_into_the_kernel_are_refused(tmp_path: Path) -> None:
    calls = "import ctypes, socket\nfor family in (16, 38, 40):\n    try: print(socket.socket(family, 3, 9))\n"
    calls += "    except OSError as error: print(error.errno)\n"
    calls += "libc = ctypes.CDLL(None, use_errno=True)\nprint(libc.syscall(425, 1, 0), ctypes.get_errno())"
    refused = {str(errno.EPERM), str(errno.ENOSYS)}
    words = said(tmp_path, f"python3 -c {shlex.quote(calls)}")
    assert set(words[:3]) <= refused
    assert words[3:] == ["-1", str(errno.ENOSYS)]


def test_links_out_of_the_workspace_are_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with sandbox(tmp_path / "workspace") as opened:
            links = "mkdir in; ln -s /etc out; ln -s /etc/passwd file; ln -s in/x new; ln -s /tmp/made made"
            await opened.exec(["sh", "-c", links], timeout_s=9, max_output=9)
            for path in ("out/passwd", "file", "out"):
                with pytest.raises((Forbidden, InvalidRequest)):
                    await opened.read_file(path, 100_000)
            for path in ("made", "out/x", "file", "out/deep/er"):
                for append in (True, False):
                    with pytest.raises(Forbidden):
                        await opened.write_file(path, b"x", append=append)
            with pytest.raises(Forbidden):
                await opened.list_files("out", recursive=True, max_entries=9)
            await opened.write_file("new", b"through")
            assert await opened.read_file("in/x", 9) == b"through"
            with pytest.raises(NotFound):
                await opened.read_file("in/x2", 9)

    run(scene())


def test_names_and_contents_come_back_as_they_are(tmp_path: Path) -> None:
    content = bytes(range(256)) * 3000
    names = ["-rf", "a b", "line\nbreak", "ü", "$(id)", "'\""]

    async def scene() -> tuple[list[bytes], list[Entry]]:
        async with sandbox(tmp_path / "workspace") as opened:
            for name in names:
                await opened.write_file(f"x/{name}", content)
            read = [await opened.read_file(f"x/{name}", len(content)) for name in names]
            return read, await opened.list_files("x", recursive=True, max_entries=99)

    read, listed = run(scene())
    assert read == [content] * len(names)
    assert listed == [Entry(f"x/{name}", "file", len(content)) for name in sorted(names)]


def test_a_replaced_file_keeps_its_mode_without_what_makes_it_privileged(tmp_path: Path) -> None:
    async def scene() -> str:
        async with sandbox(tmp_path / "workspace") as opened:
            await opened.exec(["sh", "-c", "echo x > run; chmod 4711 run"], timeout_s=9, max_output=9)
            await opened.write_file("run", b"new")
            return (await opened.exec(["sh", "-c", "stat -c %a run; ls -A"], timeout_s=9, max_output=99)).output

    assert run(scene()) == "711\nrun\n"


def test_commands_that_run_at_once_do_not_end_each_other(tmp_path: Path) -> None:
    async def scene() -> tuple[Execution, Execution, bytes]:
        async with sandbox(tmp_path / "workspace") as opened:
            started = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                long = group.create_task(
                    opened.exec(
                        ["sh", "-c", "echo on; while [ ! -e stop ]; do sleep 0.05; done; echo whole > kept"],
                        timeout_s=20,
                        max_output=99,
                        progress=lambda text: started.set(),
                    )
                )
                await started.wait()
                short = await opened.exec(["sh", "-c", "kill -9 -1; sleep 60 & sleep 60"], timeout_s=0.5, max_output=99)
                await opened.write_file("stop", b"")
            return short, long.result(), await opened.read_file("kept", 99)

    assert run(scene()) == (Execution(-9, "", killed="time"), Execution(0, "on\n"), b"whole\n")


def test_a_clean_container_is_used_again_and_another_is_not(tmp_path: Path) -> None:
    script = "cat /tmp/seen; echo seen > /tmp/seen"
    seen = [ended.output for ended in executed(tmp_path, script, f"{script}; {lasting(6161)} & echo left", script)]
    assert seen == ["cat: /tmp/seen: No such file or directory\n", "seen\nleft\n", seen[0]]
    assert not running(lasting(6161))


def test_a_start_that_is_cancelled_at_any_moment_leaves_no_container(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        async with sandbox(tmp_path / "workspace") as opened:
            await opened.exec(["true"], timeout_s=20, max_output=9)  # the image is there
            for moment in range(12):
                async with asyncio.TaskGroup() as group:
                    starting = (opened.exec(lasting(6464).split(), timeout_s=20, max_output=9) for _ in range(4))
                    running_it = [group.create_task(start) for start in starting]
                    for place, task in enumerate(running_it):
                        await asyncio.sleep(0.001 * moment * place)
                        task.cancel()
                        await asyncio.sleep(0)
                        task.cancel()
            return await containers(tmp_path, status=["created", "exited", "dead"])

    assert run(scene()) == []


def test_a_command_takes_no_memory_from_those_after_it(tmp_path: Path) -> None:
    keeping = (
        "import ctypes; c = ctypes.CDLL(None); c.shmat.restype = ctypes.c_void_p;"
        " m = c.shmat(c.shmget(0, 48 << 20, 0o1666), None, 0); ctypes.memset(ctypes.c_void_p(m), 1, 48 << 20)"
    )
    using = "head -c 32M /dev/zero | tail -c 32M | wc -c"
    config = configured(limits=Allowance(memory_bytes=64 << 20, cpus=1))
    ended = executed(tmp_path, f"python3 -c '{keeping}'", using, using, config=config)
    assert [(one.output.strip(), one.killed) for one in ended[::2]] == [("", ""), (str(32 << 20), "")]


def test_limits_that_the_engine_does_not_know_are_told_of_with_where_they_stand(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="memory limit") as caught:
        executed(tmp_path, "true", config=configured(limits=Allowance(memory_bytes=1)))
    assert "[sandboxes.docker] limits" in caught.value.hint


def test_memory_of_several_processes_is_bounded_together(tmp_path: Path) -> None:
    hungry = "dd if=/dev/zero of=/dev/null bs=40M count=50 2>/dev/null"
    config = configured(limits=Allowance(memory_bytes=64 << 20, cpus=1))
    ended = executed(tmp_path, f"{hungry} & {hungry} & {hungry} & wait", "echo again", config=config)
    assert ended[0].killed == "memory"
    assert ended[1] == Execution(0, "again\n")


def test_a_fork_bomb_ends_at_the_time_limit(tmp_path: Path) -> None:
    name = f"bomb{os.getpid()}"
    bomb = f"echo 'sh {name} & sh {name} & wait; {lasting(6262)}' > {name}; sh {name}"
    ended = executed(tmp_path, bomb, f"rm {name}; echo again", timeout_s=1)
    assert (ended[0].killed, ended[1]) == ("time", Execution(0, "again\n"))
    assert not running(f"sh {name}")
    assert not running(lasting(6262))


def test_a_workspace_that_grows_too_large_ends_its_command_and_grows_no_more(tmp_path: Path) -> None:
    config = configured(limits=Allowance(workspace_bytes=20 << 20, cpus=1))
    fill = "i=0; while :; do head -c 4000000 /dev/zero > hidden/$i; i=$((i + 1)); sleep 0.02; done"
    hide = "mkdir hidden; chmod 300 hidden"

    async def scene() -> tuple[str, Execution, Execution, bytes]:
        async with sandbox(tmp_path / "workspace", config) as opened:
            filled = await opened.exec(["sh", "-c", f"{hide}; {fill}"], timeout_s=20, max_output=99)
            more = await opened.exec(
                ["sh", "-c", "echo x > more; [ -s more ] || echo none"], timeout_s=9, max_output=99
            )
            with pytest.raises(Unavailable, match="holds as much as it may"):
                await opened.write_file("more", b"x")
            freed = await opened.exec(["sh", "-c", "chmod 700 hidden; rm -r hidden"], timeout_s=9, max_output=99)
            await opened.write_file("more", b"fits")
            return filled.killed, more, freed, await opened.read_file("more", 99)

    killed, more, freed, written = run(scene())
    assert (killed, "none" in more.output or more.exit_code < 0) == ("disk", True)
    assert (freed, written) == (Execution(0, ""), b"fits")


def test_what_the_workspace_holds_outlives_the_gateway(tmp_path: Path) -> None:
    async def scene() -> bytes:
        async with Docker(configured(), tmp_path / "workspace") as first:
            await first.write_file("kept", b"for ever")
        assert await containers(tmp_path) == []
        async with sandbox(tmp_path / "workspace") as second:
            return await second.read_file("kept", 99)

    assert run(scene()) == b"for ever"


PROGRAM = """
import asyncio, sys
from pathlib import Path
from carapax.sandboxes.docker import Config, Docker

async def main():
    config = Config(sys.argv[4], socket=sys.argv[1], base=sys.argv[2])
    async with Docker(config, Path(sys.argv[3])) as sandbox:
        await sandbox.exec(["sh", "-c", "echo kept > kept; echo; " + sys.argv[5]], timeout_s=60, max_output=9,
                           progress=lambda text: print("started", flush=True))

asyncio.run(main())
"""


@pytest.mark.parametrize("level", ["strict", "relaxed"])
def test_a_gateway_that_is_killed_leaves_no_container_and_its_volume(tmp_path: Path, level: str) -> None:
    folder = tmp_path / "workspace"
    command = [sys.executable, "-c", PROGRAM, engine_socket(), str(root_files()), str(folder), level, lasting(6363)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == b"started\n"
        gateway.kill()
    give_up = time.monotonic() + 60
    while run(containers(tmp_path)):
        assert time.monotonic() < give_up
    assert not running(lasting(6363))
    assert [*tmp_path.glob(".passing/*/*")] == []
    assert executed(tmp_path, "cat kept")[0].output == "kept\n"


def test_what_a_killed_gateway_had_not_started_yet_is_removed_by_the_next(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        async with await Engine.open(engine_socket()) as engine:
            labels = {HOME: home_id(tmp_path), "carapax.gateway": "another"}
            async with sandbox(tmp_path / "workspace") as opened:
                await opened.exec(["true"], timeout_s=9, max_output=9)
                body = {"Image": opened.image, "Cmd": ["true"], "Labels": labels}
                await engine.call("POST", "/containers/create", body=body)
        assert len(await containers(tmp_path)) == 1
        async with Docker(configured(), tmp_path / "workspace"):
            return await containers(tmp_path)

    assert run(scene()) == []


def test_gateways_of_two_homes_do_not_disturb_each_other(tmp_path: Path) -> None:
    async def scene() -> Execution:
        async with sandbox(tmp_path / "one" / "main") as one:
            await one.exec(["touch", "/tmp/here"], timeout_s=9, max_output=9)
            async with sandbox(tmp_path / "two" / "main") as two:
                await two.exec(["true"], timeout_s=9, max_output=9)
            return await one.exec(["ls", "/tmp"], timeout_s=9, max_output=99)

    assert run(scene()) == Execution(0, "here\n")


def test_a_container_that_somebody_removes_is_replaced_for_the_next_command(tmp_path: Path) -> None:
    async def scene() -> Execution:
        async with sandbox(tmp_path / "workspace") as opened, await Engine.open(engine_socket()) as engine:
            await opened.exec(["true"], timeout_s=9, max_output=9)
            for container in await containers(tmp_path):
                await engine.call("DELETE", f"/containers/{container}", query={"force": "1"})
            return await opened.exec(["echo", "again"], timeout_s=9, max_output=9)

    assert run(scene()) == Execution(0, "again\n")


def test_a_container_that_ends_under_a_command_is_told_from_a_failed_command(tmp_path: Path) -> None:
    async def scene() -> None:
        async with sandbox(tmp_path / "workspace") as opened, await Engine.open(engine_socket()) as engine:
            started = asyncio.Event()

            async def end() -> None:
                await started.wait()
                for container in await containers(tmp_path):
                    await engine.call("DELETE", f"/containers/{container}", query={"force": "1"})

            async with asyncio.TaskGroup() as group:
                group.create_task(end())
                with pytest.raises(Unavailable, match="the container ended while the command ran"):
                    await opened.exec(
                        ["sh", "-c", "echo; sleep 60"], timeout_s=30, max_output=9, progress=lambda text: started.set()
                    )

    run(scene())


def test_an_engine_that_goes_away_under_a_command_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        connections: list[asyncio.StreamWriter] = []
        engine = str(between / "socket")

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_unix_connection(engine_socket())
            connections.extend((writer, back))
            async with asyncio.TaskGroup() as group:
                group.create_task(copied(reader, back))
                group.create_task(copied(there, writer))

        server = await asyncio.start_unix_server(pass_on, engine)

        def stop(text: str) -> None:
            server.close()
            Path(engine).unlink(missing_ok=True)
            for connection in connections:
                connection.close()

        async with Docker(configured(socket=engine), tmp_path / "workspace") as opened:
            with pytest.raises(Unavailable, match="engine") as caught:
                await opened.exec(["sh", "-c", "echo; sleep 60"], timeout_s=30, max_output=9, progress=stop)
            assert caught.value.hint
        await server.wait_closed()

    try:
        with tempfile.TemporaryDirectory(dir="/tmp") as made:  # the name of a socket must be short
            between = Path(made)
            run(scene())
    finally:
        give_up = time.monotonic() + 60
        while run(containers(tmp_path)):
            assert time.monotonic() < give_up
        run(remove_volumes(home_id(tmp_path)))


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def test_an_image_without_a_shell_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        config = configured(commands=("rm /usr/bin/sh /usr/bin/dash /usr/bin/bash",))
        async with sandbox(tmp_path / "workspace", config) as opened:
            with pytest.raises(Unavailable, match="/bin/sh"):
                await opened.exec(["true"], timeout_s=9, max_output=9)

    run(scene())


def test_an_image_is_made_by_its_recipe(tmp_path: Path) -> None:
    config = configured(commands=("echo made > /etc/made",))
    assert said(tmp_path, "cat /etc/made; id -un; ls -ld /data | cut -c1-10", config) == ["made", "agent", "drwx------"]


def test_what_goes_wrong_in_a_build_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"could not be made.*returned a non-zero code: 7"):
        executed(tmp_path, "true", config=configured(commands=("exit 7",)))


def test_a_missing_engine_is_told_and_nothing_runs(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Docker(Config(socket=str(tmp_path / "none"), base=str(root_files())), tmp_path / "workspace"):
            pass

    with pytest.raises(Unavailable, match="no container engine") as caught:
        run(scene())
    assert "apt install docker.io" in caught.value.hint


@pytest.mark.parametrize("flood", ["cat /dev/urandom", "tr '\\0' x < /dev/zero", "yes '\U0001f600'"])
def test_hostile_output_is_cut_and_stopped(tmp_path: Path, flood: str) -> None:
    config = configured(limits=Allowance(output_bytes=3_000_000, cpus=1))
    ended = executed(tmp_path, flood, "echo again", config=config)
    assert (ended[0].killed, ended[0].truncated, len(ended[0].output.encode()) < 70_000) == ("output", True, True)
    assert ended[1] == Execution(0, "again\n")


def test_each_session_has_a_workspace_of_its_own_where_that_is_chosen(tmp_path: Path) -> None:
    async def scene() -> tuple[bytes, bytes, bytes]:
        async with sandbox(tmp_path / "workspace", configured(scope="session")) as opened:
            for session in ("one", "two"):
                await opened.of(session).write_file("mine", session.encode())
            await opened.write_file("mine", b"the agent's")
            return (
                await opened.of("one").read_file("mine", 99),
                await opened.of("two").read_file("mine", 99),
                await opened.read_file("mine", 99),
            )

    assert run(scene()) == (b"one", b"two", b"the agent's")
    assert run(containers(tmp_path)) == []


def test_all_sessions_share_a_workspace_by_default(tmp_path: Path) -> None:
    async def scene() -> bytes:
        async with sandbox(tmp_path / "workspace") as opened:
            await opened.of("one").write_file("mine", b"x")
            return await opened.of("two").read_file("mine", 99)

    assert run(scene()) == b"x"


def test_a_container_that_nothing_uses_ends(tmp_path: Path) -> None:
    async def scene() -> Execution:
        async with sandbox(tmp_path / "workspace", configured(idle_s=0.05)) as opened:
            await opened.exec(["touch", "/tmp/seen", "kept"], timeout_s=9, max_output=9)
            async with asyncio.timeout(60):
                while await containers(tmp_path):
                    pass
            return await opened.exec(["ls", "/tmp", "."], timeout_s=9, max_output=99)

    assert run(scene()) == Execution(0, ".:\nkept\n\n/tmp:\n")


def test_the_tools_of_an_agent_work_in_containers(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        async with sandbox(tmp_path / "workspace") as opened:
            return [
                await called(write_file.EXTENSION, write_file.Config(), opened, path="a/day.md", content="one\ntwo\n"),
                await called(search_files.EXTENSION, search_files.Config(), opened, pattern="tw"),
                await called(shell.EXTENSION, shell.Config(), opened, command="wc -l < a/day.md; id -un"),
            ]

    results = ["wrote 8 bytes as a/day.md", "a/day.md:2:two", "2\nagent\n[exit code 0]"]
    assert run(scene()) == results


def test_sessions_of_a_gateway_have_their_own_files_where_that_is_chosen(tmp_path: Path) -> None:
    section = {"socket": engine_socket(), "base": str(root_files()), "scope": "session", "limits": {"cpus": 1}}
    agents = {"main": AgentConfig(sandbox="docker")}
    script: list[Answer] = [
        call("list_files"),
        call("write_file", path="mine", content="x"),
        call("list_files"),
        "done",
    ]

    async def scene() -> list[list[str]]:
        config = GatewayConfiguration(agents=agents, sandboxes={"docker": section})
        async with opened_gateway(tmp_path, script + script, config=config) as gateway:
            results = []
            for _ in range(2):
                session = await gateway.say("go on")
                await gateway.finished(session)
                events = await gateway.events(session)
                results.append([event.result.text for event in events if isinstance(event, ToolReturned)])
            return results

    try:
        first, second = run(scene())
    finally:
        run(remove_volumes(home_id(tmp_path / "data" / "workspaces")))
    assert first == second
    assert "mine" in first[2]


METADATA = "http://169.254.169.254/latest/"
ALONE = f"""
try:
    u.urlopen("{METADATA}", timeout=10)
except u.HTTPError as error:
    print(error.code, error.read().decode())
"""


def test_relaxed_commands_reach_through_the_proxy_what_the_way_out_allows_and_nothing_else(tmp_path: Path) -> None:
    long = tmp_path / ("longer-than-the-address-of-a-socket" * 3) / "workspace"

    async def scene() -> list[str]:
        egress = PublicEgress(EgressConfig(("127.0.0.1/32",)))
        async with page() as port, sandbox(long, relaxed(), egress) as opened:
            return [await told(opened, script, port) for script in (FETCH, ALONE, DIRECT, FETCH)]

    fetched, refused, direct, again = run(scene())
    assert (fetched, again) == ("page\n", "page\n")
    assert refused.startswith(f"403 {METADATA} is at 169.254.169.254, which is no public address")
    assert direct.split() == [str(errno.ECONNREFUSED), str(errno.ENETUNREACH), str(errno.ENETUNREACH)]


HANDING_IN = """
import os, socket
listening = socket.create_server(("127.0.0.1", 0))
for what in (lambda: socket.socket(socket.AF_UNIX).connect("/passing/gateway"),
             lambda: socket.socket(socket.AF_UNIX).bind("/passing/gateway"), lambda: os.mkdir("/passing/x")):
    try:
        print("done", what())
    except OSError as error:
        print(error.errno)
print(os.listdir("/passing"))
"""


def test_relaxed_commands_find_no_way_to_hand_in_another_socket(tmp_path: Path) -> None:
    def waiting() -> list[Path]:
        return [*tmp_path.glob(".passing/*/*")]

    async def scene() -> tuple[list[str], list[Path]]:
        async with sandbox(tmp_path / "workspace", relaxed()) as opened:
            return (await told(opened, HANDING_IN, 0)).split(), waiting()

    (tmp_path / ".passing" / "workspace" / "left-by-a-crash").mkdir(parents=True)
    words, left = run(scene())
    assert set(words[:3]) <= {str(errno.ENOENT), str(errno.EROFS)}
    assert (words[3:], left) == (["[]"], [])


def test_strict_commands_have_no_proxy(tmp_path: Path) -> None:
    assert said(tmp_path, "env | grep -i proxy; cat /proc/net/tcp | wc -l; ls -d /passing 2> /dev/null") == ["1"]


def test_a_sandbox_says_whether_it_gives_a_network(tmp_path: Path) -> None:
    levels = [Docker(config, tmp_path / "workspace") for config in (configured(), relaxed())]
    assert [level.network for level in levels] == [False, True]


def test_relaxed_without_python_in_the_image_nothing_runs(tmp_path: Path) -> None:
    config = configured(level="relaxed", commands=("rm /usr/bin/python3",))
    with pytest.raises(Unavailable, match="needs Python in the image") as caught:
        executed(tmp_path, "true", config=config)
    assert 'add "python3" to [sandboxes.docker] packages' in caught.value.hint
    assert run(containers(tmp_path)) == []
