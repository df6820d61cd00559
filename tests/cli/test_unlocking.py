"""The passphrase of the vault: typed, piped, or found where services are told it; and changed."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from keyring.errors import KeyringLocked

from carapax.cli.serving import Serving
from carapax.config import Home
from carapax.passphrase import VARIABLE
from carapax.redaction import Secret
from carapax.vault import open_vault
from tests.cli.conftest import Run
from tests.fakes.memory_keyring import memory_keyring
from tests.running import run as run_async

RIGHT, OTHER = "correct horse battery", "another horse altogether"
VALUE = "very-secret-0123456789"


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def told(passphrase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "passphrase").write_text(passphrase + "\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "passphrase"))


def got(home: Home, name: str, passphrase: str | None = None) -> str | None:
    secret = run_async(open_vault(home, passphrase=Secret(passphrase) if passphrase else None).get(name))
    return secret.reveal() if secret else None


def at_terminal(home: Home, *arguments: str, typed: tuple[str, ...]) -> tuple[int, str]:
    """The exit code, and all that was shown while each line was typed when it was asked for."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "carapax", "--home", str(home.config_dir), *arguments]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert process.stdout is not None
    shown = b""
    with process.stdout as stream:
        for line in typed:
            shown += _until_asked(stream.fileno())
            os.write(ours, line.encode() + b"\n")
        shown += stream.read()
    code = process.wait(60)
    os.set_blocking(ours, False)
    shown += os.read(ours, 10_000) if select.select([ours], [], [], 0)[0] else b""
    os.close(ours)
    os.close(theirs)
    return code, shown.decode()


def _until_asked(stream: int) -> bytes:
    shown, until = b"", time.monotonic() + 60
    while not shown.endswith(b": "):
        assert select.select([stream], [], [], max(0.0, until - time.monotonic()))[0], shown
        more = os.read(stream, 1000)
        assert more, shown
        shown += more
    return shown


def test_at_a_terminal_it_is_asked_for_and_never_shown(home: Home) -> None:
    code, shown = at_terminal(home, "secrets", "protect", "--passphrase", typed=(RIGHT, OTHER))
    assert (code, "two different passphrases" in shown) == (1, True)
    code, shown = at_terminal(home, "secrets", "protect", "--passphrase", typed=(RIGHT, RIGHT))
    assert (code, "protected by a passphrase" in shown) == (0, True)
    code, shown_too = at_terminal(home, "secrets", "set", "a", typed=(VALUE, OTHER, RIGHT))
    assert (code, "the passphrase is not the one" in shown_too, "a is kept, version 1" in shown_too) == (0, True, True)
    assert [word for word in (RIGHT, OTHER, VALUE) if word in shown + shown_too] == []
    code, shown = at_terminal(home, "secrets", "rotate", typed=("1", "2", "3"))
    assert (code, shown.count("is not the one of")) == (1, 3)
    assert got(home, "a", RIGHT) == VALUE


def test_without_a_terminal_it_is_found_or_nothing_is_done(
    run: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("secrets", "set", "a", typed=VALUE).exit_code == 0
    done = run("secrets", "protect", "--passphrase", typed=RIGHT + "\n")
    assert (done.exit_code, done.stderr) == (0, "")
    for command in (("secrets", "set", "a"), ("secrets", "rotate"), ("serve",), ("chat", "-m", "hi"), ("models",)):
        refused = run(*command, typed="x")
        assert (refused.exit_code, "is locked with a passphrase" in refused.stderr) == (1, True)
        assert VARIABLE in refused.stderr
    assert "a  version 1" in run("secrets", "list").output
    told(OTHER, tmp_path, monkeypatch)
    assert "is not the one" in run("secrets", "rotate").stderr
    told(RIGHT, tmp_path, monkeypatch)
    assert run("secrets", "rotate").exit_code == 0
    assert run("chat", "-m", "what did I say").exit_code == 0
    assert run("secrets", "protect", "--key-file").output.startswith("the vault is protected by a key file")
    monkeypatch.delenv(VARIABLE)
    assert (got(home, "a"), run("secrets", "rotate").exit_code, got(home, "a")) == (VALUE, 0, VALUE)


def test_a_passphrase_too_short_and_no_choice_are_refused(run: Run, home: Home) -> None:
    assert run("secrets", "protect").exit_code == 2
    for typed in ("short\n", "\n", ""):
        assert "too short" in run("secrets", "protect", "--passphrase", typed=typed).stderr
    assert "the vault is empty" in run("secrets", "rotate").stderr
    assert not home.vault.exists() or not (home.vault / "vault.json").exists()


def test_the_keyring_gives_the_key_or_says_why_not(run: Run, home: Home) -> None:
    assert run("secrets", "set", "a", typed=VALUE).exit_code == 0
    refused = run("secrets", "protect", "--keyring")
    assert (refused.exit_code, "no keyring of the system" in refused.stderr) == (1, True)
    with memory_keyring() as keyring:
        done = run("secrets", "protect", "--keyring")
        assert done.output.startswith("the vault is protected by the keyring of the system")
        assert run("secrets", "set", "b", typed=VALUE).exit_code == 0
        before = list(keyring.kept)
        assert run("secrets", "rotate").exit_code == 0
        assert (len(keyring.kept), list(keyring.kept) == before) == (1, False)
        assert (got(home, "a"), got(home, "b")) == (VALUE, VALUE)
        keyring.failure = KeyringLocked()
        for command in (("secrets", "set", "a"), ("secrets", "rotate"), ("serve",)):
            refused = run(*command, typed="x")
            assert (refused.exit_code, "the keyring of the system is locked" in refused.stderr) == (1, True)
        assert "a  version 1" in run("secrets", "list").output
        keyring.failure = None
        assert run("secrets", "protect", "--key-file").exit_code == 0
        assert keyring.kept == {}
    assert got(home, "a") == VALUE


def test_a_gateway_reads_its_passphrase_from_standard_input(run: Run, home: Home) -> None:
    run("secrets", "protect", "--passphrase", typed=RIGHT + "\n")
    refused = run("serve", "--port", "0", "--passphrase-stdin", typed=OTHER + "\n")
    assert (refused.exit_code, "is not the one" in refused.stderr) == (1, True)
    command = [sys.executable, "-m", "carapax", "serve", "--port", "0", "--passphrase-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(RIGHT + "\n")
        process.stdin.flush()
        assert " is at http://" in process.stdout.readline()
        assert run("secrets", "set", "a", typed=VALUE).exit_code == 0
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert got(home, "a", RIGHT) == VALUE


def test_a_running_gateway_goes_on_whatever_becomes_of_the_protection(
    run: Run, home: Home, gateway: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        assert run("secrets", "set", name, typed=VALUE).exit_code == 0
    assert run("secrets", "rotate").exit_code == 0
    assert run("secrets", "set", "a", typed="2").exit_code == 0
    done = run("secrets", "protect", "--passphrase", typed=RIGHT + "\n")
    assert (done.exit_code, "uses the secrets that it has" in done.stderr) == (0, True)
    refused = run("secrets", "set", "a", typed="3")
    assert (refused.exit_code, "is locked with a passphrase" in refused.stderr) == (1, True)
    told(RIGHT, tmp_path, monkeypatch)
    assert run("secrets", "set", "a", typed="4").exit_code == 0
    assert (got(home, "a", RIGHT), got(home, "b", RIGHT)) == ("4", VALUE)
