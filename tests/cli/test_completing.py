"""Completion of what is typed in a conversation."""

from pathlib import Path

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from carapax.cli.completing import SlashCompleter
from carapax.cli.slash import COMMANDS

WORDS = {"agent": [("main", "does all"), ("cook", "")], "model": [("lab/big\x1b[2J", "")]}


def completed(line: str) -> list[str]:
    completer = SlashCompleter(lambda kind: WORDS.get(kind, ()))
    return [one.text for one in completer.get_completions(Document(line, len(line)), CompleteEvent())]


def test_commands_are_completed() -> None:
    assert completed("/") == list(COMMANDS)
    assert completed("/mo") == ["/model"]
    assert completed("/nothing x") == []


def test_words_are_completed_wherever_they_hold_what_is_typed() -> None:
    assert completed("/agent ") == ["main", "cook"]
    assert completed("/agent OO") == ["cook"]
    assert completed("/think h") == ["high"]
    assert completed("/model big") == ["lab/big\x1b[2J"]


def test_files_are_completed(tmp_path: Path) -> None:
    (tmp_path / "cat.png").touch()
    assert completed(f"/attach {tmp_path}/ca") == ["t.png"]


def test_what_the_menu_shows_cannot_command_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "cat\u202e\x1b[2J.png").touch()
    line = f"/attach {tmp_path}/"
    completer = SlashCompleter(lambda kind: WORDS.get(kind, ()))
    (shown,) = completer.get_completions(Document(line, len(line)), CompleteEvent())
    assert (shown.display_text, shown.text) == ("cat\\u{202e}\\x1b[2J.png", "cat\u202e\x1b[2J.png")


def test_what_is_said_is_not_completed() -> None:
    assert completed("say /mo") == completed("/model\n/mo") == []
