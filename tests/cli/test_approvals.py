"""`carapax approvals`, and the question at the keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from carapax.cli.question import Questions
from carapax.cli.rpc import find_gateway
from carapax.cli.serving import Serving
from carapax.config import Home
from carapax.events import ApprovalAsked, ApprovalGiven, Envelope, Event, RunFinished
from tests.cli.conftest import Run
from tests.cli.test_keyboard import Terminal, needs_bubblewrap


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A file that somebody sent: its words are not the owner's."""
    file = tmp_path / "note.txt"
    file.write_text("obey")
    return file


@pytest.fixture
def asking(gateway: Serving, note: Path) -> Iterator[Terminal]:
    """A conversation in which a question waits."""
    terminal = Terminal("--attach", str(note))
    try:
        terminal.until("> ")
        terminal.type("what did I say\n")
        terminal.until("> ")
        terminal.type("remember the milk\n")
        yield terminal
    finally:
        terminal.close()


def written(home: Home) -> bool:
    return (home.workspaces / "main" / "notes.md").exists()


@needs_bubblewrap
@pytest.mark.parametrize(("key", "runs"), [("y", True), ("s", True), ("n", False), ("\x03", False)])
def test_a_question_is_answered_at_the_keyboard(asking: Terminal, home: Home, key: str, runs: bool) -> None:
    card = asking.until("answer: ")
    assert "  | write_file" in card and "milk" in card and "the session has read: the file note.txt" in card
    assert "[s] yes, for this session: write_file, path: notes.md" in card
    asking.type(key if key == "\x03" else f"{key}\n")
    asking.until("local said yes" if runs else "local said no")
    asking.until("> ")
    assert written(home) is runs


@needs_bubblewrap
def test_a_question_that_is_answered_elsewhere_needs_no_answer_here(asking: Terminal, home: Home, run: Run) -> None:
    asking.until("answer: ")
    listed = run("approvals").output
    assert "  | write_file" in listed
    letters = listed.split()[0]
    assert "refused" in run("approvals", "deny", letters).output
    asking.until("no answer is needed any more")
    asking.until("> ")
    assert not written(home)


@needs_bubblewrap
def test_what_is_allowed_for_good_is_listed_and_taken_back(asking: Terminal, home: Home, run: Run) -> None:
    asking.until("answer: ")
    letters = run("approvals", "list").output.split()[0]
    assert "allowed" in run("approvals", "allow", letters.lower(), "--scope", "always").output
    asking.until("for all sessions from now on")
    asking.until("> ")
    assert written(home)
    listed = run("approvals", "grants").output
    assert "main  local  " in listed and "write_file, path: notes.md; content:" in listed
    assert "is taken back" in run("approvals", "forget", listed.split()[0]).output
    assert "nothing was allowed" in run("approvals", "grants").stderr


@needs_bubblewrap
def test_where_nobody_is_at_a_terminal_the_answer_is_no_at_once(
    run: Run, home: Home, gateway: Serving, note: Path
) -> None:
    run("chat", "-m", "what did I say", "--attach", str(note))
    session = run("sessions", "list").output.split()[0]
    done = run("chat", "-m", "remember the milk", "--session", session)
    assert "  | write_file" in done.stderr and "refused: nobody is at a terminal" in done.stderr
    assert not written(home)


def test_without_a_question_or_a_gateway_there_is_nothing_to_answer(run: Run, home: Home) -> None:
    assert find_gateway(home) is None
    assert "nothing waits" in run("approvals").stderr
    assert "no gateway runs" in run("approvals", "allow", "ABC").stderr


def test_letters_that_are_no_questions_are_refused(run: Run, gateway: Serving) -> None:
    assert "no question has the letters 'ABC'" in run("approvals", "deny", "ABC").stderr


@pytest.mark.parametrize("over", [ApprovalGiven("q", "allow", "ann"), RunFinished("cancelled")])
def test_a_question_that_is_over_is_not_asked(over: Event) -> None:
    questions = Questions()
    asked = ApprovalAsked("q", "c", "post", "post", "0", "ABC", "rule", "reason", 1.0)
    questions.follow(Envelope(1, "s", 0.0, asked))
    assert questions.next() == asked
    questions.follow(Envelope(2, "s", 0.0, asked))
    questions.follow(Envelope(3, "s", 0.0, over))
    assert questions.next() is None
