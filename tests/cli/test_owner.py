"""`carapax owner`."""

import asyncio
import os
from pathlib import Path

import pytest

from carapax.cli.serving import Serving
from carapax.clock import SystemClock
from carapax.config import Home
from carapax.store.audit import Actor
from carapax.store.database import Database
from carapax.store.owner import OwnerRecord, Passkey, Verifier
from carapax.store.signins import SignIns
from carapax.store.sqlite import open_database
from tests.cli.conftest import Run

WORDS = "correct horse battery\n"
FREE = "no credential is left: every program of this machine may use the gateway\n"


def plant(home: Home) -> None:
    """A passkey, and two browsers that are in."""

    async def write(database: Database) -> None:
        clock, owner = SystemClock(), Actor("owner", "", "192.0.2.7")
        await OwnerRecord(database, clock).add(Verifier(Passkey("cA", "phone", "localhost", 1.5), b"k", 0), owner)
        for _ in range(2):
            await SignIns(database, clock).create("passkey", owner, browser="Firefox")

    async def opened() -> None:
        database = await open_database(home.database_file)
        try:
            await write(database)
        finally:
            await database.close()

    asyncio.run(opened())


def password_and_the_rest(home: Home, run: Run) -> None:
    assert run("owner", "password", typed="too short\n").exit_code == 1
    done = run("owner", "password", typed=WORDS)
    assert (done.exit_code, done.stdout) == (0, "the password is set; who was signed in with another is out\n")
    plant(home)
    assert "cA  phone  localhost  made " in run("owner", "passkeys").stdout
    listed = run("owner", "signins").stdout.splitlines()
    assert ["  passkey  Firefox" in line and "192.0.2.7  seen " in line for line in listed] == [True, True]
    assert run("owner", "signins", "--end", listed[0].split()[0]).output == "signed out: 1\n"
    assert run("owner", "signins", "--end-all").output == "signed out: 1\n"
    assert run("owner", "signins").output == "nobody is signed in\n"
    assert run("owner", "passkeys", "--remove", "cB").exit_code == 1
    assert run("owner", "passkeys", "--remove", "cA").output == "the passkey is removed\n"
    assert run("owner", "passkeys").output == "no passkeys: the page makes them\n"
    refused = run("owner", "password", typed="")
    assert (refused.exit_code, "too short" in refused.output) == (1, True)
    assert run("owner", "password", "--remove").output == "the password is removed\n" + FREE


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (("owner", "password"), WORDS),
        (("token", "create"), None),
        (("config", "set", "log.level", "debug"), None),
        (("secrets", "set", "a"), "value\n"),
        (("agents", "persona", "main", "--stdin"), "calm\n"),
        (("models", "refresh"), None),
        (("tls", "trust"), None),
    ],
)
@pytest.mark.parametrize("begun", [True, False])
def test_root_writes_nothing_into_the_home_of_another_user(
    home: Home, run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], typed: str | None, begun: bool
) -> None:
    if begun:
        assert run("token", "create").exit_code == run("secrets", "set", "b", typed="value\n").exit_code == 0
        assert run("tls", "ca").exit_code == 0
    before = [home.config_dir, *home.config_dir.rglob("*")]
    if os.geteuid() == 0:
        for each in before:
            os.chown(each, 4711, 4711)
    held = {each: each.stat().st_mtime_ns for each in before}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    refused = run(*words, typed=typed)
    assert refused.exit_code == 1
    assert "is of another user" in refused.output
    assert "run this as that user" in refused.output
    assert {each: each.stat().st_mtime_ns for each in (home.config_dir, *home.config_dir.rglob("*"))} == held


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of others")
def test_a_home_is_roots_whose_empty_folder_another_user_gave(tmp_path: Path, run: Run) -> None:
    (given := tmp_path / "given").mkdir()
    os.chown(given, 4711, 4711)
    assert [run("--home", str(given), "token", "create").exit_code for _ in range(2)] == [0, 0]
    assert {each.stat().st_uid for each in given.rglob("*")} == {0}
    os.chown(given / "carapax.toml", 4711, 4711)
    assert "is of another user (4711)" in run("--home", str(given), "token", "create").output


def test_a_running_gateway_is_told(home: Home, gateway: Serving, run: Run) -> None:
    password_and_the_rest(home, run)


def test_without_a_gateway_the_home_is_changed(home: Home, run: Run) -> None:
    assert run("token", "create").exit_code == 0
    token = run("token", "list").output.split()[0]
    assert run("token", "revoke", token).exit_code == 0
    password_and_the_rest(home, run)


def test_a_setup_code_comes_from_a_running_gateway(home: Home, run: Run) -> None:
    done = run("owner", "code")
    assert done.exit_code == 1
    assert "no gateway runs on this home" in done.stderr


def test_a_new_setup_code_is_printed_alone_on_standard_output(home: Home, gateway: Serving, run: Run) -> None:
    done = run("owner", "code")
    port = gateway.running.url.rpartition(":")[2]
    assert done.stderr == f"open http://localhost:{port}/#/setup and type the code\n"
    assert len(done.stdout.strip()) == 9 and done.stdout[4] == "-"
    assert gateway.setup is not None and done.stdout.strip() != gateway.setup.reveal()
