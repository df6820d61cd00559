"""Completion of what is typed in a conversation: commands, the words they take, and files."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from carapax.cli.slash import COMMANDS, EFFORTS
from carapax.cli.terminal import one_line

Words = Mapping[str, Sequence[tuple[str, str]]]
_FIXED: Words = {
    "effort": [(effort, "") for effort in EFFORTS],
    "answer": [("once", ""), ("session", ""), ("always", ""), ("no", "")],
}


class SlashCompleter(Completer):
    """`words` gives by kind ("agent", "model", "session") what is known, each with what it means."""

    def __init__(self, words: Callable[[str], Sequence[tuple[str, str]]]) -> None:
        self._words = words
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        line = document.text_before_cursor
        if not line.startswith("/") or "\n" in line:
            return
        name, blank, rest = line.partition(" ")
        if not blank:
            for command, told in COMMANDS.items():
                if command.startswith(name):
                    yield Completion(command, -len(name), display_meta=told.meaning)
        elif name in COMMANDS:
            yield from self._of(COMMANDS[name].word, rest, complete_event)

    def _of(self, kind: str, typed: str, event: CompleteEvent) -> Iterable[Completion]:
        if kind == "file":
            for path in self._paths.get_completions(Document(typed, len(typed)), event):
                yield Completion(path.text, path.start_position, display=one_line(path.display_text, 60))
            return
        for word, meaning in _FIXED.get(kind) or self._words(kind):
            if typed.lower() in word.lower():
                yield Completion(word, -len(typed), display=one_line(word, 60), display_meta=one_line(meaning, 60))
