"""The vault in a file: what lies on disk, what happens when somebody meddles with it, and when the machine stops."""

import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapax.clock import SystemClock
from carapax.contracts import SecretStore
from carapax.errors import Broken, CarapaxError, Unavailable
from carapax.redaction import Secret
from carapax.testing import SecretStoreContract
from carapax.vaults.sealedfile import SealedFile
from tests.fakes.cut import Cut, cut_after
from tests.running import run


class TestKeyFile(SecretStoreContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[SecretStore, None]:
        with tempfile.TemporaryDirectory() as folder:
            yield opened(Path(folder) / "data" / "vault")


def opened(folder: Path) -> SealedFile:
    return SealedFile(folder, SystemClock())


def keep(folder: Path, **secrets: str) -> None:
    async def main() -> None:
        for name, value in secrets.items():
            await opened(folder).set(name, Secret(value))

    run(main())


def got(folder: Path, name: str) -> str | None:
    secret = run(opened(folder).get(name))
    return secret.reveal() if secret else None


def document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((folder / "vault.json").read_bytes())
    return found


@contextmanager
def meddled(folder: Path) -> Iterator[dict[str, Any]]:
    """The document, written back as it is at the end of the block."""
    found = document(folder)
    yield found
    (folder / "vault.json").write_bytes(msgspec.json.encode(found))


def test_nothing_is_made_until_there_is_a_secret(tmp_path: Path) -> None:
    assert got(tmp_path / "vault", "a") is None
    assert not (tmp_path / "vault").exists()


def test_the_files_are_private_and_show_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    keep(folder, a="very secret", b="very secret")
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in (folder, *folder.iterdir())} == {
        "vault": "0o700",
        "vault.json": "0o600",
        "key": "0o600",
        "lock": "0o600",
    }
    whole = (folder / "vault.json").read_text()
    assert document(folder)["format"] == 1
    assert "very" not in whole
    records = document(folder)["records"]
    assert records["a"]["sealed"] != records["b"]["sealed"]


def test_another_process_sees_what_was_written_and_the_other_way_round(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from carapax.redaction import Secret;"
        "from carapax.clock import SystemClock; from carapax.vaults.sealedfile import SealedFile\n"
        "async def main():\n"
        "    vault = SealedFile(Path(sys.argv[1]), SystemClock())\n"
        "    for number in range(10): await vault.set(f'{sys.argv[2]}{number}', Secret('k'))\n"
        "asyncio.run(main())"
    )

    async def main() -> list[str]:
        vault = opened(tmp_path)
        for number in range(10):
            await vault.set(f"own{number}", Secret("k"))
            assert await vault.get("own0") == Secret("k")
        assert [writer.wait(60) for writer in writers] == [0, 0]
        assert await vault.get("a9") == Secret("k")
        return await vault.names()

    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name]) for name in ("a", "b")]
    assert run(main()) == sorted(f"{name}{number}" for name in ("a", "b", "own") for number in range(10))


def test_a_cipher_is_imported_only_when_a_secret_is_read_or_written(tmp_path: Path) -> None:
    keep(tmp_path, a="1")
    program = (
        "import asyncio, sys; from pathlib import Path; from carapax.clock import SystemClock;"
        "from carapax.vaults.sealedfile import SealedFile\n"
        "vault = SealedFile(Path(sys.argv[1]), SystemClock())\n"
        "assert asyncio.run(vault.names()) == ['a']; assert 'cryptography' not in sys.modules\n"
        "assert asyncio.run(vault.get('a')); assert 'cryptography' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)


def swap(found: dict[str, Any]) -> None:
    records = found["records"]
    records["a"], records["b"] = records["b"], records["a"]


def flip(found: dict[str, Any]) -> None:
    sealed = found["records"]["a"]["sealed"]
    found["records"]["a"]["sealed"] = ("A" if sealed[0] != "A" else "B") + sealed[1:]


def rename(found: dict[str, Any]) -> None:
    found["records"]["c"] = found["records"].pop("a")


def count_up(found: dict[str, Any]) -> None:
    found["records"]["a"]["version"] += 1


def leave_out(found: dict[str, Any]) -> None:
    del found["records"]["a"]


def double(found: dict[str, Any]) -> None:
    found["records"]["c"] = found["records"]["a"]


def unseal(found: dict[str, Any]) -> None:
    found["seal"]["version"] += 1


def shorten(found: dict[str, Any]) -> None:
    found["records"]["a"]["sealed"] = ""


def change_time(found: dict[str, Any]) -> None:
    found["records"]["a"]["changed_at"] += 1


def no_time(found: dict[str, Any]) -> None:
    del found["records"]["a"]["changed_at"]


def no_nonce(found: dict[str, Any]) -> None:
    found["records"]["a"]["nonce"] = ""


@pytest.mark.parametrize(
    "meddle",
    [swap, flip, rename, count_up, leave_out, double, unseal, shorten, no_nonce, change_time, no_time],
    ids=lambda each: each.__name__,
)
def test_what_was_meddled_with_is_refused_and_left_as_it_is(
    tmp_path: Path, meddle: Callable[[dict[str, Any]], None]
) -> None:
    keep(tmp_path, a="one", b="two")
    with meddled(tmp_path) as found:
        meddle(found)
    before = (tmp_path / "vault.json").read_bytes()
    with pytest.raises(Broken, match=r"vault\.json was changed .* by something else"):
        got(tmp_path, "a")
    if meddle not in (flip, shorten):  # a record's content is looked at when it is read
        with pytest.raises(Broken):
            keep(tmp_path, d="three")
        assert (tmp_path / "vault.json").read_bytes() == before


def test_an_old_record_cannot_be_brought_back(tmp_path: Path) -> None:
    keep(tmp_path, a="old")
    old = document(tmp_path)["records"]["a"]
    keep(tmp_path, a="new")
    with meddled(tmp_path) as found:
        found["records"]["a"] = old
    with pytest.raises(Broken):
        got(tmp_path, "a")


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    keep(tmp_path, a="one")
    whole = (tmp_path / "vault.json").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "vault.json").write_bytes(whole[:length])
        with pytest.raises(Broken, match=r"vault\.json is damaged"):
            run(opened(tmp_path).names())
        with pytest.raises(Broken):
            keep(tmp_path, b="two")
        assert (tmp_path / "vault.json").read_bytes() == whole[:length]


def test_a_vault_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    keep(tmp_path, a="one")
    with meddled(tmp_path) as found:
        found["format"] = 2
    with pytest.raises(Unavailable, match="newer release"):
        got(tmp_path, "a")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (b"00" * 32 + b"\n", "sealed with another key"),
        (b"", "holds no key"),
        (b"zz" * 32, "holds no key"),
        (None, "missing"),
    ],
)
def test_without_its_key_nothing_is_read_written_or_lost(tmp_path: Path, key: bytes | None, words: str) -> None:
    keep(tmp_path, a="one")
    right, before = (tmp_path / "key").read_bytes(), (tmp_path / "vault.json").read_bytes()
    if key is None:
        (tmp_path / "key").unlink()
    else:
        (tmp_path / "key").write_bytes(key)
    with pytest.raises(CarapaxError, match=words):
        got(tmp_path, "a")
    with pytest.raises(CarapaxError, match=words):
        keep(tmp_path, b="two")
    assert (tmp_path / "vault.json").read_bytes() == before
    (tmp_path / "key").write_bytes(right)
    (tmp_path / "key").chmod(0o600)
    assert got(tmp_path, "a") == "one"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    keep(tmp_path, a="one")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(Unavailable, match="others can read the key") as caught:
        got(tmp_path, "a")
    assert "chmod 600" in caught.value.hint
    assert (tmp_path / "key").read_text().strip() not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        keep(tmp_path / "file" / "vault", a="one")


def test_whenever_the_machine_stops_the_old_or_the_new_is_there(tmp_path: Path) -> None:
    """Each step of writing is the last one in turn: from an empty folder, and over what was there."""
    for before in (False, True):
        for step in range(1, 100):
            folder = tmp_path / f"{before}-{step}"
            if before:
                keep(folder, a="old", b="other")
            with cut_after(step) as steps, pytest.raises(Cut):
                keep(folder, a="new")
                raise Cut
            assert got(folder, "a") in ((None, "new") if not before else ("old", "new"))
            assert got(folder, "b") == ("other" if before else None)
            keep(folder, a="newest")
            assert (got(folder, "a"), got(folder, "b")) == ("newest", "other" if before else None)
            if steps.taken < step:
                break
        else:
            raise AssertionError("writing never ended")
        assert steps.taken > 5


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    keep(tmp_path, a="old")
    for step in range(1, 100):
        with cut_after(step, OSError(28, "No space left on device", "vault")) as steps:
            try:
                keep(tmp_path, a="new")
            except Unavailable as error:
                assert "No space left" in error.message
        assert got(tmp_path, "a") in ("old", "new")
        if steps.taken < step:
            break
