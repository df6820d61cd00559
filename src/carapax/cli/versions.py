"""Versions of Carapax beside the data of a home, each in a virtual environment of its own; and which one is in use.

The one thing that says which is in use is a small file that is replaced as a whole, and it only ever names a version
that was tried. What a crash leaves behind is therefore never used, and is removed by the next update.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carapax.cli.handover import STAY, chosen, python_of
from carapax.config import Home
from carapax.durable import replace
from carapax.errors import CarapaxError, Conflict, StoreError, Unavailable

_WHOLE = ".complete"
_INSTALL_S = 900
_TRY_S = 120
_SCHEMA = "from carapax.store.migrations import MIGRATIONS; print(len(MIGRATIONS))"


class Versions:
    """`installed` is the version that was installed as all programs are, which hands over to the one in use."""

    def __init__(self, home: Home, installed: str) -> None:
        self.folder = home.data_dir / "versions"
        self._home = home
        self._installed = installed

    @property
    def current(self) -> str:
        """The version in use."""
        version, over, _ = chosen(str(self.folder))
        return version if version and over == self._installed else self._installed

    @property
    def before(self) -> str:
        """The one that `--back` returns to; empty for none."""
        _, over, before = chosen(str(self.folder))
        return before if over == self._installed else ""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One update at a time. Raises Conflict, and StoreError for what the disk refuses meanwhile."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise Conflict("another update is under way", "wait until it has ended") from None
                yield
        except OSError as error:
            raise StoreError(
                f"{error.filename or self.folder}: {error.strerror}", "the version in use stays; make room on the disk"
            ) from error

    def has(self, version: str) -> bool:
        """Whether it is there as a whole."""
        return version == self._installed or (self.folder / version / _WHOLE).exists()

    def install(self, version: str, wheel: Path) -> None:
        """Put a version beside the others and try it. Raises CarapaxError, and then it is not there."""
        place = self.folder / version
        shutil.rmtree(place, ignore_errors=True)
        try:
            self._build(place, wheel)
            self.try_out(version)
            replace(place / _WHOLE, b"")
        except CarapaxError:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def try_out(self, version: str) -> None:
        """That a version starts, takes the configuration, and knows the database. Raises CarapaxError."""
        python = self._python(version)
        said = _run([python, "-m", "carapax", "--version"], _TRY_S, f"carapax {version} does not start")
        if said.strip() != f"carapax {version}":
            raise CarapaxError(f"what was installed as {version} says that it is {said.strip()!r}")
        folders = ["--config-dir", str(self._home.config_dir), "--data-dir", str(self._home.data_dir)]
        words = [python, "-m", "carapax", "config", "check", *folders]
        _run(words, _TRY_S, f"carapax {version} does not take the configuration")
        told = _run([python, "-c", _SCHEMA], _TRY_S, f"carapax {version} does not start").strip()
        knows = int(told) if told.isdecimal() else 0
        if (has := schema_of(self._home)) > knows:
            raise CarapaxError(
                f"the database has version {has}, and carapax {version} knows only {knows}",
                "take a version that is no older than the one that wrote it",
            )

    def choose(self, version: str) -> None:
        """Use a version from now on; the one that was in use is what `--back` returns to."""
        before = self.current
        if version != before:
            lines = [version, self._installed, before]
            replace(self.folder / "current", "".join(f"{line}\n" for line in lines).encode())

    def sweep(self) -> None:
        """Remove all versions but the one in use and the one before it, and what was not finished."""
        for place in self.folder.iterdir():
            if place.is_dir() and place.name not in (self.current, self.before):
                shutil.rmtree(place, ignore_errors=True)

    def _python(self, version: str) -> str:
        return sys.executable if version == self._installed else python_of(str(self.folder), version)

    def _build(self, place: Path, wheel: Path) -> None:
        bare = importlib.util.find_spec("pip") is not None
        words = [sys.executable, "-m", "venv", *(["--without-pip"] if bare else []), str(place)]
        _run(words, _INSTALL_S, "the environment of the new version cannot be made")
        python = str(place / "bin" / "python")
        pip = [sys.executable, "-m", "pip", "--python", python] if bare else [python, "-m", "pip"]
        words = [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-input", str(wheel)]
        _run(words, _INSTALL_S, f"{wheel.name} cannot be installed")


def schema_of(home: Home) -> int:
    """How many steps the database of a home has seen; 0 without one."""
    if not home.database_file.exists():
        return 0
    from carapax.cli.loop import awaited
    from carapax.store.migrations import schema_version
    from carapax.store.sqlite import open_database

    async def read() -> int:
        database = await open_database(home.database_file, read_only=True)
        try:
            return await schema_version(database)
        finally:
            await database.close()

    return awaited(read())


def _run(words: list[str], within_s: float, failure: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environ = {**kept, STAY: "1"}
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=within_s, env=environ, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{failure}: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip()[-600:]
        raise Unavailable(f"{failure}: {last}", "nothing was changed: the version in use stays")
    return done.stdout
