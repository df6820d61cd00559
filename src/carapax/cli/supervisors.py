"""What starts services on this system: systemd of the user, or launchd. Each is asked through its own program.

Whatever is asked of them raises Unavailable where they are not, and CarapaxError for what they refuse.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from carapax.cli.unit import launchd, log_of, serving, systemd
from carapax.config import Home
from carapax.durable import replace
from carapax.errors import CarapaxError, Unavailable

State = Literal["running", "stopped", "failed", "not installed"]
_TIMEOUT_S = 60
_ELSEWHERE = (
    "run `carapax serve` in the foreground under whatever supervises this place: as the command of the container, "
    "or of a service of the system with Restart=on-failure"
)


class Systemd:
    """A unit of the user's own systemd; systemctl(1), journalctl(1)."""

    def __init__(self, name: str, home: Home, python: str) -> None:
        self._unit = f"{name}.service"
        self._home = home
        self._python = python
        base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        self.file = Path(base) / "systemd" / "user" / self._unit

    def text(self) -> str:
        return systemd(self._home, serving(self._python, self._home))

    def install(self) -> None:
        self._present()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        replace(self.file, self.text().encode(), 0o644)
        self._systemctl("daemon-reload")
        self._systemctl("enable", self._unit)
        self._systemctl("restart", self._unit)

    def uninstall(self) -> None:
        self._present()
        if self.file.exists():
            self._systemctl("disable", "--now", self._unit)
            self.file.unlink(missing_ok=True)
            self._systemctl("daemon-reload")

    def start(self) -> None:
        self._known()
        self._systemctl("start", self._unit)

    def stop(self) -> None:
        self._known()
        self._systemctl("stop", self._unit)

    def restart(self) -> None:
        self._known()
        self._systemctl("restart", self._unit)

    def state(self) -> State:
        self._present()
        if not self.file.exists():
            return "not installed"
        match _run(["systemctl", "--user", "is-active", self._unit]).stdout.strip():
            case "active" | "activating" | "reloading":
                return "running"
            case "failed":
                return "failed"
        return "stopped"

    def logs(self, lines: int, follow: bool) -> list[str]:
        self._known()
        return ["journalctl", "--user", "--unit", self._unit, "--lines", str(lines), *(["--follow"] if follow else [])]

    @staticmethod
    def lingers() -> bool:
        """Whether services of this user run while nobody is logged in; also where that is not known."""
        if shutil.which("loginctl") is None:
            return True
        return _run(["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"]).stdout.strip() != "no"

    def _known(self) -> None:
        self._present()
        if not self.file.exists():
            raise CarapaxError(f"there is no {self.file}", "`carapax daemon install` writes it")

    def _present(self) -> None:
        if shutil.which("systemctl") is None:
            raise Unavailable("neither systemd nor launchd is here", _ELSEWHERE)
        done = _run(["systemctl", "--user", "show-environment"])
        if done.returncode:
            raise Unavailable(f"systemd does not run for this user here: {_said(done)}", _ELSEWHERE)

    def _systemctl(self, *words: str) -> None:
        _obeyed(["systemctl", "--user", *words])


class Launchd:
    """An agent of the user's launchd; launchctl(1)."""

    def __init__(self, name: str, home: Home, python: str) -> None:
        self._label = f"dev.{name}"
        self._target = f"gui/{os.getuid()}"
        self._home = home
        self._python = python
        self.file = Path.home() / "Library" / "LaunchAgents" / f"{self._label}.plist"

    def text(self) -> str:
        return launchd(self._label, self._home, serving(self._python, self._home)).decode()

    def install(self) -> None:
        self._present()
        for folder, mode in ((self.file.parent, 0o755), (log_of(self._home).parent, 0o700)):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
        replace(self.file, self.text().encode(), 0o644)
        self._unload()
        self._load()

    def uninstall(self) -> None:
        self._present()
        self._unload()
        self.file.unlink(missing_ok=True)

    def start(self) -> None:
        self._known()
        if not self._loaded():
            self._load()

    def stop(self) -> None:
        self._known()
        self._unload()

    def restart(self) -> None:
        self.stop()
        self._load()

    def state(self) -> State:
        self._present()
        if not self.file.exists():
            return "not installed"
        done = _run(["launchctl", "print", f"{self._target}/{self._label}"])
        return "running" if done.returncode == 0 and "state = running" in done.stdout else "stopped"

    def logs(self, lines: int, follow: bool) -> list[str]:
        self._known()
        return ["tail", "-n", str(lines), *(["-F"] if follow else []), str(log_of(self._home))]

    def _known(self) -> None:
        self._present()
        if not self.file.exists():
            raise CarapaxError(f"there is no {self.file}", "`carapax daemon install` writes it")

    def _present(self) -> None:
        if shutil.which("launchctl") is None:
            raise Unavailable("launchctl is not here", _ELSEWHERE)

    def _loaded(self) -> bool:
        return _run(["launchctl", "print", f"{self._target}/{self._label}"]).returncode == 0

    def _load(self) -> None:
        _obeyed(["launchctl", "bootstrap", self._target, str(self.file)])

    def _unload(self) -> None:
        if self._loaded():
            _obeyed(["launchctl", "bootout", f"{self._target}/{self._label}"])


def supervisor(name: str, home: Home, python: str) -> Systemd | Launchd:
    """That of this system."""
    return Launchd(name, home, python) if sys.platform == "darwin" else Systemd(name, home, python)


def _obeyed(words: list[str]) -> None:
    done = _run(words)
    if done.returncode:
        raise CarapaxError(f"`{' '.join(words)}` failed: {_said(done)}", "`carapax daemon logs` may say more")


def _run(words: list[str]) -> "subprocess.CompletedProcess[str]":
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=_TIMEOUT_S)
    return subprocess.CompletedProcess(words, 1, "", f"no answer within {_TIMEOUT_S} s")


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    return (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
