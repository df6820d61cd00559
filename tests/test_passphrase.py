"""A key locked with a passphrase, and where services find theirs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from carapax.errors import InvalidRequest, Unavailable
from carapax.passphrase import Cost, Lock, Locked, derived, find, lock, unlock
from carapax.redaction import Secret

KEY = bytes(range(32))
CHEAP = Cost(memory_kib=64, passes=1, lanes=1)
RIGHT = Secret("correct horse battery staple")


def test_the_right_passphrase_gives_the_key_back_and_costs_what_it_should() -> None:
    locked = lock(RIGHT, KEY, Cost())
    assert (locked.kdf, locked.cost) == ("argon2id", Cost(memory_kib=64 * 1024, passes=3, lanes=4))
    assert unlock(RIGHT, locked) == KEY


def test_a_passphrase_is_the_same_however_its_letters_were_put_together() -> None:
    locked = lock(Secret("caf\u00e9 au lait"), KEY, CHEAP)
    assert unlock(Secret("cafe\u0301 au lait"), locked) == KEY


@pytest.mark.parametrize(
    "wrong", ["", "x", "correct horse battery stapl", RIGHT.reveal() + " ", RIGHT.reveal().upper()]
)
def test_a_wrong_passphrase_is_told_the_same_however_near_it_is(wrong: str) -> None:
    with pytest.raises(Locked) as caught:
        unlock(Secret(wrong), lock(RIGHT, KEY, CHEAP))
    assert str(caught.value) == (
        "the passphrase of the vault is wrong, or what it locks was changed (try again; nothing was changed)"
    )


def test_nothing_in_a_lock_is_there_twice_or_tells_of_the_passphrase() -> None:
    one, other = lock(RIGHT, KEY, CHEAP), lock(RIGHT, KEY, CHEAP)
    assert {one.salt, one.nonce, one.sealed} & {other.salt, other.nonce, other.sealed} == set()
    assert (len(one.salt), len(one.nonce), len(one.sealed)) == (16, 12, len(KEY) + 16)
    assert [field.name for field in msgspec.structs.fields(Lock)] == ["kdf", "cost", "salt", "nonce", "sealed"]


def test_a_lock_of_which_anything_was_changed_does_not_open() -> None:
    locked = lock(RIGHT, KEY, CHEAP)
    for changed in (
        {"salt": bytes(16)},
        {"nonce": bytes(12)},
        {"sealed": locked.sealed[:-1] + bytes([locked.sealed[-1] ^ 1])},
        {"sealed": b""},
        {"cost": Cost(memory_kib=64, passes=2, lanes=1)},
    ):
        with pytest.raises(Locked):
            unlock(RIGHT, msgspec.structs.replace(locked, **changed))


@pytest.mark.parametrize(
    "cost",
    [
        {"memory_kib": 1 << 30, "passes": 3, "lanes": 4},
        {"memory_kib": 64, "passes": 1 << 30, "lanes": 4},
        {"memory_kib": 64, "passes": 3, "lanes": 1000},
        {"memory_kib": 1, "passes": 3, "lanes": 4},
    ],
)
def test_a_lock_that_would_take_the_whole_machine_is_not_read(cost: dict[str, int]) -> None:
    whole = msgspec.to_builtins(lock(RIGHT, KEY, CHEAP), builtin_types=(bytes,))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**whole, "cost": cost}, Lock)


def test_a_passphrase_that_is_too_short_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="too short"):
        lock(Secret("seven77"), KEY, CHEAP)


def test_a_service_finds_its_passphrase_in_a_file_or_a_credential(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the file\r\n")
    (tmp_path / "carapax-vault-passphrase").write_text("of systemd")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert find({}) is None
    assert find({"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) is None
    assert find(environ) == Secret("of systemd")
    assert find({**environ, "CARAPAX_VAULT_PASSPHRASE_FILE": str(tmp_path / "file")}) == Secret("of the file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"", "holds no passphrase"),
        (b"\n", "no passphrase"),
        (b"\xff", "no text"),
        (b"x" * 5000, "no passphrase"),
    ],
)
def test_a_file_that_holds_no_passphrase_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(Unavailable, match=words) as caught:
        find({"CARAPAX_VAULT_PASSPHRASE_FILE": str(tmp_path / "file")})
    assert str(tmp_path / "file") in caught.value.message


def test_threads_that_ask_at_the_same_time_all_get_the_same() -> None:
    cost = Cost(memory_kib=4_096, passes=1, lanes=4)
    with ThreadPoolExecutor(4) as threads:
        made = threads.map(lambda _: derived(Secret("correct horse"), b"s" * 16, cost), range(40))
        assert len(set(made)) == 1
