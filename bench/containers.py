"""What a command in a warm container costs, beside the engine's bare calls; and what a first one does."""

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from bench.table import Row, at_most
from carapax.containers.container import USER, WORKSPACE
from carapax.containers.engine import Engine, filters
from carapax.containers.records import HOME, home_id
from carapax.sandboxes.docker import Docker
from tests.engine import configured, engine_socket, remove_volumes

_ROUNDS = 40


def rows() -> list[Row]:
    """Nothing where no engine can be had."""
    if shutil.which("dockerd") is None and shutil.which("podman") is None:
        return []
    return asyncio.run(_measured())


async def _measured() -> list[Row]:
    async with _sandbox() as (sandbox, home):
        begun = time.perf_counter()
        await _true(sandbox)
        first = time.perf_counter() - begun
        async with await Engine.open(engine_socket()) as engine:
            bare = await _bare(engine, home)
            ours, theirs = await _alternating(lambda: _true(sandbox), bare)
        return [
            at_most(
                "a command in a warm container", 1000 * ours, "ms", 1.3, floor=1000 * theirs, floor_name="bare exec"
            ),
            at_most("a command in a new container", 1000 * first, "ms", 1000),
        ]


@asynccontextmanager
async def _sandbox() -> AsyncIterator[tuple[Docker, str]]:
    """One with the share of a processor that is the default, its image made."""
    with tempfile.TemporaryDirectory() as folder:
        config = configured(limits=msgspec.structs.replace(configured().limits, cpus=0.15))
        async with Docker(config, Path(folder) / "warm") as making:
            await _true(making)
        home = home_id(Path(folder))
        async with Docker(config, Path(folder) / "warm") as sandbox:
            yield sandbox, home
        await remove_volumes(home)


async def _true(sandbox: Docker) -> None:
    ended = await sandbox.exec(["true"], timeout_s=30, max_output=100)
    assert ended.exit_code == 0, ended


class _Id(msgspec.Struct):
    Id: str


async def _bare(engine: Engine, home: str) -> Callable[[], Awaitable[None]]:
    """The engine's own calls for the same command in the same container: create, start, read to the end, inspect."""
    (container,) = await engine.ask("GET", "/containers/json", query=filters({HOME: home}), kind=list[_Id])
    body = {"AttachStdout": True, "AttachStderr": True, "Cmd": ["true"], "User": str(USER), "WorkingDir": WORKSPACE}

    async def run() -> None:
        process = await engine.ask("POST", f"/containers/{container.Id}/exec", body=body, kind=_Id)
        async with engine.attached(f"/exec/{process.Id}/start", {"Detach": False, "Tty": False}) as stream:
            while await stream.output():
                pass
        await engine.call("GET", f"/exec/{process.Id}/json")

    return run


async def _alternating(*calls: Callable[[], Awaitable[None]]) -> list[float]:
    """Median seconds of each, measured in turns, so that what disturbs the one disturbs the other."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(_ROUNDS):
        for call, times in zip(calls, taken, strict=True):
            begun = time.perf_counter()
            await call()
            times.append(time.perf_counter() - begun)
            await asyncio.sleep(0.1)  # the processor's share is given anew every 100 ms
    return [statistics.median(times) for times in taken]
