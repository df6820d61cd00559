"""Saying something and hearing what comes of it."""

import os
import shutil
from pathlib import Path

import pytest

from carapax.cli.background import Background
from carapax.cli.conversation import converse
from carapax.cli.serving import Serving
from carapax.errors import InvalidRequest
from carapax.events import Envelope, MessageReceived, ToolCalled

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)
WAIT_S = 20


def test_a_conversation_is_one_session(gateway: Serving) -> None:
    shown: list[Envelope] = []
    background = Background(converse(gateway.running, "", "", ""))
    with background as conversation:
        first = background.start(conversation.say("my dog is Rex", shown.append)).result(WAIT_S)
        second = background.start(conversation.say("what did I say", shown.append)).result(WAIT_S)
    assert (first.finish, second.finish) == ("done", "done")
    assert "my dog is Rex" in second.text
    assert {envelope.session for envelope in shown} == {conversation.session}
    assert not any(isinstance(envelope.event, MessageReceived) for envelope in shown)


@needs_bubblewrap
def test_a_run_can_be_stopped_from_outside(gateway: Serving) -> None:
    background = Background(converse(gateway.running, "", "", ""))
    with background as conversation:

        def stop_at_the_call(envelope: Envelope) -> None:
            if isinstance(envelope.event, ToolCalled):
                background.start(conversation.cancel())

        saying = background.start(conversation.say("run `sleep 60`", stop_at_the_call))
        assert saying.result(WAIT_S).finish == "cancelled"


@pytest.mark.parametrize("odd", ["/dev/zero", "/dev/tty", "fifo", "folder"])
def test_what_has_no_end_or_is_no_file_does_not_go_along(gateway: Serving, tmp_path: Path, odd: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    background = Background(converse(gateway.running, "", "", ""))
    with background as conversation, pytest.raises(InvalidRequest, match=r"is no file|cannot be read"):
        background.start(conversation.attach(tmp_path / odd)).result(WAIT_S)
