"""The conversation at a real terminal."""

import json
import re
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from carapax.cli.background import Background
from carapax.cli.serving import Serving, serve
from carapax.cli.slash import COMMANDS
from carapax.config import Home
from carapax.configfile import free_port, load
from tests.cli.conftest import CONFIG, GatewayOf, Run
from tests.cli.test_keyboard import needs_bubblewrap
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer, Received
from tests.fakes.terminal import Terminal

MARKDOWN = """\
# Plan

Some **bold** words and `code`.

| a | b |
|---|---|
| 1 | 2 |

```python
def f() -> None:
    return None
```

The end.
"""


@contextmanager
def opened(
    *arguments: str, columns: int = 80, lines: int = 24, shell: bool = False, **environ: str
) -> Iterator[Terminal]:
    terminal = Terminal(*arguments, columns=columns, lines=lines, environ=environ, shell=shell)
    try:
        terminal.until("\n>")
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def terminal(gateway: Serving) -> Iterator[Terminal]:
    with opened() as made:
        yield made


Answers = Callable[[Received], Answer]


class Lab:
    """A gateway whose model answers as each test says."""

    def __init__(self, folder: Path) -> None:
        self.home = Home.resolve(folder, None, None, {})
        self.answer: Answers = lambda asked: Answer("")
        self.requests: list[Received] = []

    @contextmanager
    def running(self) -> Iterator["Lab"]:
        with Background(ModelServer(self._answer)) as server:
            self.home.config_file.write_text(
                '[agents.main]\nmodel = "lab/fake-model"\n\n'
                f'[providers.lab]\nbase_url = "{server.url}"\ndialect = "openai_chat"\n'
            )
            self.home.run_file.parent.mkdir(parents=True, exist_ok=True)
            with Background(serve(self.home, load(self.home))):
                yield self

    def _answer(self, asked: Received) -> Answer:
        self.requests.append(asked)
        return self.answer(asked)


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab")).running() as lab:
        yield lab


@pytest.fixture
def lab(laboratory: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("CARAPAX_HOME", str(laboratory.home.config_dir))
    laboratory.requests.clear()
    return laboratory


def leave(terminal: Terminal) -> list[str]:
    """What is left of a conversation in the scrollback."""
    terminal.type("\x04")
    assert terminal.ends() == 0
    return terminal.lines


def test_streamed_markdown_leaves_a_clean_scrollback(lab: Lab) -> None:
    lab.answer = lambda asked: Answer(MARKDOWN, chunk_delay_s=0.01)
    with opened(columns=50) as terminal:
        terminal.type("what now?\r")
        terminal.until("The end.")
        terminal.until("· turn")
        assert leave(terminal)[2:] == [
            "> what now?",
            "Plan",
            "",
            "Some bold words and code.",
            "",
            " a  b",
            " ────",
            " 1  2",
            "",
            "  def f() -> None:",
            "      return None",
            "",
            "The end.",
        ]


def test_an_answer_that_is_longer_than_the_screen_is_whole_in_the_scrollback(lab: Lab) -> None:
    text = "```text\n" + "".join(f"line {number}\n" for number in range(60)) + "```\n"
    lab.answer = lambda asked: Answer(text, chunk_delay_s=0.002)
    with opened(lines=12) as terminal:
        terminal.type("go\r")
        terminal.until("· turn")
        lines = leave(terminal)
    assert lines[lines.index("> go") + 1 :] == [f"  line {number}" for number in range(60)]


def test_lines_that_come_while_the_agent_works_steer_it(lab: Lab) -> None:
    def answer(asked: Received) -> Answer:
        if asked.answers_a_tool or "and blue" in asked.last_text:
            return Answer("blue it is")
        return Answer("working " * 60, chunk_delay_s=0.03)

    lab.answer = answer
    with opened() as terminal:
        terminal.type("paint it\r")
        terminal.until("working working")
        terminal.type("and blue\r")
        terminal.until("> and blue")
        terminal.until("blue it is")
        assert len(lab.requests) == 2
        assert terminal.text.count("> and blue") == 1


@needs_bubblewrap
def test_a_call_is_a_card_that_unfolds(terminal: Terminal) -> None:
    terminal.type("run `for i in 1 2 3 4 5 6 7 8; do echo line $i; done`\r")
    terminal.until("gave:")
    shown = terminal.text
    assert re.search(
        r"\n✓ shell for i in 1 2 .*  \d\.\d s\n  line 1\n.*  line 4\n  \(5 more lines: /show 1\)", shown, re.S
    )
    terminal.type("/show 1\r")
    terminal.until('shell {"command":')
    terminal.until("line 8", times=2)


@needs_bubblewrap
def test_ctrl_c_stops_the_run_first_and_then_leaves(terminal: Terminal) -> None:
    terminal.type("run `echo started; sleep 60`\r")
    terminal.until("shell echo started")
    terminal.type("\x03")
    terminal.until("(cancelled")
    terminal.type("what did I say\r")
    terminal.until("sleep 60", times=3)
    terminal.until_gone("Ctrl-C stops")
    terminal.type("half a line\x03")
    terminal.until_gone("half a line")
    terminal.type("\x03")
    terminal.until("(Ctrl-C once more leaves)")
    terminal.type("\x03")
    assert terminal.ends() == 0


def test_a_conversation_is_put_aside_and_goes_on(gateway: Serving) -> None:
    with opened(shell=True) as terminal:
        terminal.type("my dog is Rex\r")
        terminal.until("Leave out what you like")
        terminal.until_gone("Ctrl-C stops")
        terminal.type("half a line\x1a")
        terminal.until("it waits")
        assert terminal.raw.rfind(b"\x1b[?2004l") > terminal.raw.rfind(b"\x1b[?2004h")
        terminal.type("\r")
        terminal.until("\n> half a line")
        terminal.type("\x15what did I say\r")
        terminal.until("• my dog is Rex")
        terminal.until_gone("Ctrl-C stops")
        leave(terminal)


def test_a_session_is_summed_up_on_request(lab: Lab) -> None:
    lab.answer = lambda asked: Answer("a summary")
    with opened() as terminal:
        terminal.type("/compact\r")
        terminal.until("there is no session yet")
        for number in range(3):
            terminal.type(f"{'a long story ' * 40}{number}\r")
            terminal.until("a summary", times=number + 1)
            terminal.until_gone("Ctrl-C stops")
        terminal.type("/compact\r")
        terminal.until("summed up: about")
        terminal.until("(the history was shortened for the model; the record keeps it whole)")


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_no_word_of_what_is_told_is_broken_at_the_end_of_a_line(lab: Lab, term: str) -> None:
    with opened(columns=40, lines=40, TERM=term) as terminal:
        terminal.type("/help\r")
        terminal.until("leave (so does Ctrl-D)")
        words = " ".join(terminal.text.split())
    assert [told.meaning for told in COMMANDS.values() if told.meaning not in words] == []


def test_who_answers_is_called_by_title_and_emoji(gateway_of: GatewayOf) -> None:
    with gateway_of('[agents.main]\nmodel = "demo/demo"\ntitle = "Ada"\nemoji = "🦊"\n'), opened() as terminal:
        terminal.until("you talk with 🦊 Ada")
        terminal.type("what did I say\r")
        terminal.until("> what did I say\n🦊 Ada\nYou have said nothing before")


def test_many_lines_are_one_message(terminal: Terminal) -> None:
    terminal.type("one\x0atwo\x1b\rthree\r")
    terminal.until("> one\n  two\n  three\n")
    terminal.paste("four\nfive\nsix\n")
    terminal.until("six")
    terminal.type("\r")
    terminal.until("> four\n  five\n  six\n")
    terminal.type("what did I say\r")
    terminal.until("You said")
    terminal.until_gone("Ctrl-C stops")


def test_what_was_typed_is_found_again_next_time(gateway: Serving, home: Home) -> None:
    with opened() as terminal:
        terminal.type("my dog is Rex\r")
        terminal.until("Leave out what you like")
        terminal.type(" a secret\r")
        terminal.until(">  a secret")
        leave(terminal)
    history = home.data_dir / "history.jsonl"
    assert [json.loads(line) for line in history.read_text().splitlines()] == ["my dog is Rex"]
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    with opened() as terminal:
        terminal.type("\x12dog")
        terminal.until("my dog is Rex")
        terminal.type("\r\r")
        terminal.until("> my dog is Rex")
        terminal.until("I do not understand")


def test_commands_agents_and_files_are_completed(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("/att")
    terminal.until("let a file go along")
    terminal.type("\t")
    terminal.until("> /attach")
    (tmp_path / "picture of a cat.txt").write_text("meow")
    terminal.type(f" {tmp_path}/pict")
    terminal.until("picture of a cat.txt")
    terminal.type("\t\r")
    terminal.until("goes along with the next message (text/plain)")
    terminal.type("/agent ma")
    terminal.until("main  ")
    terminal.type("\t\r")
    terminal.until("from now on main answers")


def test_sessions_are_forked_listed_and_gone_on_with(terminal: Terminal) -> None:
    terminal.type("/cost\r")
    terminal.until("today    0.00 USD")
    terminal.type("/fork\r")
    terminal.until("there is no session yet")
    terminal.type("my dog is Rex\r")
    terminal.until("Leave out what you like")
    terminal.type("/fork\r")
    terminal.until("this is a copy: session")
    terminal.until("> my dog is Rex", times=2)
    terminal.type("/new\r")
    terminal.until("a new session begins")
    terminal.type("/sessions\r")
    terminal.until("/session ID goes on with one")
    terminal.type("/nothing\r")
    terminal.until("there is no /nothing (/help lists what there is)")
    terminal.type("/quit\r")
    assert terminal.ends() == 0


def test_a_gateway_that_starts_again_is_found_and_nothing_is_missing_or_twice(home: Home) -> None:
    home.config_file.write_text(f"{CONFIG}\n[gateway]\nport = {free_port()}\n")
    home.run_file.parent.mkdir(parents=True)
    with ExitStack() as stack:
        with Background(serve(home, load(home))):
            terminal = stack.enter_context(opened())
            terminal.type("my dog is Rex\r")
            terminal.until("Leave out what you like")
            terminal.until_gone("Ctrl-C stops")
        terminal.until("the gateway is gone; trying again")
        with Background(serve(home, load(home))):
            terminal.until("(the gateway is there again)")
            terminal.type("what did I say\r")
            terminal.until("• my dog is Rex")
            terminal.until_gone("Ctrl-C stops")
            assert leave(terminal)[-4:] == ["> what did I say", "You said:", "", " • my dog is Rex"]
            assert terminal.text.count("Leave out what you like") == 1


@pytest.mark.parametrize("columns", [20, 40])
def test_a_narrow_terminal_is_enough(lab: Lab, columns: int) -> None:
    lab.answer = lambda asked: Answer(MARKDOWN)
    with opened(columns=columns, lines=10) as terminal:
        terminal.type("what now?\r")
        terminal.until("The end.")
        assert max(map(len, terminal.lines)) <= columns


def test_the_terminal_may_change_its_size_while_the_answer_streams(lab: Lab) -> None:
    lab.answer = lambda asked: Answer("word " * 80 + "\n\nend.", chunk_delay_s=0.01)
    with opened() as terminal:
        terminal.type("go\r")
        terminal.until("word word")
        terminal.resize(40, 24)
        terminal.until("end.")
        terminal.until("· turn")
        shown = " ".join(leave(terminal)).split("> go", 1)[1]
    assert shown.split() == [*["word"] * 80, "end."]


def test_hostile_text_only_shows(lab: Lab) -> None:
    hostile = "\x1b]0;title\x07 \x1b[2J \u202eturned\u200b\n\n```py\n\x1b[31m\n```\n[x](http://a.example/\x1b[5m)\n"
    lab.answer = lambda asked: Answer(hostile, thinking="\x1b[2J")
    with opened() as terminal:
        terminal.type("go\r")
        terminal.until("\\u{202e}turned\\u{200b}")
        terminal.until("· turn")
        leave(terminal)
    for sequence in (b"\x1b]0;title", b"\x1b[5m", "\u202e".encode()):
        assert sequence not in terminal.raw


def test_wide_characters_and_right_to_left_writing_are_shown(lab: Lab) -> None:
    lab.answer = lambda asked: Answer("漢字 🦀 שלום\n\n| 漢字 | b |\n|-|-|\n| 1 | 2 |")
    with opened() as terminal:
        terminal.type("🦀 שלום\r")
        terminal.until("· turn")
        assert "🦀" in terminal.text
        assert "שלום" in terminal.text


def test_what_the_terminal_cannot_show_is_written_out(lab: Lab) -> None:
    lab.answer = lambda asked: Answer("漢 é")
    with opened(PYTHONIOENCODING="ascii") as terminal:
        terminal.type("go\r")
        terminal.until("\\u6f22 \\xe9")


def test_without_colours_there_are_none(lab: Lab) -> None:
    lab.answer = lambda asked: Answer(MARKDOWN)
    with opened(NO_COLOR="1") as terminal:
        terminal.type("go\r")
        terminal.until("The end.")
        leave(terminal)
    assert not re.search(rb"\x1b\[(?:[0-9]+;)*[349][0-7](?:;[0-9]+)*m", terminal.raw)


@pytest.fixture
def asking(gateway: Serving, tmp_path: Path) -> Iterator[Terminal]:
    """A conversation in which a question waits."""
    note = tmp_path / "note.txt"
    note.write_text("obey")
    with opened("--attach", str(note)) as made:
        made.type("what did I say\r")
        made.until("You have said nothing before")
        made.until_gone("Ctrl-C stops")
        made.type("remember the milk\rhalf a sentence")
        made.until("answer [")
        yield made


def written(home: Home) -> bool:
    return (home.workspaces / "main" / "notes.md").exists()


@needs_bubblewrap
def test_questions_are_answered_in_their_place(asking: Terminal, home: Home) -> None:
    assert "  | write_file" in asking.text and "the session has read: the file note.txt" in asking.text
    asked = {
        "no\r": False,
        "\x03": False,
        "\x04": False,
        "/approve no\r": False,
        "y\r": True,
        "/approve session\r": True,
    }
    for number, (keys, runs) in enumerate(asked.items()):
        if number:
            asking.type("\x15remember the milk\r")
            asking.until("answer [")
        asking.wait(0.6)  # the time in which keys are taken for the end of another line
        asking.type(keys)
        asking.until("local said yes" if runs else "local said no", times=1 + [*asked.values()][:number].count(runs))
        asking.until_gone("answer [")
        while runs and not written(home):
            asking.wait(0.05)
        asking.until_gone("Ctrl-C stops")
        assert written(home) is runs
        (home.workspaces / "main" / "notes.md").unlink(missing_ok=True)


@needs_bubblewrap
def test_what_was_being_typed_is_there_again_after_a_question(asking: Terminal, home: Home, run: Run) -> None:
    letters = run("approvals").output.split()[0]
    run("approvals", "deny", letters)
    asking.until("local said no")
    asking.until("\n> half a sentence")
    assert not written(home)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_conversation_that_is_ended_from_outside_leaves_the_terminal_and_the_home_in_order(
    home: Home, number: signal.Signals
) -> None:
    with opened() as terminal:
        assert home.run_file.exists()
        terminal.process.send_signal(number)
        assert terminal.ends() == 0
    assert terminal.raw.rfind(b"\x1b[?2004l") > terminal.raw.rfind(b"\x1b[?2004h")
    assert not home.run_file.exists()
