"""S6: what uses up a machine is contained within a second of its limit, leaves nothing, and disturbs no other."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
from msgspec import structs

from carapax.containers.container import Allowance, Container
from carapax.contracts import Execution, Sandbox
from carapax.process import run_process
from carapax.redaction import Secret
from carapax.sandboxes import docker
from carapax.sandboxes.bubblewrap import Bubblewrap, Config
from tests.engine import configured, engine_socket, sandbox
from tests.proof import abuses
from tests.proof.abuses import LIMITS, TMP_BYTES, Abused, abused
from tests.proof.figures import Figure, bound, shown
from tests.proof.test_s05_sandbox_probes import Careless, needs_bubblewrap
from tests.running import run

Opening = Callable[[Path], AbstractAsyncContextManager[Sandbox]]
SMALL = Config(limits=LIMITS, tmp_bytes=TMP_BYTES)


def tried(place: Path, opening: Opening, *, seen: bool = True) -> list[Abused]:
    """Every abuse; with `seen`, the workspace is a folder of this machine."""

    async def scene() -> list[Abused]:
        async with opening(place / "workspace") as sandbox, opening(place / "neighbour") as neighbour:
            return await abused(sandbox, neighbour, place / "workspace" if seen else None)

    return run(scene(), within_s=280)


def proven(name: str, found: list[Abused]) -> None:
    """Put the row of a sandbox into the table, and fail where an abuse was not contained."""
    loose = [one for one in found if not one.contained]
    latest = max(one.late_s for one in found)
    value = f"{bound(len(loose), len(found))}, the latest after {max(latest, 0):.2f} s"
    shown(Figure("S6", f"abuses of {name} not contained", value, "0, within 1 s", not loose))
    assert loose == []


@needs_bubblewrap
def test_every_abuse_of_bubblewrap_is_contained(tmp_path: Path) -> None:
    proven("bubblewrap", tried(tmp_path, lambda workspace: Bubblewrap(SMALL, workspace)))


@pytest.fixture(scope="module")
def _engine() -> None:
    engine_socket()


def small() -> docker.Config:
    """Containers with the same limits."""
    given = structs.asdict(LIMITS)
    known = {name: given[name] for name in Allowance.__struct_fields__ if name in given}
    return configured(limits=msgspec.convert({**known, "tmp_bytes": TMP_BYTES, "cpus": 1}, Allowance))


@pytest.mark.usefixtures("_engine")
def test_every_abuse_of_docker_is_contained(tmp_path: Path) -> None:
    proven("docker", tried(tmp_path, lambda workspace: sandbox(workspace, small()), seen=False))


@pytest.mark.usefixtures("_engine")
def test_the_abuses_find_containers_that_are_used_again_whatever_is_left_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def settled(container: Container) -> bool:
        return True

    monkeypatch.setattr(Container, "_settled", settled)
    monkeypatch.setattr(abuses, "ABUSES", {"a daemon": "setsid sleep $M >/dev/null 2>&1 & exit 0"})
    (found,) = tried(tmp_path, lambda workspace: sandbox(workspace, small()), seen=False)
    assert (found.survivors, found.contained) == (1, False)


class Lingering(Careless):
    """Ends its own command at the time limit, and forgets what that has started."""

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        max_output: int,
        progress: Callable[[str], None] | None = None,
        environment: Mapping[str, Secret] = MappingProxyType({}),
    ) -> Execution:
        return await run_process(
            command,
            folder=self.root,
            environment=dict(os.environ),
            kill=lambda process: process.kill() if process.poll() is None else None,
            timeout_s=timeout_s,
            max_output=max_output,
            output_bytes=LIMITS.output_bytes,
        )


@needs_bubblewrap
def test_the_abuses_find_a_sandbox_that_forgets_what_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abuses, "ABUSES", {"a daemon": "setsid sleep $M >/dev/null 2>&1 & exit 0"})
    (found,) = tried(tmp_path, Lingering)
    assert (found.survivors, found.contained) == (1, False)


@needs_bubblewrap
def test_the_abuses_find_a_sandbox_without_a_limit_on_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abuses, "ABUSES", {name: abuses.ABUSES[name] for name in ("a disk full of files",)})
    monkeypatch.setattr(abuses, "_OVERSHOT", structs.replace(abuses._OVERSHOT, files=100))
    without = structs.replace(LIMITS, workspace_files=1 << 40)
    (found,) = tried(tmp_path, lambda workspace: Bubblewrap(structs.replace(SMALL, limits=without), workspace))
    assert (found.overshot, found.contained) == (True, False)


@needs_bubblewrap
def test_the_abuses_find_a_sandbox_that_is_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Bubblewrap):
        async def exec(
            self,
            command: Sequence[str],
            *,
            timeout_s: float,
            max_output: int,
            progress: Callable[[str], None] | None = None,
            environment: Mapping[str, Secret] = MappingProxyType({}),
        ) -> Execution:
            if command[-1].startswith("while"):
                await asyncio.sleep(timeout_s + 1.1)
            return await super().exec(command, timeout_s=timeout_s, max_output=max_output)

    monkeypatch.setattr(abuses, "ABUSES", {"a busy loop": abuses.ABUSES["a busy loop"]})
    (found,) = tried(tmp_path, lambda workspace: Late(SMALL, workspace))
    assert not found.contained
