"""A command line as the shell would read it: the simple commands in it, behind whatever wraps them."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from carapax.commandline.grammar import DECLARING, Grammar
from carapax.commandline.programs import only_reads, program, starts_no_other
from carapax.commandline.words import Unclear, Word
from carapax.commandline.wrappers import started
from carapax.invisible import strip

Kind = Literal["plain", "wrapper", "opaque"]

LONGEST = 100_000
_DEEPEST = 10
_MOST = 2_000
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NO_FILES = frozenset(("/dev/null", "/dev/stdout", "/dev/stderr"))
# Variables that a shell, or what it starts, goes by. A name with small letters is nobody's, but for proxies.
_SPECIAL = re.compile(
    r"(?i:.*_proxy)|BASH.*|CDPATH|CHILD_MAX|COLUMNS|COMP.*|DIRSTACK|EMACS|ENV|EXECIGNORE|FCEDIT|FIGNORE|FUNC.*|GLOB.*|GROUPS"
    r"|HIST.*|histchars|HOME|HOST.*|IFS|IGNOREEOF|INPUTRC|INSIDE_EMACS|LANG.*|LC_.*|LD_.*|DYLD_.*|LINES|MAIL.*|MAPFILE"
    r"|OLDPWD|OPT.*|PATH|PIPESTATUS|POSIXLY_CORRECT|PPID|PROMPT.*|PS[0-4]|PWD|RANDOM|READLINE.*|REPLY|SECONDS|SHELL.*|SHLVL|TERM.*"
    r"|TIMEFORMAT|TMOUT|TMPDIR|USER|auto_resume|_"
)
_HARMLESS = re.compile(r"(LC_[A-Z]+|LANG|TZ|TERM|COLUMNS|LINES|NO_COLOR|CI|DEBIAN_FRONTEND)=[\w.@:+-]*", re.A)


class Command(Struct, frozen=True):
    """A simple command with its words, the first of which names its program. A redirection from or into a file is one
    too, of two words: `<` or `>` and the file.

    kind: "plain" starts no other; a "wrapper" does nothing but start others, which are commands of the line too; an
        "opaque" one may start others that nobody can see in it
    why: what makes an opaque one so
    """

    words: tuple[Word, ...]
    kind: Kind = "plain"
    why: str = ""

    def __str__(self) -> str:
        return " ".join(map(str, self.words))


class CommandLine(Struct, frozen=True):
    """All that a command line runs, as far as that can be told.

    commands: its simple commands, those behind wrappers and in substitutions too
    unclear: what stands against knowing all of them; empty when they are all known
    functions: whether it defines some, which may start themselves without end
    """

    commands: tuple[Command, ...]
    unclear: tuple[str, ...] = ()
    functions: bool = False

    @property
    def only_reads(self) -> bool:
        """Whether it is known to do nothing but read files and tell what it read."""
        return not self.unclear and not self.functions and all(map(_only_reads, self.commands))


@lru_cache(maxsize=16)
def parse(text: str) -> CommandLine:
    """Read a command line, or a script, of sh or bash. It never fails: what cannot be told makes it unclear."""
    if len(text) > LONGEST:
        return CommandLine((), (f"it is longer than {LONGEST} characters",))
    found = _Found()
    if not text.isascii() and strip(text) != text:
        found.unclear["it has characters that nobody sees"] = None
    if _CONTROL.search(text):
        found.unclear["it has control characters"] = None
    else:
        found.script(text)
    if found.arrays and any(map(_may_expand, found.commands)):
        found.unclear["what an array is set to can run commands"] = None
    return CommandLine(tuple(found.commands), tuple(found.unclear), found.functions)


class _Found:
    """Gathers what a grammar tells, and looks behind wrappers."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.unclear: dict[str, None] = {}
        self.functions = False
        self.arrays = False
        self._depth = 0
        self._steps = 0

    def script(self, text: str) -> None:
        self._bounded()
        self._depth += 1
        if self._depth > _DEEPEST:
            self.unclear["too much is nested in it"] = None
        else:
            try:
                Grammar(text, self).read()
            except Unclear as unclear:
                self.unclear[unclear.message] = None
        self._depth -= 1

    def command(self, assigned: Sequence[Word], words: Sequence[Word]) -> None:
        self._bounded()
        for word in assigned:
            self._set(word.text + ("\0" if word.open else ""), exported=bool(words))
        if words:
            self._command(tuple(words))

    def redirection(self, writes: bool, target: Word) -> None:
        if target.text in _NO_FILES and not target.open:
            return
        if target.text.startswith("/dev/") and target.text != "/dev/fd/":
            self.unclear["it redirects to or from a device"] = None
        self.commands.append(Command((Word(">" if writes else "<"), target)))

    def function(self) -> None:
        self.functions = True

    def array(self) -> None:
        self.arrays = True

    def variable(self, name: str) -> None:
        self._set(name, exported=False)

    def _set(self, assigned: str, *, exported: bool) -> None:
        name = assigned.partition("=")[0]
        if (exported and not _HARMLESS.fullmatch(assigned)) or (not exported and _SPECIAL.fullmatch(name)):
            self.unclear[f"it sets the variable {name}, which commands may go by"] = None

    def _command(self, words: tuple[Word, ...]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            self.unclear["too much is nested in it"] = None
        else:
            try:
                self._look(words)
            except Unclear as unclear:
                self.unclear[unclear.message] = None
                self.commands.append(Command(words, "opaque", unclear.message))
        self._depth -= 1

    def _bounded(self) -> None:
        self._steps += 1
        if self._steps > _MOST:
            raise Unclear(f"it has more than {_MOST} commands")

    def _look(self, words: tuple[Word, ...]) -> None:
        first = words[0]
        if first.open:
            raise Unclear("the name of a command is only known when it runs")
        if not first.text.isascii():
            raise Unclear("the name of a command has letters that are not of the alphabet programs are named in")
        name = program(first)
        if not name:
            self.commands.append(Command(words, "opaque", f"nobody knows what {first} is"))
            return
        found = started(name, words)
        if found is None:
            known = starts_no_other(name, words[1:])
            self.commands.append(
                Command(words) if known else Command(words, "opaque", f"{name} may start other programs")
            )
            return
        self.arrays = self.arrays or found.arrays
        for assigned in found.sets:
            self._set(assigned, exported="=" in assigned)
        kind: Kind = "opaque" if found.hidden else "wrapper" if found.sees_through else "plain"
        self.commands.append(Command(words, kind, found.hidden))
        for command in found.commands:
            self._command(command)
        for script in found.scripts:
            self.script(script)


def _may_expand(command: Command) -> bool:
    """Whether it sets a variable to what, if that is an array, is expanded once more."""
    values = (Word(word.text.partition("=")[2], word.open) for word in command.words if "=" in word.text)
    return program(command.words[0]) in DECLARING and any(value.may_begin("(") for value in values)


def _only_reads(command: Command) -> bool:
    if command.kind != "plain":
        return command.kind == "wrapper"
    first = command.words[0]
    if first.text == "<":
        target = command.words[1]
        return not target.open and not target.text.startswith("/dev/")
    name = program(first)
    return only_reads(name, command.words[1:])
