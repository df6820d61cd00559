"""`carapax daemon`, with systemd and launchd that only remember what they are told."""

import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from carapax.cli.group import carapax
from carapax.cli.supervisors import Systemd
from carapax.cli.unit import name_of, serving, systemd
from carapax.config import Home
from tests.fakes import supervisor

Daemon = Callable[..., Result]


class Place:
    """A user's home folder, and what its supervisor was told."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "with space & 50% $HOME"
        self.told = folder / "told"
        self.programs = folder / "bin"
        for one in (self.home, self.told, self.programs):
            one.mkdir()

    def install(self, *names: str) -> None:
        for name in names:
            program = self.programs / name
            program.write_text(f"#!{sys.executable}\n" + Path(supervisor.__file__).read_text())
            program.chmod(0o755)

    def refuse(self, word: str) -> None:
        (self.told / "refuse").write_text(word)

    @property
    def calls(self) -> list[str]:
        file = self.told / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path)
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("PATH", str(made.programs))
    monkeypatch.setenv("FAKE_SUPERVISOR", str(made.told))
    monkeypatch.delenv("CARAPAX_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return made


def daemon(*words: str) -> Result:
    return CliRunner().invoke(carapax, ["daemon", *words], catch_exceptions=False)


def test_installing_twice_leaves_one_service_that_runs(place: Place) -> None:
    place.install("systemctl", "loginctl")
    for _ in range(2):
        done = daemon("install")
        assert done.exit_code == 0, done.output
        assert "loginctl enable-linger" in done.output
    assert (place.told / "active").read_text() == "carapax.service\n"
    assert [file.name for file in (place.home / ".config/systemd/user").iterdir()] == ["carapax.service"]
    assert (place.home / ".carapax/carapax.toml").exists()
    assert daemon("status").exit_code == 0


def test_a_path_with_spaces_percents_and_dollars_is_quoted_for_systemd(place: Place) -> None:
    done = daemon("install", "--print")
    (line,) = [line for line in done.output.splitlines() if line.startswith("ExecStart=")]
    folder = str(place.home).replace("%", "%%").replace("$", "$$")
    assert line.endswith(f'"--config-dir" "{folder}/.carapax" "--data-dir" "{folder}/.carapax/data"')
    assert place.calls == []
    assert not (place.home / ".config").exists()


def test_a_path_with_a_line_end_adds_nothing_to_the_unit() -> None:
    home = Home.resolve(Path("/home/x\nExecStartPre=/bin/other\r\udcff"), None, None, {})
    text = systemd(home, serving("/usr/bin/python3", home))
    assert not any(line.startswith("ExecStartPre") for line in text.splitlines())
    assert '"/home/x\\x0aExecStartPre=/bin/other\\x0d\\xff"' in text
    text.encode()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_itself_has_nothing_to_say_against_the_unit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = place.home / "carapax.service"
    unit.write_text(daemon("install", "--print").output)
    monkeypatch.setenv("PATH", os.defpath)
    words = [shutil.which("systemd-analyze") or "", "verify", "--man=no", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in done.stderr.splitlines() if "carapax" in line] == []


def test_it_is_stopped_started_and_removed(place: Place) -> None:
    place.install("systemctl", "journalctl")
    assert daemon("status").exit_code == 4
    assert "carapax daemon install" in daemon("start").output
    daemon("install")
    daemon("stop")
    assert daemon("status").exit_code == 3
    daemon("start")
    daemon("restart")
    assert daemon("status").exit_code == 0
    assert daemon("logs", "--lines", "5").output == "what the gateway said \\x1b[2J\n"
    assert place.calls[-1] == "journalctl --user --unit carapax.service --lines 5"
    for _ in range(2):
        assert daemon("uninstall").exit_code == 0
    assert daemon("status").exit_code == 4


def test_what_systemd_refuses_is_told(place: Place) -> None:
    place.install("systemctl")
    place.refuse("enable")
    done = daemon("install")
    assert done.exit_code == 1
    assert "`systemctl --user enable carapax.service` failed: it does not want to" in done.output


def test_where_nothing_supervises_it_is_said_what_to_do(place: Place) -> None:
    done = daemon("install")
    assert done.exit_code == 1
    assert "neither systemd nor launchd is here" in done.output
    assert "run `carapax serve` in the foreground" in done.output
    place.install("systemctl")
    place.refuse("show-environment")
    assert "systemd does not run for this user here: it does not want to" in daemon("status").output


def test_another_home_is_another_service(place: Place, tmp_path: Path) -> None:
    place.install("systemctl")
    daemon("install")
    daemon("install", "--home", str(tmp_path / "other"))
    usual, other = Home.resolve(None, None, None, {}), Home.resolve(tmp_path / "other", None, None, {})
    names = {f"{name_of(usual, usual)}.service", f"{name_of(other, usual)}.service"}
    assert set((place.told / "active").read_text().split()) == names
    assert len(names) == 2
    assert Systemd(name_of(other, usual), other, sys.executable).file.exists()


def test_launchd_gets_a_property_list(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    place.install("launchctl", "tail")
    for _ in range(2):
        assert daemon("install").exit_code == 0
    told = plistlib.loads((place.home / "Library/LaunchAgents/dev.carapax.plist").read_bytes())
    folders = ["--config-dir", f"{place.home}/.carapax", "--data-dir", f"{place.home}/.carapax/data"]
    assert told["ProgramArguments"] == [sys.executable, "-m", "carapax", "serve", *folders]
    assert daemon("status").exit_code == 0
    daemon("restart")
    daemon("start")
    daemon("stop")
    assert daemon("status").exit_code == 3
    daemon("uninstall")
    assert daemon("status").exit_code == 4
    place.refuse("bootstrap")
    assert "it does not want to" in daemon("install").output


def test_launchd_that_is_not_there_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "launchctl is not here" in daemon("install").output
