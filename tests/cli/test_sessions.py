"""`carapax sessions`."""

import msgspec
import pytest

from carapax.config import Home
from carapax.events import Envelope
from tests.cli.conftest import Run


@pytest.fixture
def session(run: Run) -> str:
    assert run("chat", "-m", "what did I say").exit_code == 0
    return str(run("sessions", "list").output.split()[0])


def test_sessions_are_listed(run: Run, session: str) -> None:
    assert run("sessions", "list").output.split()[3:5] == ["idle", "main"]
    listed = msgspec.json.decode(run("sessions", "list", "--json").output)
    assert (listed["id"], listed["title"]) == (session, "what did I say")


def test_a_conversation_is_shown(run: Run, session: str) -> None:
    lines = run("sessions", "show", session).output.splitlines()
    assert lines[2] == "> what did I say"
    assert len(lines) > 3


def test_a_replay_prints_every_event_in_order(run: Run, session: str) -> None:
    lines = run("sessions", "replay", session).output.splitlines()
    assert [line.split()[0] for line in lines] == [str(seq) for seq in range(1, len(lines) + 1)]
    assert [line.split()[3] for line in lines][:2] == ["session_started", "message_received"]
    as_json = run("sessions", "replay", session, "--json", "--speed", "1000").output.splitlines()
    assert [msgspec.json.decode(line, type=Envelope).seq for line in as_json] == list(range(1, len(lines) + 1))


def test_a_fork_goes_on_from_where_it_was_cut(run: Run, session: str) -> None:
    fork = run("sessions", "fork", session, "--at", "2").output.strip()
    assert run("sessions", "replay", fork).output.splitlines()[0].split()[3] == "session_started"
    assert run("chat", "--session", fork, "-m", "what did I say").exit_code == 0


def test_an_exported_session_can_be_imported(run: Run, session: str, home: Home) -> None:
    file = home.data_dir / "session.jsonl"
    assert run("sessions", "export", session, "-o", str(file)).exit_code == 0
    copy = run("sessions", "import", str(file)).output.strip()
    shown = [run("sessions", "show", name).output.split("\n", 1)[1] for name in (session, copy)]
    assert shown[0] == shown[1]
    again = run("sessions", "import", "-", typed=file.read_text())
    assert again.exit_code == 0


def test_a_file_that_is_no_session_is_refused_with_its_line(run: Run, session: str) -> None:
    done = run("sessions", "import", "-", typed='{"no": "session"}\n')
    assert done.exit_code == 1
    assert "line 1" in done.stderr


def test_a_session_that_does_not_exist_is_named(run: Run, session: str) -> None:
    for command in ("show", "replay", "export", "fork"):
        done = run("sessions", command, "missing")
        assert (done.exit_code, "'missing'" in done.stderr) == (1, True)
