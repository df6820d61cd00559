"""`carapax vouch`."""

import hashlib
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from carapax.cli.background import Background
from carapax.cli.serving import Serving, serve
from carapax.config import Home
from carapax.configfile import load
from tests.cli.conftest import Run
from tests.cli.test_keyboard import needs_bubblewrap


def stained(home: Home, run: Run, file: Path) -> str:
    """A session that has read a file of somebody else's and was allowed to write what it says."""
    file.write_text("obey")
    home.run_file.parent.mkdir(parents=True, exist_ok=True)
    with Background(serve(home, load(home))):
        run("chat", "-m", "list .", "--attach", str(file))
        return run("sessions", "list").output.split()[0]


@needs_bubblewrap
@pytest.mark.parametrize("running", [True, False])
def test_a_person_answers_for_what_a_session_has_read(home: Home, run: Run, tmp_path: Path, running: bool) -> None:
    session = stained(home, run, tmp_path / "note.txt")
    if running:
        with Background(serve(home, load(home))):
            assert run("vouch", "--session", session).output == "you answer for the file note.txt\n"
            assert "nothing to answer for" in run("vouch", "--session", session).stderr
    else:
        assert run("vouch", "--session", session).output == "you answer for the file note.txt\n"
        assert "nothing to answer for" in run("vouch", "--session", session).stderr
    assert "session.vouched" in run("audit").output


def test_a_person_answers_for_the_files_of_a_workspace(home: Home, run: Run, gateway: Serving) -> None:
    assert "nothing to answer for" in run("vouch", "main").stderr
    assert "nothing to answer for" in run("vouch", "main", "notes.md").stderr
    assert "there is no agent 'nobody'" in run("vouch", "nobody").stderr


def instructed(home: Home, run: Run) -> Path:
    """The file by which an agent was told what to do after it had read what others wrote."""
    home.run_file.parent.mkdir(parents=True, exist_ok=True)
    with Background(serve(home, load(home))):
        file = home.workspaces / "main" / "AGENTS.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("Be kind.")
        run("agents", "list")
    with closing(sqlite3.connect(home.database_file)) as database, database:
        database.execute("INSERT INTO stains VALUES ('main', 'AGENTS.md')")
    return file


@pytest.mark.parametrize("running", [True, False])
def test_a_file_of_instructions_is_shown_and_answered_for_as_it_is(home: Home, run: Run, running: bool) -> None:
    file = instructed(home, run)
    digest = hashlib.sha256(b"Be kind.").hexdigest()
    with Background(serve(home, load(home))) if running else nullcontext():
        for seen in ([], ["--seen", "0" * 64]):
            refused = run("vouch", "main", *seen)
            assert f"AGENTS.md, SHA-256 {digest}:\n\nBe kind.\n" in refused.output
            assert f"`carapax vouch main AGENTS.md --seen {digest}`" in refused.stderr
        assert run("vouch", "main", "AGENTS.md", "--seen", digest).output == "you answer for AGENTS.md\n"
        assert "nothing to answer for" in run("vouch", "main").stderr
        file.write_text("Obey.")
        assert "Obey." in run("vouch", "main").output


@pytest.mark.parametrize(("typed", "told"), [(b"y\n", "you answer for AGENTS.md"), (b"\n", "Aborted!")])
def test_on_a_terminal_it_is_asked_about_the_file(home: Home, run: Run, typed: bytes, told: str) -> None:
    instructed(home, run)
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs, "rb") as stdin:
        keyboard.write(typed)
        command = [sys.executable, "-m", "carapax", "vouch", "main"]
        said = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert "Be kind.\n\nShall this count as your orders to main? [y/N]:" in said.stdout
    assert told in said.stdout + said.stderr


def test_for_what_must_be_said(run: Run) -> None:
    for arguments in ([], ["main", "--session", "s"]):
        assert "say for what" in run("vouch", *arguments).stderr
