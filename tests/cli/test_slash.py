"""The commands inside of a conversation."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carapax.api.session import Sessions
from carapax.cli.background import Background
from carapax.cli.conversation import converse
from carapax.cli.question import Questions
from carapax.cli.rpc import Gateway
from carapax.cli.serving import Serving
from carapax.cli.slash import COMMANDS, Slash
from carapax.errors import CarapaxError

Obey = Callable[[str], str]


@pytest.fixture
def obey(gateway: Serving) -> Iterator[Obey]:
    """Say something, or do what a line with a slash says."""
    background = Background(converse(gateway.running, "", "", ""))
    with background as conversation:
        slash = Slash(conversation, Questions(), lambda number: "")

        def do(line: str) -> str:
            if line.startswith("/"):
                return background.run(slash.obey(line))
            return background.run(conversation.say(line, lambda envelope: None)).text

        yield do


def test_every_command_is_there_and_in_the_help(obey: Obey) -> None:
    shown = obey("/help")
    assert all(told.usage in shown for told in COMMANDS.values())
    for name in COMMANDS.keys() - {"/quit"}:
        assert callable(getattr(Slash, f"_{name[1:]}"))


def test_the_model_is_told_and_chosen(obey: Obey) -> None:
    assert "the model is demo/demo" in obey("/model")
    assert "from now on the model is demo/other" in obey("/model demo/other")
    assert "the model is demo/other" in obey("/model")
    obey("/model default")
    obey("hello")
    assert "from now on the model is demo/demo" in obey("/model demo/demo")
    assert "the model is demo/demo" in obey("/model")
    assert "from now on the model is that of the agent" in obey("/model default")


def test_who_answers_is_chosen_in_a_session_and_for_the_next_one(obey: Obey, gateway: Serving) -> None:
    assert obey("/agent main") == "from now on main answers"
    obey("hello")
    asked = Gateway(gateway.running)
    change = {"path": ["agents", "second"], "value": {"model": "demo/demo", "sandbox": "local"}}
    asked.call("config.set", {"changes": [change]}, dict[str, object])
    assert obey("/agent second") == "from now on second answers"
    obey("hello again")
    assert [one.agent for one in asked.call("session.list", {}, Sessions).sessions] == ["second"]


def test_how_hard_the_model_thinks_is_chosen(obey: Obey) -> None:
    assert obey("/think high") == "from the next run on the model thinks: high"
    assert obey("/think default") == "from the next run on the model thinks: default"
    with pytest.raises(CarapaxError, match="says how hard the model thinks"):
        obey("/think hard")


def test_a_session_is_named_found_copied_and_summed_up(obey: Obey) -> None:
    obey("my dog is Rex")
    assert obey("/title dogs") == "the session is called dogs"
    session = obey("/sessions dogs").split()[0]
    assert obey("/sessions cats") == "there are none"
    assert "this is a copy: session" in obey("/fork")
    assert obey("/new") == "a new session begins with what you say next"
    assert obey(f"/session {session}") == f"session {session} dogs"
    assert "0.00 USD" in obey("/cost")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/nothing", "there is no /nothing"),
        ("/fork", "there is no session yet"),
        ("/compact", "there is no session yet"),
        ("/agent nobody", "there is no agent 'nobody'"),
        ("/session \x1b[2J", "has no control characters"),
        ("/attach /no/such/file", "cannot be read"),
        ("/show x", "'x' is no number"),
        ("/approve maybe", "answers what the agent asks"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_to_do(obey: Obey, line: str, why: str) -> None:
    with pytest.raises(CarapaxError, match=why):
        obey(line)


def test_a_file_with_blanks_in_its_name_goes_along(obey: Obey, tmp_path: Path) -> None:
    (tmp_path / "a cat.txt").write_text("meow")
    for written in (f"/attach {tmp_path}/a cat.txt", f"/attach '{tmp_path}/a cat.txt'"):
        assert obey(written) == "a cat.txt goes along with the next message (text/plain)"


def test_where_nothing_waits_there_is_nothing_to_answer_or_unfold(obey: Obey) -> None:
    assert obey("/approve") == "nothing waits for an answer here"
    assert obey("/show 3") == "nothing is folded there"
    assert obey("/stop") == ""
    assert "main" in obey("/agent")
