"""How the key of the vault is protected: by a key file, a passphrase or the keyring, changed while others use it,
and cut short."""

import asyncio
import itertools
import logging
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from keyring.errors import KeyringLocked

from carapax.clock import SystemClock
from carapax.contracts import SecretStore
from carapax.errors import Broken, Unavailable
from carapax.passphrase import Cost, Locked
from carapax.redaction import Secret
from carapax.testing import SecretStoreContract
from carapax.vault import Protection
from carapax.vaults.sealedfile import SealedFile
from tests.fakes.cut import Cut, cut_after
from tests.fakes.memory_keyring import OF_KEYRING, MemoryKeyring, memory_keyring
from tests.running import run
from tests.vaults.test_sealedfile import document, meddled

FIRST, SECOND = Secret("the first passphrase"), Secret("the second passphrase")
SECRETS = {"a": "one", "b": "two"}
Change = Callable[[SealedFile], Awaitable[None]]


def opened(folder: Path, passphrase: Secret | None = FIRST) -> SealedFile:
    return SealedFile(folder, SystemClock(), lambda: passphrase, Cost(memory_kib=64, passes=1, lanes=1))


class TestLocked(SecretStoreContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[SecretStore, None]:
        with tempfile.TemporaryDirectory() as folder:
            vault = opened(Path(folder) / "vault")
            await vault.protect(FIRST)
            yield vault


class TestInTheKeyring(SecretStoreContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[SecretStore, None]:
        with tempfile.TemporaryDirectory() as folder, memory_keyring():
            vault = opened(Path(folder) / "vault")
            await vault.protect("keyring")
            yield vault


@pytest.fixture(autouse=True)
def keyring() -> Iterator[MemoryKeyring]:
    with memory_keyring() as backend:
        yield backend


async def fill(folder: Path, by: Protection = "key file") -> None:
    vault = opened(folder)
    for name, value in SECRETS.items():
        await vault.set(name, Secret(value))
    if by != "key file":
        await vault.protect(by)


def inside(folder: Path, passphrase: Secret | None = FIRST) -> dict[str, str | None]:
    async def main() -> dict[str, str | None]:
        vault = opened(folder, passphrase)
        return {name: secret.reveal() if (secret := await vault.get(name)) else None for name in await vault.names()}

    return run(main())


def to_passphrase(vault: SealedFile) -> Awaitable[None]:
    return vault.protect(FIRST)


def to_key_file(vault: SealedFile) -> Awaitable[None]:
    return vault.protect("key file")


def to_keyring(vault: SealedFile) -> Awaitable[None]:
    return vault.protect("keyring")


def rotate(vault: SealedFile) -> Awaitable[None]:
    return vault.rotate()


def test_with_a_passphrase_there_is_no_key_on_disk(tmp_path: Path) -> None:
    run(fill(tmp_path, FIRST))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lock", "vault.json"]
    assert document(tmp_path)["lock"]["kdf"] == "argon2id"
    assert run(opened(tmp_path, None).protection()) == "passphrase"
    assert inside(tmp_path) == SECRETS
    whole = (tmp_path / "vault.json").read_text()
    assert [word for word in ("first", "passphrase", "one", "two") if word in whole] == []


@pytest.mark.parametrize(
    ("passphrase", "words"),
    [(None, "is locked with a passphrase"), (SECOND, "the passphrase is not the one"), (Secret("x"), "not the one")],
)
def test_without_the_right_passphrase_nothing_is_read_written_or_lost(
    tmp_path: Path, passphrase: Secret | None, words: str
) -> None:
    run(fill(tmp_path, FIRST))
    before = (tmp_path / "vault.json").read_bytes()
    vault = opened(tmp_path, passphrase)
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: vault.get("a"),
        lambda: vault.set("a", Secret("three")),
        lambda: vault.remove("a"),
        vault.unlock,
        vault.rotate,
        lambda: vault.protect("key file"),
        lambda: vault.protect(SECOND),
    ]
    for change in changes:
        with pytest.raises(Locked, match=words) as caught:
            run(_awaited(change))
        assert "CARAPAX_VAULT_PASSPHRASE_FILE" in caught.value.hint
    assert run(vault.names()) == ["a", "b"]
    assert (tmp_path / "vault.json").read_bytes() == before
    assert inside(tmp_path) == SECRETS


async def _awaited(change: Callable[[], Awaitable[object]]) -> object:
    return await change()


def test_every_change_of_protection_seals_everything_with_a_new_key(tmp_path: Path) -> None:
    async def main() -> None:
        vault = opened(tmp_path)
        seen = []
        for change in (
            *(rotate, to_passphrase, rotate, to_passphrase, to_keyring, rotate),
            *(to_keyring, to_passphrase, to_key_file, to_keyring, to_key_file, to_key_file),
        ):
            before = await vault.kept()
            await change(vault)
            assert await vault.kept() == before
            assert {name: await vault.get(name) for name in SECRETS} == {n: Secret(v) for n, v in SECRETS.items()}
            found = document(tmp_path)
            seen.append((found["key"], found["records"]["a"]["sealed"], found["records"]["a"]["nonce"]))
        assert [len(set(column)) for column in zip(*seen, strict=True)] == [12, 12, 12]
        assert len((tmp_path / "key").read_text().splitlines()) == 1

    run(fill(tmp_path))
    old = (tmp_path / "key").read_text()
    run(main())
    assert (tmp_path / "key").read_text() != old


def test_an_empty_vault_can_be_protected_first(tmp_path: Path) -> None:
    async def main() -> None:
        vault = opened(tmp_path / "vault")
        assert await vault.protection() == ""
        await vault.protect(FIRST)
        await vault.set("a", Secret("one"))
        assert await vault.protection() == "passphrase"

    run(main())
    assert not (tmp_path / "vault" / "key").exists()
    assert inside(tmp_path / "vault") == {"a": "one"}


def test_a_lock_that_was_taken_away_or_changed_is_refused(tmp_path: Path) -> None:
    run(fill(tmp_path, FIRST))
    whole = (tmp_path / "vault.json").read_bytes()
    key = bytes(32).hex() + "\n"
    with meddled(tmp_path) as found:
        del found["lock"]
    (tmp_path / "key").write_text(key)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(Broken, match="sealed with another key"):
        inside(tmp_path)
    (tmp_path / "vault.json").write_bytes(whole)
    with meddled(tmp_path) as found:
        found["lock"]["cost"]["memory_kib"] = 1 << 40
    with pytest.raises(Broken, match="damaged"):
        inside(tmp_path)
    (tmp_path / "vault.json").write_bytes(whole)
    with meddled(tmp_path) as found:
        found["lock"]["cost"]["passes"] = 2
    with pytest.raises(Locked):
        inside(tmp_path)


def test_a_record_that_was_changed_is_never_sealed_anew(tmp_path: Path) -> None:
    run(fill(tmp_path))
    with meddled(tmp_path) as found:
        sealed = found["records"]["b"]["sealed"]
        found["records"]["b"]["sealed"] = ("A" if sealed[0] != "A" else "B") + sealed[1:]
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for change in (rotate, to_passphrase, to_key_file, to_keyring):
        with pytest.raises(Broken, match="at 'b'"):
            run(_changed(tmp_path, change))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


CHANGES = [rotate, to_passphrase, to_key_file, to_keyring]
BEFORE: list[Protection] = ["key file", FIRST, "keyring"]


def after(change: Change, before: Protection) -> str:
    names: dict[Change, str] = {to_passphrase: "passphrase", to_key_file: "key file", to_keyring: "keyring"}
    return names.get(change) or ("passphrase" if isinstance(before, Secret) else before)


def keys(folder: Path, keyring: MemoryKeyring) -> dict[str, int]:
    """How many keys lie where."""
    file = folder / "key"
    listed = (folder / "entries").exists()
    return {
        "key file": len(file.read_text().splitlines()) if file.exists() else 0,
        "keyring": len(keyring.kept),
        "listed": int(listed),
    }


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("before", BEFORE, ids=["from key file", "from passphrase", "from keyring"])
def test_whenever_the_machine_stops_everything_can_still_be_read(
    tmp_path: Path, change: Change, before: Protection, keyring: MemoryKeyring
) -> None:
    for step in range(1, 100):
        folder = tmp_path / f"{step}"
        keyring.kept.clear()
        run(fill(folder, before))
        with cut_after(step, also=OF_KEYRING) as steps, pytest.raises(Cut):
            run(_changed(folder, change))
            raise Cut
        assert inside(folder) == SECRETS
        run(opened(folder).set("c", Secret("three")))
        assert inside(folder) == {**SECRETS, "c": "three"}
        by = run(opened(folder).protection())
        assert keys(folder, keyring) == {"key file": by == "key file", "keyring": by == "keyring", "listed": 0}
        if steps.taken < step:
            break
    else:
        raise AssertionError("it never ended")
    assert steps.taken > 5
    assert run(opened(folder).protection()) == after(change, before)


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("before", BEFORE, ids=["from key file", "from passphrase", "from keyring"])
def test_a_full_disk_is_told_and_everything_can_still_be_read(
    tmp_path: Path, change: Change, before: Protection
) -> None:
    run(fill(tmp_path, before))
    for step in range(1, 100):
        with cut_after(step, OSError(28, "No space left on device", "vault")) as steps:
            try:
                run(_changed(tmp_path, change))
            except Unavailable as error:
                assert "No space left" in error.message
        assert inside(tmp_path) == SECRETS
        if steps.taken < step:
            break


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("before", BEFORE, ids=["from key file", "from passphrase", "from keyring"])
def test_a_keyring_that_fails_once_loses_nothing(
    tmp_path: Path, change: Change, before: Protection, keyring: MemoryKeyring
) -> None:
    run(fill(tmp_path, before))
    failures = 0
    while True:
        done = False
        with failing_at(keyring, failures):
            try:
                run(_changed(tmp_path, change))
                done = True
            except Locked as error:
                assert "the keyring of the system is locked" in error.message
        assert inside(tmp_path) == SECRETS
        if done:
            break
        failures += 1
    run(opened(tmp_path).set("a", Secret("one")))
    by = run(opened(tmp_path).protection())
    assert keys(tmp_path, keyring) == {"key file": by == "key file", "keyring": by == "keyring", "listed": 0}


@contextmanager
def failing_at(keyring: MemoryKeyring, number: int) -> Iterator[None]:
    """The keyring locks itself from the question of this number on."""
    asked = itertools.count()

    def lock() -> None:
        if next(asked) >= number:
            raise KeyringLocked

    keyring.asked = lock
    yield
    keyring.asked = lambda: None


async def _changed(folder: Path, change: Change) -> None:
    await change(opened(folder))


def test_who_has_the_vault_open_goes_on_whatever_is_changed(tmp_path: Path) -> None:
    async def main() -> None:
        gateway, command = opened(tmp_path), opened(tmp_path)
        assert await gateway.get("a") == Secret("one")
        for number, change in enumerate((rotate, to_passphrase, rotate, to_key_file, to_keyring, rotate, to_key_file)):
            await change(command)
            await command.set("a", Secret(f"new {number}"))
            assert await gateway.get("a") == Secret(f"new {number}")
            await gateway.set("b", Secret(f"other {number}"))
            assert await command.get("b") == Secret(f"other {number}")

    run(fill(tmp_path))
    run(main())


def test_who_cannot_unlock_it_says_so_once_and_keeps_what_it_has(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given: list[Secret] = []

    async def main() -> None:
        gateway = SealedFile(tmp_path, SystemClock(), lambda: given[-1] if given else None)
        assert await gateway.get("a") == Secret("one")
        command = opened(tmp_path)
        await command.protect(FIRST)
        await command.set("a", Secret("new"))
        with caplog.at_level(logging.WARNING):
            assert [await gateway.get("a") for _ in range(3)] == [Secret("one")] * 3
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "is locked with a passphrase" in caplog.text
        assert "new" not in caplog.text
        with pytest.raises(Locked):
            await gateway.set("b", Secret("lost?"))
        assert await command.get("b") == Secret("two")
        given.append(SECOND)
        assert await gateway.get("a") == Secret("one")
        given.append(FIRST)
        assert await gateway.get("a") == Secret("new")
        await gateway.set("b", Secret("kept"))
        assert await command.get("b") == Secret("kept")

    run(fill(tmp_path))
    run(main())


def test_who_read_at_the_same_time_unlock_it_once(tmp_path: Path) -> None:
    asked: list[None] = []

    def ask() -> Secret:
        asked.append(None)
        return FIRST

    async def main() -> None:
        vault = SealedFile(tmp_path, SystemClock(), ask)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(vault.get("a")) for _ in range(20)]
        assert [task.result() for task in tasks] == [Secret("one")] * 20
        assert len(asked) == 1

    run(fill(tmp_path, FIRST))
    run(main())


def test_what_is_changed_at_the_same_time_is_all_kept(tmp_path: Path) -> None:
    async def main() -> None:
        readers = [opened(tmp_path) for _ in range(3)]
        command = opened(tmp_path)
        for number in range(10):
            await (rotate, to_passphrase, to_keyring, to_key_file)[number % 4](command)
            for index, reader in enumerate(readers):
                await reader.set(f"{index}/{number}", Secret(f"{number}"))
        assert len(await command.names()) == 30 + len(SECRETS)

    run(fill(tmp_path))
    run(main())


def test_in_the_keyring_there_is_no_key_on_disk(tmp_path: Path, keyring: MemoryKeyring) -> None:
    run(fill(tmp_path, "keyring"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lock", "vault.json"]
    [(service, account)] = keyring.kept
    assert (service, document(tmp_path)["lock"]) == ("carapax", account)
    assert keyring.kept[service, account] not in (tmp_path / "vault.json").read_text()
    assert run(opened(tmp_path).protection()) == "keyring"
    assert inside(tmp_path) == SECRETS


def test_without_its_entry_in_the_keyring_nothing_is_read_written_or_lost(
    tmp_path: Path, keyring: MemoryKeyring
) -> None:
    run(fill(tmp_path / "other", "keyring"))
    [other] = keyring.kept.values()
    run(fill(tmp_path / "vault", "keyring"))
    whole = (tmp_path / "vault" / "vault.json").read_bytes()
    account = "carapax", document(tmp_path / "vault")["lock"]
    key = keyring.kept.pop(account)
    with pytest.raises(Unavailable, match="has no entry"):
        inside(tmp_path / "vault")
    keyring.kept[account] = other
    with pytest.raises(Unavailable, match="is the key of another vault"):
        inside(tmp_path / "vault")
    keyring.kept[account] = "no key"
    for change in CHANGES:
        with pytest.raises(Unavailable, match="holds no key"):
            run(_changed(tmp_path / "vault", change))
    assert (tmp_path / "vault" / "vault.json").read_bytes() == whole
    keyring.kept[account] = key
    assert inside(tmp_path / "vault") == SECRETS


def test_a_keyring_that_keeps_something_else_gets_no_vault(tmp_path: Path, keyring: MemoryKeyring) -> None:
    run(fill(tmp_path))
    always = patch.object(MemoryKeyring, "get_password", lambda self, service, username: "00" * 32)
    with always, pytest.raises(Unavailable, match="keeps something else"):
        run(_changed(tmp_path, to_keyring))
    assert (run(opened(tmp_path).protection()), inside(tmp_path)) == ("key file", SECRETS)
    run(opened(tmp_path).set("c", Secret("three")))
    assert keyring.kept == {}


def test_who_cannot_ask_the_keyring_keeps_what_it_has(
    tmp_path: Path, keyring: MemoryKeyring, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        gateway = opened(tmp_path)
        assert await gateway.get("a") == Secret("one")
        await opened(tmp_path).protect("keyring")
        keyring.failure = KeyringLocked()
        with caplog.at_level(logging.WARNING):
            assert [await gateway.get("a") for _ in range(3)] == [Secret("one")] * 3
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        with pytest.raises(Locked):
            await gateway.set("a", Secret("lost?"))
        keyring.failure = None
        await gateway.set("a", Secret("new"))
        assert await gateway.get("a") == Secret("new")

    run(fill(tmp_path))
    run(main())


def test_the_package_is_imported_for_that_protection_only(tmp_path: Path) -> None:
    run(fill(tmp_path / "plain"))
    run(fill(tmp_path / "locked", FIRST))
    code = f"""
import asyncio, pathlib, sys
from carapax.clock import SystemClock
from carapax.redaction import Secret
from carapax.vaults.sealedfile import SealedFile
for name in ("plain", "locked"):
    vault = SealedFile(pathlib.Path({str(tmp_path)!r}) / name, SystemClock(), lambda: Secret({FIRST.reveal()!r}))
    asyncio.run(vault.set("a", Secret("three")))
    asyncio.run(vault.rotate())
assert "keyring" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
