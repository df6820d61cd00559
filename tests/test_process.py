"""Commands, their limits and their output."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from carapax.contracts import Execution
from carapax.errors import InvalidRequest, Unavailable
from carapax.process import Limits, Process, limiting, run_process, stepped, to_the_end
from tests.running import run
from tests.sandboxes.sandbox_contract import lasting, running


def kill(process: Process) -> None:
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)


def ran(*command: str, timeout_s: float = 10, max_output: int = 100, output_bytes: int = 10_000) -> Execution:
    return run(
        run_process(
            command,
            environment={"A": "b"},
            kill=kill,
            timeout_s=timeout_s,
            max_output=max_output,
            output_bytes=output_bytes,
            folder=Path("/"),
        )
    )


def test_a_command_has_the_environment_and_the_folder_given() -> None:
    assert ran("/bin/sh", "-c", "echo $A; pwd") == Execution(0, "b\n/\n")


def test_what_cannot_be_started_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="/no/such/program cannot be started: No such file"):
        ran("/no/such/program")


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 102, 5000])
def test_output_is_kept_up_to_its_limit(size: int) -> None:
    ended = ran("/bin/sh", "-c", f"head -c {size} /dev/zero | tr '\\0' x")
    cut = "x" * 50 + f"\n[... {size - 100} bytes cut out here ...]\n" + "x" * 50
    assert ended == Execution(0, "x" * size if size <= 100 else cut, truncated=size > 100)


def test_characters_at_the_cut_are_left_out_not_broken() -> None:
    ended = ran("/bin/sh", "-c", "for i in $(seq 100); do printf '\\342\\202\\254'; done")
    assert ended.output == "€" * 16 + "\n[... 200 bytes cut out here ...]\n" + "€" * 16


def test_more_output_than_is_bearable_ends_the_command() -> None:
    ended = ran("/bin/sh", "-c", "while :; do echo yes; done")
    assert (ended.exit_code, ended.killed, ended.truncated) == (-9, "output", True)


def test_a_command_that_reads_its_own_output_disturbs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    reading = "for _ in 1 2 3; do cat /proc/$$/fd/1 >/dev/null & done"
    ended = ran("/bin/sh", "-c", f"{reading}; for i in $(seq 20000); do echo x; done", output_bytes=100_000)
    assert (ended.exit_code, ended.killed, caplog.text) == (0, "", "")


def test_nothing_stays_open_when_many_commands_run_and_are_cancelled() -> None:
    async def one(command: str) -> None:
        await run_process(command.split(), environment={}, kill=kill, timeout_s=5, max_output=9, output_bytes=9)

    async def scene() -> tuple[int, int]:
        await one("/bin/true")
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count, not paths)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(command)) for command in ("/bin/true", f"/bin/{lasting(4949)}") * 16]
            for task in tasks:
                await asyncio.sleep(0)
                task.cancel()
        return before, len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count, not paths)

    before, after = run(scene())
    assert after <= before
    assert not running(f"/bin/{lasting(4949)}")


def test_what_is_not_to_be_cut_short_ends_before_any_cancellation_takes_effect() -> None:
    told: list[str] = []

    async def work() -> None:
        for step in ("begun", "ended"):
            told.append(step)
            await asyncio.sleep(0)

    async def scene() -> None:
        task = asyncio.get_running_loop().create_task(to_the_end(work()))
        while not task.done():
            await asyncio.sleep(0)
            task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(scene())
    assert told == ["begun", "ended"]


SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_limits_are_set_by_any_shell(shell: str) -> None:
    limits = Limits(cpu_seconds=7, memory_bytes=1 << 28, file_bytes=1 << 20, open_files=33, processes=500)
    _, *rest = stepped(limiting(limits, own_processes=True), ["cat", "/proc/self/limits"])
    program = [shell, "--posix"] if shell == "bash" else [shell, "sh"] if shell == "busybox" else [shell]
    said = subprocess.run([*program, *rest], capture_output=True, text=True, check=True).stdout
    told = {line[:26].strip(): line[26:].split()[:2] for line in said.splitlines()}
    expected = {
        "Max cpu time": "7",
        "Max data size": str(1 << 28),
        "Max address space": str(1 << 34),
        "Max file size": str(1 << 20),
        "Max open files": "33",
        "Max processes": "500",
        "Max core file size": "0",
    }
    assert {name: told[name] for name in expected} == {name: [limit, limit] for name, limit in expected.items()}


def test_a_command_that_the_system_would_not_take_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="longer than 128000 bytes"):
        stepped(limiting(Limits(), own_processes=True), ["echo", "x" * 128_001])
