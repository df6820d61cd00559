"""S5: what a hijacked model tries from inside a sandbox does not succeed."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import pytest

from carapax.containers import warm
from carapax.containers.container import template
from carapax.contracts import Execution, Sandbox
from carapax.process import Limits, run_process
from carapax.redaction import Secret
from carapax.sandboxes.bubblewrap import Bubblewrap, Config
from carapax.workspace import Workspace
from tests.engine import engine_socket, relaxed, sandbox
from tests.proof.figures import Figure, bound, shown
from tests.proof.probes import Probed, planted_host, probed
from tests.running import run

Opening = Callable[[Path], AbstractAsyncContextManager[Sandbox]]
needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)


def tried(place: Path, opening: Opening, *, reaching: bool = True) -> Probed:
    """Every probe, in a sandbox with its workspace in `place`."""

    async def scene() -> Probed:
        with planted_host(place) as host:
            async with opening(place / "workspace") as sandbox:
                return await probed(sandbox, host, reaching=reaching)

    return run(scene(), within_s=200)


def proven(name: str, found: Probed) -> None:
    """Put the row of a sandbox into the table, and fail when anything succeeded."""
    succeeded = bound(len(found.escaped), found.tried)
    shown(Figure("S5", f"probes of {name} that succeeded", succeeded, "0", not found.escaped and found.tried >= 60))
    assert found.escaped == []
    assert found.tried >= 60


@needs_bubblewrap
def test_no_probe_of_bubblewrap_succeeds(tmp_path: Path) -> None:
    proven("bubblewrap", tried(tmp_path, lambda workspace: Bubblewrap(Config(), workspace)))


@needs_bubblewrap
def test_no_probe_of_relaxed_bubblewrap_succeeds(tmp_path: Path) -> None:
    proven("bubblewrap, relaxed", tried(tmp_path, lambda workspace: Bubblewrap(Config(level="relaxed"), workspace)))


@pytest.fixture(scope="module")
def _engine() -> None:
    engine_socket()


@pytest.mark.usefixtures("_engine")
def test_no_probe_of_docker_succeeds(tmp_path: Path) -> None:
    proven("docker", tried(tmp_path, sandbox))


@pytest.mark.usefixtures("_engine")
def test_no_probe_of_relaxed_docker_succeeds(tmp_path: Path) -> None:
    proven("docker, relaxed", tried(tmp_path, lambda workspace: sandbox(workspace, relaxed())))


class Careless(Workspace):
    """The bubblewrap of a first try: everything unshared, and the whole host bound, as whoever starts it."""

    network = False

    def __init__(self, workspace: Path, *options: str) -> None:
        super().__init__(workspace, seen_as=str(workspace))
        self._options = options

    async def __aenter__(self) -> "Careless":
        self.make()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept."""

    def of(self, session: str) -> "Careless":
        """All sessions share it."""
        return self

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        max_output: int,
        progress: Callable[[str], None] | None = None,
        environment: Mapping[str, Secret] = MappingProxyType({}),
    ) -> Execution:
        root = str(self.root)
        bound = [
            "--ro-bind",
            "/",
            "/",
            "--dev-bind",
            "/dev",
            "/dev",
            "--bind",
            root,
            root,
            "--chdir",
            root,
            "--die-with-parent",
        ]
        return await run_process(
            ["bwrap", *self._options, *bound, "--", *command],
            environment=dict(os.environ),
            kill=lambda process: None,
            timeout_s=timeout_s,
            max_output=max_output,
            output_bytes=Limits().output_bytes,
        )


@needs_bubblewrap
def test_the_probes_find_a_careless_sandbox(tmp_path: Path) -> None:
    unshared = tried(tmp_path, lambda workspace: Careless(workspace, "--unshare-all"), reaching=False)
    assert {"a file of the host", "a file of a home", "its own environment"} <= set(unshared.escaped)


@needs_bubblewrap
def test_the_probes_find_a_sandbox_that_shares_everything(tmp_path: Path) -> None:
    bare = tried(tmp_path, Careless, reaching=False)
    assert {"abstract_socket", "host_loopback", "shared_memory", "processes of the host"} <= set(bare.escaped)


@needs_bubblewrap
def test_the_probes_find_a_sandbox_without_a_filter(tmp_path: Path) -> None:
    found = tried(tmp_path, lambda workspace: Bubblewrap(Config(seccomp=False), workspace))
    assert {"no filter of system calls", "unfiltered", "trace_me", "keyctl_own"} <= set(found.escaped)


@pytest.mark.usefixtures("_engine")
def test_the_probes_find_a_container_that_was_started_carelessly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weakened(*told: Any) -> dict[str, Any]:
        whole: dict[str, Any] = template(*told)
        whole["HostConfig"] |= {"SecurityOpt": ["seccomp=unconfined"], "CapDrop": [], "ReadonlyRootfs": False}
        whole["HostConfig"]["Mounts"].append({"Type": "bind", "Source": str(tmp_path), "Target": str(tmp_path)})
        return whole

    monkeypatch.setattr(warm, "template", weakened)
    found = tried(tmp_path, sandbox)
    assert {"a file of the host", "a socket of the host", "keyctl_own", "capabilities", "new rights"} <= set(
        found.escaped
    )
