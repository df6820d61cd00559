"""`carapax chat`."""

import hashlib
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from carapax.cli.background import Background
from carapax.cli.serving import Serving
from carapax.config import Home
from carapax.events import Envelope, Event, MessageReceived, RunFinished
from carapax.messages import Attachment
from tests.cli.conftest import Run
from tests.fakes.model_server import ModelServer

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)


@needs_bubblewrap
def test_a_command_is_run_in_the_sandbox_of_a_fresh_home(run: Run, home: Home) -> None:
    done = run("chat", "-m", "run `uname -a`")
    assert done.exit_code == 0
    assert "Linux sandbox" in done.stdout
    assert "one is started for this conversation" in done.stderr
    assert not home.run_file.exists()


@needs_bubblewrap
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "gemini"])
def test_a_model_of_any_dialect_drives_the_sandbox(run: Run, home: Home, dialect: str) -> None:
    with Background(ModelServer()) as server:
        home.config_file.write_text(
            f'[agents.main]\nmodel = "lab/fake-model"\n\n'
            f'[providers.lab]\nbase_url = "{server.url}"\ndialect = "{dialect}"\n'
        )
        done = run("chat", "-m", "run `uname -a`")
    assert done.exit_code == 0
    assert "The tool said: Linux sandbox" in done.stdout
    assert len(server.requests) == 2


def test_a_running_gateway_is_used(run: Run, gateway: Serving) -> None:
    done = run("chat", "-m", "what did I say")
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_session_is_gone_on_with(run: Run, gateway: Serving) -> None:
    run("chat", "-m", "my dog is Rex")
    session = run("sessions", "list").output.split()[0]
    assert "my dog is Rex" in run("chat", "--session", session, "-m", "what did I say").stdout


def test_events_are_printed_one_a_line(run: Run, gateway: Serving) -> None:
    lines = run("chat", "--json", "-m", "what did I say").stdout.splitlines()
    events = [msgspec.json.decode(line, type=Envelope).event for line in lines]
    assert not any(isinstance(event, MessageReceived) for event in events)
    assert events[-1] == RunFinished("done")


def test_a_message_may_come_from_standard_input(run: Run, gateway: Serving) -> None:
    assert "run `COMMAND`" in run("chat", "-m", "-", typed="help").stdout


def test_bytes_that_are_no_text_are_replaced_wherever_they_come_from(run: Run, gateway: Serving) -> None:
    run("chat", "-m", "-", typed=b"caf\xe9")
    run("chat", "-m", "caf\udce9")
    run("chat", typed=b"caf\xe9\n")
    assert run("sessions", "list").output.count("caf\ufffd") == 3


def test_lines_are_messages_of_one_session(run: Run, gateway: Serving) -> None:
    done = run("chat", typed="my dog is Rex\n\nwhat did I say\n/nothing\n/sessions\n/new\nhelp\n/quit\nnot said\n")
    assert done.exit_code == 0
    assert "my dog is Rex" in done.stdout
    assert "there is no /nothing" in done.stderr
    assert len(run("sessions", "list").output.splitlines()) == 2


def test_what_cannot_be_is_told(run: Run, gateway: Serving) -> None:
    for arguments in (["--session", "missing"], ["--agent", "nobody"]):
        done = run("chat", "-m", "hi", *arguments)
        assert done.exit_code == 1
        assert "Error: there is no" in done.stderr


def test_files_go_along_with_a_message(run: Run, gateway: Serving, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("milk")
    done = run("chat", "-m", "what is in it?", "--attach", str(note), "--json")
    assert done.exit_code == 0
    session = run("sessions", "list").output.split()[0]
    shown = run("sessions", "replay", session, "--json").stdout.splitlines()
    received = [event for line in shown if isinstance(event := _event(line), MessageReceived)]
    digest = hashlib.sha256(b"milk").hexdigest()
    assert received[0].attachments == (Attachment("note.txt", "text/plain", digest, 4),)
    typed = f"/attach {note}\nand this\n/quit\n"
    assert "note.txt goes along with the next message (text/plain)" in run("chat", typed=typed).stdout
    refused = run("chat", "-m", "and this?", "--attach", str(tmp_path / "none.txt"))
    assert refused.exit_code != 0
    assert "none.txt cannot be read: No such file" in refused.stderr


def _event(line: str) -> Event:
    return msgspec.json.decode(line, type=Envelope).event
