"""S4: no name leads out of a folder, whoever gives it, and whatever moves in there meanwhile."""

import ctypes
import os
import threading
import unicodedata
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

import carapax.beneath
from carapax.contracts import Entry
from carapax.errors import CarapaxError
from carapax.testing.gateway import gateway_client
from carapax.workspace import Workspace
from tests.gateway.raw import connect
from tests.proof.figures import Figure, bound, shown
from tests.proof.traversals import traversals
from tests.running import run

CANARY = b"this-is-outside"
NAMES = 2000
ROUNDS = 10_000
AT_FDCWD, RENAME_EXCHANGE = -100, 2

Read = Callable[[str], Awaitable[bytes]]


def planted(place: Path) -> Path:
    """A workspace with links of all kinds in it, and around it what nobody may reach."""
    root = place / "above" / "root"
    (root / "a").mkdir(parents=True)
    (root / "folder").mkdir()
    (root / "file").write_bytes(b"inside")
    for outside in (place, place / "above", place / "above" / "outside"):
        outside.mkdir(exist_ok=True)
        (outside / "canary").write_bytes(CANARY)
    (root / "link").symlink_to("..")
    for number, target in enumerate(("../..", "/", "/proc/self/root", "/proc/self/cwd", "..", "link", str(place))):
        (root / f"link{number}").symlink_to(target)
    os.link(root / "file", root / "second")
    return root


def outside(place: Path) -> dict[str, bytes]:
    """Everything in a place but what is in its workspace."""
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in sorted(place.rglob("*"))
        if place / "above" / "root" not in path.parents
    }


async def _tried(workspace: Workspace, name: str) -> list[str]:
    """What got out by a name."""
    found: list[str] = []
    with suppress(CarapaxError):
        if CANARY in await workspace.read_file(name, 1000):
            found.append(f"read {name!r}")
    with suppress(CarapaxError):
        entries: list[Entry] = await workspace.list_files(name, recursive=False, max_entries=50)
        if any(Path(entry.path).name == "canary" for entry in entries):
            found.append(f"listed {name!r}")
    for append in (False, True):
        with suppress(CarapaxError):
            await workspace.write_file(name, b"escaped", append=append)
    return found


def through(place: Path, workspace: Workspace) -> list[str]:
    """Escapes of all names through the file tools' doors."""
    names = traversals(NAMES, str(place / "canary"))
    before = outside(place)

    async def scene() -> list[str]:
        return [found for name in names for found in await _tried(workspace, name)]

    escapes = run(scene(), within_s=120)
    after = outside(place)
    return escapes + [f"changed {path}" for path in sorted({*before, *after}) if before.get(path) != after.get(path)]


@pytest.mark.parametrize("way", ["openat2", "walking"])
def test_no_name_leads_out_of_a_workspace(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "openat2" and not carapax.beneath._fast:
        pytest.skip("this system has no openat2")
    monkeypatch.setattr(carapax.beneath, "_fast", way == "openat2")
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # what reaches the disk is not the question here
    escapes = through(tmp_path, Workspace(planted(tmp_path), seen_as="/workspace"))
    shown(Figure("S4", f"names that lead out, by {way}", bound(len(escapes), NAMES), "0", not escapes))
    assert escapes == []


class Naive(Workspace):
    """A workspace of a first try: root and name, made readable, joined after a look for two dots in front."""

    async def read_file(self, path: str, max_bytes: int) -> bytes:
        return self._joined(path).read_bytes()

    async def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        self._joined(path).write_bytes(data)

    async def list_files(self, path: str, *, recursive: bool, max_entries: int) -> list[Entry]:
        return [Entry(name, "file", 0) for name in os.listdir(self._joined(path).parent)]  # noqa: PTH208 (names only)

    def _joined(self, path: str) -> Path:
        if path.startswith("..") or path != path.strip() or any(not 31 < ord(letter) < 0xD800 for letter in path):
            raise CarapaxError("no")
        joined = Path(f"{self.root}/{unicodedata.normalize('NFKC', unquote(path))}".replace("\\", "/").split("\0")[0])
        if not os.path.realpath(joined).startswith(str(self.root.parent.parent)):  # the test stays in its own folder
            raise CarapaxError("no")
        try:
            joined.lstat()
        except OSError as error:
            raise CarapaxError("no") from error
        if joined.is_dir() or not joined.exists():
            raise CarapaxError("no")
        return joined


def test_the_names_find_a_naive_join(tmp_path: Path) -> None:
    assert len(through(tmp_path, Naive(planted(tmp_path)))) > 10


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[list[int]]:
    """Meanwhile two names change places as fast as they can; gives how often they have."""
    stop, count = threading.Event(), [0]

    def swap() -> None:
        libc = ctypes.CDLL(None)
        first, second = os.fsencode(one), os.fsencode(other)
        while not stop.is_set():
            libc.renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE)
            count[0] += 1

    running = threading.Thread(target=swap)
    running.start()
    try:
        yield count
    finally:
        stop.set()
        running.join()


async def _raced(workspace: Workspace, count: list[int]) -> list[str]:
    found: list[str] = []
    turn = 0
    while count[0] < ROUNDS or turn < 200:
        turn += 1
        for name in ("folder/canary", "swapped"):
            with suppress(CarapaxError):
                if CANARY in await workspace.read_file(name, 1000):
                    found.append(f"read {name}")
            with suppress(CarapaxError):
                await workspace.write_file(name, b"inside", append=turn % 2 == 0)
    return found


@pytest.mark.parametrize("way", ["openat2", "walking"])
def test_no_swap_of_names_leads_out(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "openat2" and not carapax.beneath._fast:
        pytest.skip("this system has no openat2")
    monkeypatch.setattr(carapax.beneath, "_fast", way == "openat2")
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    root = planted(tmp_path)
    (root / "folder" / "canary").write_bytes(b"inside")
    (root / "trap").symlink_to(tmp_path)
    (root / "swapped").write_bytes(b"inside")
    (root / "to-canary").symlink_to(tmp_path / "canary")
    before = outside(tmp_path)
    with swapping(root / "folder", root / "trap") as count, swapping(root / "swapped", root / "to-canary"):
        escapes = run(_raced(Workspace(root), count), within_s=60)
    escapes += [path for path, content in outside(tmp_path).items() if before.get(path) != content]
    shown(Figure("S4", f"races of renames won, by {way}", bound(len(escapes), count[0]), "0", not escapes))
    assert escapes == []


@pytest.mark.parametrize("name", ["/proc/self/fd", "/proc/self/root", "/dev/fd", "magic"])
def test_no_descriptor_of_the_gateway_is_a_way_out(tmp_path: Path, name: str) -> None:
    root = planted(tmp_path)
    (root / "magic").symlink_to("/proc/self/fd")
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert run(_tried(Workspace(root), f"{name}/{folder}/canary")) == []
    finally:
        os.close(folder)
    assert (tmp_path / "canary").read_bytes() == CANARY


def test_no_name_in_the_api_is_a_path(tmp_path: Path) -> None:
    """Sessions, files, agents and pages by names that lead to a file outside, in paths, queries and calls."""
    (tmp_path / "canary").write_bytes(CANARY)
    home = tmp_path / "above" / "root"
    home.mkdir(parents=True)
    names = traversals(250, str(tmp_path / "canary"))
    before = outside(tmp_path)

    async def scene() -> tuple[int, list[str]]:
        found: list[str] = []
        tried = 0
        async with gateway_client(home=home) as client:
            for name in names:
                for answer in await _asked(client.url, name):
                    tried += 1
                    if CANARY in answer:
                        found.append(name)
                for method, params in _calls(name).items():
                    tried += 1
                    with suppress(RuntimeError, UnicodeEncodeError):
                        if CANARY.decode() in str(await client.rpc(method, **params)):
                            found.append(f"{method} {name}")
        return tried, found

    tried, escapes = run(scene(), within_s=200)
    after = outside(tmp_path)
    escapes += [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    shown(Figure("S4", "names in the API that lead to a file", bound(len(escapes), tried), "0", not escapes))
    assert escapes == []


async def _asked(url: str, name: str) -> list[bytes]:
    """The answers to raw requests, for no client would send them as they are."""
    raw = name.encode(errors="surrogatepass").replace(b"\n", b"%0a").replace(b" ", b"%20").replace(b"\0", b"%00")
    encoded = quote(name, safe="", errors="surrogatepass").encode()
    targets = [b"/" + raw, b"/static/" + raw, b"/api/files/" + encoded, b"/api/sessions/" + encoded + b"/export"]
    answers = []
    for target in targets:
        if len(target) > 8000:
            continue
        async with connect(url) as connection:
            connection.send(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with suppress(ConnectionResetError):
                answers.append(await connection.read_to_end())
    return answers


def _calls(name: str) -> dict[str, dict[str, object]]:
    return {
        "file.add": {"name": name, "data": "eA=="},
        "file.get": {"digest": name},
        "session.create": {"agent": name},
        "session.export": {"session": name},
        "session.import": {"jsonl": f'{{"session": {name!r}}}\n'},
    }


def test_the_names_are_many_and_the_same_each_time() -> None:
    names = traversals(NAMES, "/place/canary")
    assert len(set(names)) == NAMES
    assert names == traversals(NAMES, "/place/canary")
