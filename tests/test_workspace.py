"""Files beneath one folder, and nothing else."""

import ctypes
import itertools
import os
import random
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import carapax.beneath
from carapax.contracts import Entry
from carapax.errors import CarapaxError, Forbidden, InvalidRequest, NotFound, Unavailable
from carapax.workspace import Workspace
from tests.running import run

CANARY = b"this is outside"
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture(params=["openat2", "walking"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a canary beside it, opened in both ways there are."""
    if request.param == "openat2" and not carapax.beneath._fast:
        pytest.skip("this system has no openat2")
    monkeypatch.setattr(carapax.beneath, "_fast", request.param == "openat2")
    (tmp_path / "canary").write_bytes(CANARY)
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def read(root: Path, path: str) -> bytes:
    return run(Workspace(root).read_file(path, 1000))


def write(root: Path, path: str, data: bytes = b"new", *, append: bool = False) -> None:
    run(Workspace(root).write_file(path, data, append=append))


def listed(root: Path, path: str = ".", *, recursive: bool = True, max_entries: int = 100) -> list[Entry]:
    return run(Workspace(root).list_files(path, recursive=recursive, max_entries=max_entries))


def test_links_that_stay_inside_are_followed(root: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / "file").write_bytes(b"x")
    (root / "folder").symlink_to("a")
    (root / "a" / "up").symlink_to("../a/file")
    (root / "link").symlink_to("folder/up")
    assert read(root, "link") == b"x"
    write(root, "link", b"y")
    write(root, "folder/../link", b"z", append=True)
    assert (root / "a" / "file").read_bytes() == b"yz"
    assert (root / "link").is_symlink()
    assert listed(root, "folder") == [Entry("folder/file", "file", 2), Entry("folder/up", "link", 0)]


def test_a_link_to_what_does_not_exist_yet_is_written_where_it_leads(root: Path) -> None:
    (root / "link").symlink_to("later/file")
    write(root, "link")
    assert (root / "later" / "file").read_bytes() == b"new"


@pytest.mark.parametrize(
    "target", ["../canary", "/etc/passwd", "..", "/", "a/../../canary", "/proc/self/root/etc/passwd"]
)
def test_links_that_lead_outside_are_refused(root: Path, target: str) -> None:
    (root / "a").mkdir()
    (root / "link").symlink_to(target)
    for path in ("link", "link/x", "a/../link"):
        with pytest.raises((Forbidden, NotFound)):
            read(root, path)
        for append in (False, True):
            with pytest.raises((Forbidden, InvalidRequest)):
                write(root, path, append=append)
    with pytest.raises((Forbidden, InvalidRequest)):
        listed(root, "link")
    assert listed(root) == [Entry("a", "folder", 0), Entry("link", "link", 0)]
    assert (root.parent / "canary").read_bytes() == CANARY
    assert sorted(path.name for path in root.parent.iterdir()) == ["canary", "root"]


def test_links_in_a_circle_are_refused(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    for use in (read, write, listed):
        with pytest.raises(Forbidden, match="too many links"):
            use(root, "a")


def test_links_of_the_process_file_system_are_not_followed(root: Path) -> None:
    with pytest.raises((Forbidden, NotFound)):
        run(Workspace(Path("/proc/self")).read_file("root/etc/hostname", 1000))
    with pytest.raises((Forbidden, NotFound)):
        run(Workspace(Path("/proc/self")).list_files("cwd", recursive=False, max_entries=1))


def test_what_is_no_regular_file_is_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(root)  # the name of a socket must be short
        listening.bind("socket")
        os.chdir(here)
        for name in ("pipe", "socket"):
            with pytest.raises(InvalidRequest, match="not a regular file"):
                read(root, name)
            for append in (False, True):
                with pytest.raises(InvalidRequest, match="not a regular file"):
                    write(root, name, append=append)
    assert [entry.kind for entry in listed(root)] == ["other", "other"]


def test_a_pipe_with_a_reader_is_not_written_to(root: Path) -> None:
    os.mkfifo(root / "pipe")
    reader = os.open(root / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(InvalidRequest, match="not a regular file"):
            write(root, "pipe", append=True)
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)


def test_a_replaced_file_keeps_its_mode_but_not_its_set_id_bits(root: Path) -> None:
    write(root, "new")
    (root / "script").write_bytes(b"")
    (root / "script").chmod(0o4751)
    write(root, "script")
    assert stat.S_IMODE((root / "new").stat().st_mode) == 0o644
    assert stat.S_IMODE((root / "script").stat().st_mode) == 0o751
    assert sorted(path.name for path in root.iterdir()) == ["new", "script"]


def test_who_reads_while_a_file_is_replaced_sees_the_one_or_the_other(root: Path) -> None:
    write(root, "file", b"a" * 100_000)
    with (root / "file").open("rb") as before:
        write(root, "file", b"b" * 100_000)
        assert set(before.read()) == {ord("a")}
    assert set((root / "file").read_bytes()) == {ord("b")}


def test_a_file_that_is_too_long_is_refused(root: Path) -> None:
    (root / "big").write_bytes(b"x" * 1001)
    with pytest.raises(InvalidRequest, match="1001 bytes, more than the 1000"):
        read(root, "big")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_is_made_belongs_to_the_owner(root: Path) -> None:
    async def scene() -> None:
        workspace = Workspace(root, owner=(60_700, 60_700))
        await workspace.write_file("a/b/whole", b"")
        await workspace.write_file("a/c/added", b"", append=True)

    run(scene())
    owned = list(root.rglob("*"))
    assert len(owned) == 5
    assert {(path.stat().st_uid, path.stat().st_gid) for path in owned} == {(60_700, 60_700)}


def test_a_path_that_begins_with_the_name_commands_know_is_inside(root: Path) -> None:
    async def scene() -> tuple[bytes, list[Entry]]:
        workspace = Workspace(root, seen_as="/workspace")
        await workspace.write_file("/workspace/a", b"x")
        for outside in ("/workspacea", "/workspace/../canary", "//workspace/a", "/"):
            with pytest.raises(Forbidden):
                await workspace.read_file(outside, 10)
        return await workspace.read_file("/workspace//a", 10), await workspace.list_files(
            "/workspace", recursive=True, max_entries=5
        )

    assert run(scene()) == (b"x", [Entry("a", "file", 1)])


def test_a_listing_is_cut_in_order(root: Path) -> None:
    for name in "cab":
        (root / name).mkdir()
        (root / name / "x").write_bytes(b"")
    assert [entry.path for entry in listed(root, max_entries=3)] == ["a", "a/x", "b"]
    assert [entry.path for entry in listed(root, recursive=False, max_entries=2)] == ["a", "b"]


def test_a_name_that_is_no_text_is_listed_readable(root: Path) -> None:
    (root / os.fsdecode(b"\xff.txt")).write_bytes(b"")
    assert listed(root) == [Entry("�.txt", "file", 0)]


def test_a_tree_too_deep_for_the_system_is_listed_as_far_as_it_goes(root: Path) -> None:
    deep = os.open(root, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=deep)
        above, deep = deep, os.open("d" * 200, os.O_RDONLY, dir_fd=deep)
        os.close(above)
    os.close(deep)
    assert 15 <= len(listed(root)) <= 30


def test_a_path_with_too_many_folders_is_refused(root: Path) -> None:
    for path in ("a/" * 200 + "x", "a" * 300, "a/" * 3000):
        for append in (False, True):
            with pytest.raises(InvalidRequest):
                write(root, path, append=append)


def traversals() -> Iterator[str]:
    """Names by which one program or another was led out of a folder."""
    ups = ("..", "../", "..\\", "..;/", "....//", "..././", ".../", "..%2f", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f")
    more_ups = (
        "..%c0%af",
        "%c0%ae%c0%ae/",
        "..%5c",
        "..／",
        "．．/",
        "․․/",
        "..∕",
        "..\0/",
        "..\n/",
        ".. /",
        "\u202e../",
        "..//",
    )
    targets = ("canary", "etc/passwd", "root/../canary", "proc/self/environ", "canary\0.txt", "canary/.", "canary%00")
    prefixes = (
        "",
        "/",
        "./",
        "a/",
        "a/../",
        "link/",
        "file/",
        "\\",
        "C:\\",
        "file://",
        "~/",
        "//",
        "/workspace/",
        "a/b/../../",
    )
    for up, count, target, prefix in itertools.product(ups + more_ups, (1, 2, 3, 8), targets, prefixes):
        yield prefix + up * count + ("" if up.endswith(("/", "f", "F")) else "/") + target
    for target in targets:
        for place in (
            "/proc/self/root/",
            "/proc/self/cwd/../",
            "/dev/fd/0/../",
            "/dev/stdin",
            "/",
            "//",
            "///",
            "\0/",
            "/./",
        ):
            yield place + target
            yield quote(place + target, safe="")
    yield from ("", ".", "..", "/", "//", "/..", "...", "\0", "\udcff", "\ud800", "~", "~root", "-", "*", "a" * 5000)


def test_no_name_leads_outside(root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "file").write_bytes(b"inside")
    (root / "link").symlink_to("../..")
    names = sorted(set(traversals()))
    chosen = random.Random(1).sample(names, 2000)
    wrong = []

    async def scene() -> None:
        workspace = Workspace(root)
        for name in chosen:
            with suppress(Forbidden, InvalidRequest, NotFound):
                if await workspace.read_file(name, 1 << 20) != b"inside":
                    wrong.append(f"read {name!r}")
            with suppress(Forbidden, InvalidRequest, NotFound):
                await workspace.list_files(name, recursive=False, max_entries=3)
        for name in chosen[:300]:
            with suppress(Forbidden, InvalidRequest, NotFound):
                await workspace.write_file(name, b"inside", append=len(name) % 2 == 0)

    assert len(names) > 5000
    run(scene())
    assert wrong == []
    assert (root.parent / "canary").read_bytes() == CANARY
    assert sorted(path.name for path in root.parent.iterdir()) == ["canary", "root"]


def test_no_rename_leads_outside(root: Path) -> None:
    """A folder is swapped for a link to the outside, as fast as it goes, while files below it are used."""
    outside = root.parent
    (root / "folder").mkdir()
    (root / "folder" / "canary").write_bytes(b"inside")
    (root / "trap").symlink_to("..")
    stop = threading.Event()

    def swap() -> None:
        libc = ctypes.CDLL(None)
        folder, trap = os.fsencode(root / "folder"), os.fsencode(root / "trap")
        while not stop.is_set():
            libc.renameat2(AT_FDCWD, folder, AT_FDCWD, trap, RENAME_EXCHANGE)

    async def scene() -> set[bytes]:
        workspace, seen = Workspace(root), set()
        for turn in range(600):
            with suppress(Forbidden, NotFound, InvalidRequest):
                seen.add(await workspace.read_file("folder/canary", 100))
            with suppress(Forbidden, NotFound, InvalidRequest):
                await workspace.write_file("folder/canary", b"inside", append=turn % 2 == 0)
                await workspace.write_file("folder/canary", b"inside")
            with suppress(Forbidden, NotFound, InvalidRequest):
                seen.update(
                    entry.path.encode() for entry in await workspace.list_files("folder", recursive=True, max_entries=9)
                )
        return seen

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        seen = run(scene())
    finally:
        stop.set()
        swapping.join()
    assert (outside / "canary").read_bytes() == CANARY
    assert sorted(path.name for path in outside.iterdir()) == ["canary", "root"]
    assert b"inside" in seen
    assert CANARY not in seen
    assert b"folder/root" not in seen


PARTS = st.sampled_from(["a", "b", "f", "up", "down", "loop", "abs", "..", ".", "", "none"])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(path=st.lists(PARTS, min_size=1, max_size=6).map("/".join))
def test_both_ways_to_open_agree(tmp_path: Path, path: str) -> None:
    if not carapax.beneath._fast:
        pytest.skip("this system has no openat2")
    if not (tmp_path / "a").exists():
        (tmp_path / "a" / "b").mkdir(parents=True)
        for place in ("f", "a/f", "a/b/f"):
            (tmp_path / place).write_text(place)
        (tmp_path / "a" / "up").symlink_to("../a/b")
        (tmp_path / "a" / "b" / "down").symlink_to("../f")
        (tmp_path / "down").symlink_to("a/./up/")
        (tmp_path / "loop").symlink_to("loop/a")
        (tmp_path / "abs").symlink_to(tmp_path / "a")

    def outcome(fast: bool) -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(carapax.beneath, "_fast", fast)
            try:
                return run(Workspace(tmp_path).read_file(path, 100))
            except CarapaxError as error:
                return type(error), error.message

    assert outcome(True) == outcome(False)


def test_what_a_crash_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / ".carapax-0123.tmp").write_bytes(b"half")
    (tmp_path / ".carapax-of-another.tmp").mkdir()
    (tmp_path / "kept").write_bytes(b"")
    Workspace(tmp_path).make()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".carapax-of-another.tmp", "kept"]


def test_what_a_link_leads_to_is_given_to_nobody(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (tmp_path / "workspace").symlink_to(elsewhere)
    before = elsewhere.stat()
    with pytest.raises(Unavailable, match="is a link"):
        Workspace(tmp_path / "workspace", owner=(before.st_uid, before.st_gid)).make()
    assert elsewhere.stat().st_mode == before.st_mode
