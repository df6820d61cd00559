"""Keys in the keyring of the system, asked through the real package; and whatever may be wrong with it."""

import sys
import threading
from collections.abc import Iterator

import keyring as package
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.backends.fail import Keyring as FailKeyring
from keyring.backends.null import Keyring as NullKeyring
from keyring.errors import InitError, KeyringLocked

from carapax.errors import Unavailable
from carapax.passphrase import Locked
from carapax.systemkeyring import SystemKeyring, Unanswered, new_account
from tests.fakes.memory_keyring import MemoryKeyring, memory_keyring

ACCOUNT = "vault-" + "0" * 32
KEY = bytes(range(32))


@pytest.fixture
def keyring() -> Iterator[MemoryKeyring]:
    with memory_keyring() as backend:
        yield backend


class Plaintext(MemoryKeyring):
    """As one of the package `keyrings.alt`, in whose place somebody has raised the priority."""


Plaintext.__module__ = "keyrings.alt.file"


class Unrecommended(MemoryKeyring):
    priority = 0


def test_a_key_is_kept_under_its_account_until_it_is_removed(keyring: MemoryKeyring) -> None:
    asked = SystemKeyring()
    asked.put(ACCOUNT, KEY)
    assert keyring.kept == {("carapax", ACCOUNT): KEY.hex()}
    assert asked.get(ACCOUNT) == KEY
    for _ in range(2):
        asked.remove(ACCOUNT)
    assert keyring.kept == {}
    with pytest.raises(Unavailable, match=f"has no entry {ACCOUNT} of carapax") as caught:
        asked.get(ACCOUNT)
    assert not isinstance(caught.value, Locked)


def test_no_two_keys_have_one_account() -> None:
    assert len({new_account() for _ in range(100)}) == 100


def test_without_the_package_it_is_told_what_to_install(
    keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(Locked, match="is not installed") as caught:
        SystemKeyring().get(ACCOUNT)
    assert caught.value.hint == "pip install 'carapax[keyring]'"


@pytest.mark.parametrize("kind", [FailKeyring, NullKeyring, Plaintext, Unrecommended], ids=lambda kind: kind.__module__)
def test_a_keyring_that_keeps_nothing_or_plain_files_is_refused(
    keyring: MemoryKeyring, kind: type[KeyringBackend]
) -> None:
    backend = kind()
    package.set_keyring(backend)
    asks = [
        lambda: SystemKeyring().get(ACCOUNT),
        lambda: SystemKeyring().put(ACCOUNT, KEY),
        lambda: SystemKeyring().remove(ACCOUNT),
    ]
    for ask in asks:
        with pytest.raises(Locked, match=f"no keyring of the system here.*only {kind.__module__}.{kind.__name__}"):
            ask()  # type: ignore[no-untyped-call] # the package leaves it without types
    assert getattr(backend, "kept", {}) == {}


def test_of_several_keyrings_only_the_safe_are_used(keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, first, second = Plaintext(), MemoryKeyring(), MemoryKeyring()
    monkeypatch.setattr(ChainerBackend, "backends", [plain, first, second])
    package.set_keyring(ChainerBackend())  # type: ignore[no-untyped-call] # the package leaves it without types
    asked = SystemKeyring()
    asked.put(ACCOUNT, KEY)
    assert (plain.kept, list(first.kept), second.kept) == ({}, [("carapax", ACCOUNT)], {})
    second.kept, first.kept = first.kept, {}
    assert asked.get(ACCOUNT) == KEY
    asked.remove(ACCOUNT)
    assert second.kept == {}


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (KeyringLocked("Failed to unlock the collection!"), "is locked"),
        (InitError("no bus"), "failed: InitError"),
        (RuntimeError(KEY.hex()), "failed: RuntimeError"),
        (KeyError("DBUS_SESSION_BUS_ADDRESS"), "failed: KeyError"),
    ],
)
def test_what_goes_wrong_in_it_is_told_without_what_was_to_be_kept(
    keyring: MemoryKeyring, failure: Exception, words: str
) -> None:
    keyring.failure = failure
    with pytest.raises(Locked, match=words) as caught:
        SystemKeyring().put(ACCOUNT, KEY)
    assert (KEY.hex() in str(caught.value), caught.value.hint != "") == (False, True)


def test_one_that_hangs_is_left_after_a_while_and_asked_again_when_it_answers(keyring: MemoryKeyring) -> None:
    free, names = threading.Event(), []

    def hang() -> None:
        names.append(threading.current_thread().name)
        assert free.wait(60)

    keyring.asked = hang
    asked = SystemKeyring(patience_s=0.05)
    for _ in range(20):
        with pytest.raises(Unanswered, match="has not answered"):
            asked.put(ACCOUNT, KEY)
    assert names == ["keyring"]
    [stuck] = [thread for thread in threading.enumerate() if thread.name == "keyring"]
    free.set()
    stuck.join(60)
    asked.put(ACCOUNT, KEY)
    assert asked.get(ACCOUNT) == KEY
