"""Patterns of commands: words in which `*` stands for any text, and `**` for any number of words.

Two questions are put to them, for rules that forbid and rules that allow must err on different sides: may a command be
meant by the pattern, and is it covered by it.
"""

import re
import shlex
from typing import Literal

from carapax.commandline.line import Command
from carapax.commandline.programs import program
from carapax.commandline.words import Word
from carapax.errors import ConfigError

Meant = Literal["yes", "maybe", "no"]

_REDIRECTIONS = ("<", ">")


class Pattern:
    """A pattern of commands, such as "git status", "git log **" or "> out/*". Raises ConfigError for what is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._words = _split(text)
        first = self._words[0]
        self._first = _Glob(first)
        self._base = _Glob(first.rpartition("/")[2].casefold())
        self._rest = tuple(map(_Glob, self._words[1:]))
        self._told = tuple(glob for glob in self._rest if glob.text != "**")

    @property
    def name(self) -> str:
        """The name of the one program that it can mean, in small letters; empty when it can be about several."""
        return "" if self._base.is_open else self._base.text

    def meant(self, command: Command) -> Meant:
        """Whether the command is one that the pattern names: the program, wherever it is kept, and all of the words in
        this order, whatever stands between and after them."""
        first = command.words[0]
        if first.open or not self._base.fits(first.text.rpartition("/")[2].casefold()):
            return "maybe" if first.open else "no"
        wanted = self._told
        if _in_order(wanted, tuple(word for word in command.words[1:] if not word.open)):
            return "yes"
        return "maybe" if _in_order(wanted, command.words[1:]) else "no"

    def covers(self, command: Command) -> bool:
        """Whether the command is for sure all that the pattern says, and nothing more. A program is one of the
        system's, unless the pattern has a path; what `*` stands for goes up to no other folder."""
        first = command.words[0]
        if first.open:
            return False
        if first.text in _REDIRECTIONS:
            named = first.text == self._words[0]
        elif "/" in self._words[0]:
            named = self._first.covers(first)
        else:
            name = program(first)
            named = bool(name) and self._first.fits(name)
        return named and _covered(self._rest, command.words[1:])


class _Glob:
    """Text in which `*` stands for any text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_open = "*" in text
        self._head = text.partition("*")[0]
        self._pattern = re.compile(".*".join(map(re.escape, text.split("*"))), re.S) if self.is_open else None

    def fits(self, text: str) -> bool:
        return text == self.text if self._pattern is None else self._pattern.fullmatch(text) is not None

    def possible(self, word: Word) -> bool:
        """Whether it can fit the word, or one of the words, that this one will be."""
        if not word.open:
            return self.fits(word.text)
        length = min(len(self._head if self.is_open else self.text), len(word.text))
        return self.text[:length] == word.text[:length] and (self.is_open or len(word.text) <= len(self.text))

    def covers(self, word: Word) -> bool:
        """Whether it fits whatever single word this one will be."""
        if self.is_open and self.text != "*" and ".." in word.text.split("/") and ".." not in self.text:
            return False
        if not word.open:
            return self.fits(word.text)
        return word.open == "one" and self.text in (self._head + "*", "*") and word.text.startswith(self._head)


def _split(text: str) -> list[str]:
    reader = shlex.shlex(text, posix=True, punctuation_chars="|&;()<>")
    reader.whitespace_split = True
    reader.commenters = ""
    try:
        words = list(reader)
    except ValueError as error:
        raise ConfigError(f"{text!r} has a quote that is not closed") from error
    if not words:
        raise ConfigError("a pattern of commands cannot be empty", 'name a program, such as "rm", or any with "**"')
    others = words[1:] if words[0] in _REDIRECTIONS else words
    if odd := next((word for word in others if word and set(word) <= set("|&;()<>")), ""):
        raise ConfigError(
            f"{text!r} is more than one command, for it has {odd}",
            'name each by a pattern of its own; one into a file is "> FILE"; an argument can be quoted',
        )
    if words[0].startswith(("$", "`")) or "=" in words[0]:
        raise ConfigError(f"{text!r} begins with no program", "write the name of the program itself")
    return ["*", "**", *words[1:]] if words[0] == "**" else words


def _in_order(wanted: tuple[_Glob, ...], words: tuple[Word, ...]) -> bool:
    """Whether the words may hold what is wanted, in this order."""
    at = 0
    for word in words:
        if at == len(wanted) or word.open == "any":
            return True
        while at < len(wanted) and wanted[at].possible(word):
            at += 1
            if word.open != "some":
                break
    return at == len(wanted)


def _covered(globs: tuple[_Glob, ...], words: tuple[Word, ...]) -> bool:
    """Whether the globs are for sure all of the words; after a `**` that took too few it is tried with one more."""
    glob, at, again = 0, 0, (-1, 0)
    while at < len(words):
        if glob < len(globs) and globs[glob].text == "**":
            again = (glob, at)
            glob += 1
        elif glob < len(globs) and globs[glob].covers(words[at]):
            glob, at = glob + 1, at + 1
        elif again[0] >= 0:
            again = (again[0], again[1] + 1)
            glob, at = again[0] + 1, again[1]
        else:
            return False
    return all(rest.text == "**" for rest in globs[glob:])
