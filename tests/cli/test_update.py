"""`carapax update`: a real installation, real small wheels, and a server of releases."""

import hashlib
import json
import os
import shutil
import subprocess
import sysconfig
import threading
import venv
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import carapax
from carapax.cli.handover import chosen
from carapax.cli.releases import Release, find, order
from carapax.cli.versions import Versions
from carapax.config import Home
from carapax.errors import CarapaxError, StoreError
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database
from carapax.version import __version__
from tests.cli.conftest import Run
from tests.running import run as run_

MAIN = """
import sys
words = sys.argv[1:]
if words == ["--version"]:
    print("carapax {version}")
elif words[:2] == ["config", "check"]:
    sys.exit({check})
else:
    print("this is {version}", *words)
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        pass


class Place:
    """An installation in an environment of its own, its home, and a server of releases."""

    def __init__(self, folder: Path, url: str) -> None:
        self.released = folder / "released"
        self.home = Home.resolve(folder / "home with space", None, None, {})
        self.home.config_dir.mkdir()
        self.home.config_file.write_text(f'[update]\nurl = "{url}/index.json"\n')
        self.home.data_dir.mkdir(mode=0o700)
        self._python = _installation(folder / "launcher")
        self._index: list[dict[str, str]] = []

    def release(self, version: str, *, check: int = 0, sha256: str = "") -> None:
        """Put a version into the index."""
        name = f"carapax-{version}-py3-none-any.whl"
        info = f"carapax-{version}.dist-info"
        main = MAIN.format(version=version, check=check)
        with zipfile.ZipFile(self.released / name, "w") as wheel:
            wheel.writestr("carapax/__init__.py", "")
            wheel.writestr("carapax/__main__.py", main)
            wheel.writestr("carapax/store/__init__.py", "")
            wheel.writestr("carapax/store/migrations.py", "MIGRATIONS = (0,) * 1000\n")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: carapax\nVersion: {version}\n")
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
        digest = sha256 or hashlib.sha256((self.released / name).read_bytes()).hexdigest()
        self._index.append({"version": version, "wheel": name, "sha256": digest, "notes": f"what {version} brings"})
        (self.released / "index.json").write_text(json.dumps({"versions": self._index}))

    def start(self, *words: str) -> "subprocess.Popen[str]":
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.Popen(
            [self._python, "-m", "carapax", *words],
            env={**environ, "CARAPAX_HOME": str(self.home.config_dir), "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> tuple[int, str]:
        with self.start(*words) as process:
            told, _ = process.communicate(timeout=60)
            return process.returncode, told

    def version(self) -> str:
        return self.run("--version")[1].strip()


def _installation(folder: Path) -> str:
    """This code as an installation has it: no checkout."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").iterdir()) / "site-packages"
    shutil.copytree(Path(carapax.__file__).parent, site / "carapax", ignore=shutil.ignore_patterns("web"))
    info = site / f"carapax-{__version__}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: carapax\nVersion: {__version__}\n")
    (site / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("update")
    (folder / "released").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / "released"))) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{serving.server_port}"
        finally:
            serving.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def installed(server: tuple[Path, str]) -> Place:
    return Place(*server)


@pytest.fixture
def place(installed: Place) -> Place:
    """The installation as it is at first."""
    shutil.rmtree(installed.home.data_dir / "versions", ignore_errors=True)
    for file in installed.released.iterdir():
        file.unlink()
    installed._index.clear()
    return installed


def test_another_version_is_used_from_the_next_start_on_and_left_again(
    place: Place,
) -> None:
    place.release("7.1")
    assert place.version() == f"carapax {__version__}"
    assert "carapax 7.1 is there" in place.run("update", "--check")[1]
    code, told = place.run("update")
    assert (code, place.version()) == (0, "carapax 7.1"), told
    assert place.run("status", "--json")[1] == "this is 7.1 status --json\n"
    assert "nothing newer is released" in place.run("update")[1]
    assert place.run("update", "--back")[0] == 0
    assert place.version() == f"carapax {__version__}"
    assert place.run("update", "--back")[0] == 0
    assert place.version() == "carapax 7.1"
    place.release("7.2")
    place.release("7.10")
    put(place.home, "7.0")
    place.run("update")
    assert place.version() == "carapax 7.10"
    kept = {one.name for one in (place.home.data_dir / "versions").iterdir() if one.is_dir()}
    assert kept == {"7.1", "7.10"}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"sha256": "0" * 64}, "has not the checksum that the index says"),
        ({"sha256": "é"}, "has not the checksum that the index says"),
        ({"check": 2}, "does not take the configuration"),
    ],
)
def test_a_version_that_is_not_as_it_should_be_is_not_used(place: Place, wrong: dict[str, object], why: str) -> None:
    place.release("7.1", **wrong)  # type: ignore[arg-type]  # each by its own type
    code, told = place.run("update")
    assert code == 1
    assert why in " ".join(told.split())
    assert place.version() == f"carapax {__version__}"
    assert not (place.home.data_dir / "versions" / "7.1").exists()


def put(home: Home, version: str, *, says: str = "", schema: str = "1000") -> Versions:
    """A version beside the data that is only as much of one as is asked of it."""
    python = home.data_dir / "versions" / version / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *--version) echo "carapax {says or version}";; -c*) echo "{schema}";; esac\n'
    )
    python.chmod(0o700)
    return Versions(home, __version__)


def test_a_version_that_says_that_it_is_another_is_refused(home: Home) -> None:
    put(home, "7.1").try_out("7.1")
    with pytest.raises(CarapaxError, match=r"installed as 7.2 says that it is 'carapax 6.6'"):
        put(home, "7.2", says="6.6").try_out("7.2")


@pytest.mark.parametrize(("schema", "knows"), [("1", 1), ("nothing", 0)])
def test_a_version_that_is_older_than_the_database_is_refused(home: Home, schema: str, knows: int) -> None:
    async def made() -> None:
        database = await open_database(home.database_file)
        await migrate(database)
        await database.close()

    home.data_dir.mkdir()
    run_(made())
    with pytest.raises(CarapaxError, match=f"carapax 7.1 knows only {knows}"):
        put(home, "7.1", schema=schema).try_out("7.1")


def test_killing_an_update_at_any_moment_leaves_what_works(place: Place) -> None:
    place.release("7.1")
    worked = {f"carapax {__version__}", "carapax 7.1"}
    for tenths in (3, 8, 14, 20):
        process = place.start("update")
        try:
            process.wait(tenths / 10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
        process.communicate(timeout=60)
        assert place.version() in worked
    place.run("update")
    assert place.version() == "carapax 7.1"


def test_a_version_that_is_gone_or_can_be_written_by_others_is_not_started(place: Place) -> None:
    put(place.home, "7.1").choose("7.1")
    assert place.version() == "carapax 7.1"
    pointer = place.home.data_dir / "versions" / "current"
    pointer.chmod(0o666)
    assert place.version() == f"carapax {__version__}"
    assert chosen(str(pointer.parent)) == ("", "", "")
    pointer.chmod(0o600)
    shutil.rmtree(place.home.data_dir / "versions" / "7.1")
    told = place.run("--version")[1]
    assert f"carapax 7.1 cannot be started (No such file or directory); this is {__version__}" in told
    assert Versions(place.home, __version__).current == "7.1"


def test_what_there_is_not_is_told(place: Place) -> None:
    place.release("7.1")
    assert "there are: 7.1" in place.run("update", "--to", "9")[1]
    assert "there is no version to return to" in place.run("update", "--back")[1]


def test_the_newest_is_the_one_with_the_highest_numbers_and_no_beta() -> None:
    known = [Release(one, "", "") for one in ("0.9", "0.10", "0.10.1", "1.0b1")]
    releases = sorted(known, key=lambda one: order(one.version))
    assert find(releases, "").version == "0.10.1"
    assert find(releases, "1.0b1").version == "1.0b1"


def test_what_the_disk_refuses_is_told(home: Home) -> None:
    home.data_dir.mkdir()
    (home.data_dir / "versions").write_text("a file, no folder")
    with pytest.raises(StoreError, match="versions: File exists"), Versions(home, __version__).locked():
        pass


def test_a_checkout_is_left_to_git(run: Run, home: Home, tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    index.write_text('{"versions": []}')
    home.config_file.write_text(f'[update]\nurl = "{index.as_uri()}"\n')
    done = run("update")
    assert done.exit_code == 1
    assert "git pull" in done.stderr


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "no index of releases is set"),
        ("http://releases.example/index.json", "neither https:// nor file://"),
        ("file:///no/such/index.json", "cannot be read"),
    ],
)
def test_an_index_that_cannot_be_trusted_or_read_is_told(run: Run, home: Home, url: str, why: str) -> None:
    home.config_file.write_text(f'[update]\nurl = "{url}"\n')
    assert why in run("update", "--check").stderr
