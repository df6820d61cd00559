"""Bounds on several processes together."""

import subprocess
import time
from pathlib import Path

import pytest

import carapax.controlgroup
from carapax.controlgroup import ControlGroup
from carapax.process import stepped


def made() -> ControlGroup:
    group = ControlGroup.make("test", memory_bytes=64 << 20, processes=8)
    if group is None:
        pytest.skip("no control group can be made here")
    return group


def removed(group: ControlGroup) -> None:
    """Wait for the last process to be gone."""
    give_up = time.monotonic() + 60
    while not group.remove():
        assert time.monotonic() < give_up


def test_a_command_enters_the_group_and_is_bounded_by_it() -> None:
    group = made()
    try:
        script = "cat /proc/self/cgroup; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1 & done; wait"
        ended = subprocess.run(
            stepped(group.joining(), ["sh", "-c", script]), capture_output=True, text=True, check=False
        )
        assert "/carapax-" in ended.stdout
        assert "fork" in ended.stderr
        assert group.deaths() == 0
    finally:
        removed(group)
    assert subprocess.run(stepped(group.joining(), ["true"]), capture_output=True, check=False).returncode == 125


def test_what_a_dead_gateway_left_is_removed() -> None:
    group = made()
    left = [folder.with_name("carapax-4194304999-old") for folder in group._folders]
    try:
        for folder in left:
            folder.mkdir()
        made().remove()
        assert not any(folder.exists() for folder in left)
    finally:
        group.remove()


def test_where_there_are_no_control_groups_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carapax.controlgroup, "_ROOT", tmp_path)
    assert ControlGroup.make("test", memory_bytes=1, processes=1) is None


def test_a_group_of_version_2_gets_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory pids")
    (tmp_path / "parent").mkdir()
    monkeypatch.setattr(carapax.controlgroup, "_ROOT", tmp_path)
    monkeypatch.setattr(carapax.controlgroup, "_own_groups", lambda: {"": "parent/gateway"})
    mkdir = Path.mkdir

    def mkdir_with_controls(folder: Path, *, exist_ok: bool = False) -> None:
        mkdir(folder, exist_ok=exist_ok)
        for name in ("memory.max", "memory.swap.max", "pids.max", "cgroup.procs"):
            (folder / name).touch()
        (folder / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")

    monkeypatch.setattr(Path, "mkdir", mkdir_with_controls)
    group = ControlGroup.make("test", memory_bytes=100, processes=5)
    assert group is not None
    (folder,) = group._folders
    assert folder.parent == tmp_path / "parent"
    limits = {name: (folder / name).read_text() for name in ("memory.max", "memory.swap.max", "pids.max")}
    assert limits == {"memory.max": "100", "memory.swap.max": "0", "pids.max": "5"}
    assert group.deaths() == 1
