"""Words of a command line: quotes taken away, and what is only known when it runs told apart.

A backslash before a line end, characters that nobody sees, arithmetic with names, and whatever else shells read in more
than one way raises Unclear.
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec import Struct

from carapax.errors import CarapaxError

Open = Literal["", "one", "some", "any"]

_DEEPEST = 40
_OPENINGS: tuple[Open, ...] = ("", "one", "some", "any")
_EXACT, _ONE, _SOME, _ANY = range(4)
_BLANK = re.compile(r"(?:[ \t]|\\\n)*(?:#[^\n]*)?")
_RUN = re.compile(r"""[^ \t\n|&;()<>\\'"`$*?\[{~]+""")
_DOUBLE_RUN = re.compile(r'[^"\\$`]+')
_BODY_RUN = re.compile(r"[^\\$`]+")
_BRACED_RUN = re.compile(r"""[^}\\'"`$<>]+""")
_ENDS = " \t\n|&;()<>"
_BACKTICKS = re.compile(r"`([^`\\]*(?:\\.[^`\\]*)*)`", re.S)
_NAME = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])")
_ARITHMETIC = re.compile(r"\$\(\([0-9 \t+\-*/%<>=!&|^~?:,]*\)\)")
_PARAMETER = re.compile(
    r"\$\{#?(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-])(?:\[(?:[0-9]+|[@*])\])?(?::[ ]?-?[0-9]+(?::-?[0-9]+)?(?=\}))?"
)
_OPERATOR = re.compile(r":?[-+?]|##?|%%?|//?|\^\^?|,,?")
_DELIMITER = re.compile(r"""(?:'([^'\n]+)'|"([^"\\$`\n]+)"|\\([\w.+@%-]+)|([\w.+@%-]+))(?=[ \t\n|&;()<>]|\Z)""", re.A)
_ESCAPED = {False: re.compile(r"\\([$`\\])"), True: re.compile(r'\\([$`\\"])')}


class Unclear(CarapaxError):
    """What the shell would make of it cannot be told for sure; the message says why."""


class Word(Struct, frozen=True):
    """A word as a program gets it.

    An exact one has no `open`. Of others only the beginning is known before they run, which is `text`: "one" stands for
    a single word, "some" for one or more that all begin so, "any" for any number of words, the first of which begins
    so.
    """

    text: str
    open: Open = ""

    @property
    def is_one(self) -> bool:
        """Whether it is a single word when it runs."""
        return self.open in ("", "one")

    def may_begin(self, signs: str) -> bool:
        """Whether it, or a further word that it becomes, may begin with one of these signs when it runs."""
        return self.open == "any" or (self.text[0] in signs if self.text else self.open != "")

    def __str__(self) -> str:
        return self.text + "…" if self.open else self.text


class _HereDocument(NamedTuple):
    delimiter: str
    indented: bool
    quoted: bool


class Words:
    """Reads words from `text`, at `at`.

    `commands` is called at the beginning of a substitution, to read on to its closing parenthesis; `script` is called
    with the text of one in backticks.
    """

    def __init__(self, text: str, commands: Callable[[], None], script: Callable[[str], None]) -> None:
        self.text = text
        self.at = 0
        self._commands = commands
        self._script = script
        self._depth = 0
        self._awaited: list[_HereDocument] = []

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def blank(self) -> None:
        """Skip blanks and a comment."""
        found = _BLANK.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def deeper(self) -> None:
        """Raises Unclear when so much is nested that no person wrote it; `shallower` takes it back."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unclear("too much is nested in it")

    def shallower(self) -> None:
        self._depth -= 1

    def word(self) -> Word:
        """The word that begins here."""
        run = _RUN.match(self.text, self.at)
        if run and self.text[run.end() : run.end() + 1] in _ENDS and not self._substitutes(run.end()):
            self.at = run.end()
            return Word(run[0])
        start, known, opening = self.at, [], _EXACT
        while (char := self.peek()) and (char not in _ENDS or self._substitutes(self.at)):
            if run := _RUN.match(self.text, self.at):
                self.at = run.end()
                piece, more = run[0], _EXACT
            else:
                piece, more = self._special(char, start)
            if not opening:
                known.append(piece)
            opening = max(opening, more)
        if self._awaited and "\n" in self.text[start : self.at]:
            raise Unclear("a here-document begins on a line that ends within quotes")
        return Word("".join(known), _OPENINGS[opening])

    def line_end(self) -> None:
        """Skip a line end, and the here-documents that follow it; what is substituted in them is read."""
        self.at += 1
        awaited, self._awaited = self._awaited, []
        for document in awaited:
            self._here_document(document)

    def here_document(self, indented: bool) -> None:
        """Read the word that ends a here-document which begins after this line."""
        self.blank()
        found = _DELIMITER.match(self.text, self.at)
        if found is None:
            raise Unclear("a here-document ends with a word that is hard to read")
        self.at = found.end()
        self._awaited.append(_HereDocument(found[found.lastindex or 0], indented, found.lastindex != 4))

    def finish(self) -> None:
        """Raises Unclear for a here-document that never began."""
        if self._awaited:
            raise Unclear("a here-document has no text")

    def _here_document(self, document: _HereDocument) -> None:
        start = self.at
        while self.at < len(self.text):
            begin = self.at
            end = self.text.find("\n", begin)
            end = len(self.text) if end < 0 else end
            line = self.text[begin:end]
            self.at = min(end + 1, len(self.text))
            if (line.lstrip("\t") if document.indented else line) == document.delimiter:
                after = self.at
                if not document.quoted:
                    self._body(start, begin)
                self.at = after
                return
        raise Unclear(f"the here-document does not end with {document.delimiter}")

    def _body(self, start: int, end: int) -> None:
        if "\\\n" in self.text[start:end]:
            raise Unclear("a line of a here-document goes on after its end")
        self.at = start
        while self.at < end:
            if run := _BODY_RUN.match(self.text, self.at, end):
                self.at = run.end()
            elif self.peek() == "\\":
                self.at += 2
            elif self.peek() == "$":
                self._dollar(quoted=True)
            else:
                self._backticks(quoted=True)
        if self.at > end:
            raise Unclear("a substitution goes on after the end of its here-document")

    def _substitutes(self, at: int) -> bool:
        return self.text[at : at + 2] in ("<(", ">(")

    def _special(self, char: str, start: int) -> tuple[str, int]:
        """What a character with a meaning of its own brings to a word: text as far as it is known, and how open."""
        match char:
            case "\\":
                return self._escaped(), _EXACT
            case "'":
                return self._single(), _EXACT
            case '"':
                return self._double()
            case "$":
                return self._dollar(quoted=False)
            case "`":
                return self._backticks(quoted=False)
            case "<" | ">":
                self.at += 2
                self._nested()
                return "/dev/fd/", _ONE
        return self._sign(char, start)

    def _sign(self, char: str, start: int) -> tuple[str, int]:
        """A character of a pattern, a list in braces, or a home folder; or only itself."""
        before = self.text[self.at - 1 : self.at]
        after = self.text[self.at + 1 : self.at + 2]
        self.at += 1
        if char == "~":
            return ("", _ONE) if self.at - 1 == start or before in "=:" else ("~", _EXACT)
        if char == "{" and after == "}":
            self.at += 1
            return "{}", _EXACT
        if char == "[" and after in _ENDS:
            return "[", _EXACT
        return "", _SOME

    def _escaped(self) -> str:
        char = self.text[self.at + 1 : self.at + 2]
        if char in ("", "\n"):
            raise Unclear("a word goes on in the next line")
        self.at += 2
        return char

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise Unclear("a quote is not closed")
        piece = self.text[self.at + 1 : end]
        self.at = end + 1
        return piece

    def _double(self) -> tuple[str, int]:
        self.at += 1
        known, opening = [], _EXACT
        while (char := self.peek()) != '"':
            if run := _DOUBLE_RUN.match(self.text, self.at):
                self.at = run.end()
                piece, more = run[0], _EXACT
            elif char == "$":
                piece, more = self._dollar(quoted=True)
            elif char == "`":
                piece, more = self._backticks(quoted=True)
            else:
                piece, more = self._escaped_in_quotes(), _EXACT
            if not opening:
                known.append(piece)
            opening = max(opening, more)
        self.at += 1
        return "".join(known), opening

    def _escaped_in_quotes(self) -> str:
        after = self.text[self.at + 1 : self.at + 2]
        if not after:
            raise Unclear("a quote is not closed")
        self.at += 2
        if after == "\n":
            return ""
        return after if after in '$`"\\' else "\\" + after

    def _dollar(self, *, quoted: bool) -> tuple[str, int]:
        self.deeper()
        try:
            return self._expansion(quoted)
        finally:
            self.shallower()

    def _expansion(self, quoted: bool) -> tuple[str, int]:
        opening = _ONE if quoted else _ANY
        after = self.text[self.at + 1 : self.at + 2]
        if after == "(":
            if self.text.startswith("$((", self.at):
                self._arithmetic()
            else:
                self.at += 2
                self._nested()
        elif after == "{":
            opening = max(opening, self._parameter(quoted))
        elif named := _NAME.match(self.text, self.at):
            self.at = named.end()
            opening = _ANY if named[0] == "$@" else opening
        elif after and after in "\\[":
            raise Unclear("what follows a dollar sign is hard to read")
        elif not quoted and after in ("'", '"') and after:
            return self._dollar_quoted(after)
        else:
            self.at += 1
            return "$", _EXACT
        return "", opening

    def _dollar_quoted(self, quote: str) -> tuple[str, int]:
        self.at += 1
        text = self._double()[0] if quote == '"' else self._single()
        if quote == "'" and text.endswith("\\"):
            raise Unclear("shells read this quote in different ways")
        return "", _ANY if quote == '"' else _ONE

    def _arithmetic(self) -> None:
        found = _ARITHMETIC.match(self.text, self.at)
        if found is None:
            raise Unclear("arithmetic with names can run commands")
        self.at = found.end()

    def _parameter(self, quoted: bool) -> int:
        found = _PARAMETER.match(self.text, self.at)
        if found is None:
            raise Unclear("an expansion in braces is hard to read")
        self.at = found.end()
        if operator := _OPERATOR.match(self.text, self.at):
            self.at = operator.end()
            self._braced(quoted)
        elif self.peek() == "}":
            self.at += 1
        else:
            raise Unclear("an expansion in braces is hard to read")
        return _ANY if "@" in found[0] else _ONE

    def _braced(self, quoted: bool) -> None:
        """The rest of an expansion, up to its closing brace."""
        while (char := self.peek()) != "}":
            if run := _BRACED_RUN.match(self.text, self.at):
                self.at = run.end()
            elif char == "$":
                self._dollar(quoted=quoted)
            elif char in "<>" and char and not self._substitutes(self.at):
                self.at += 1
            elif char in ("'", '"', "<", ">", "") and (quoted or char in ("<", ">", "")):
                raise Unclear("shells read quotes within such an expansion in different ways")
            else:
                self._special(char, self.at)
        self.at += 1

    def _backticks(self, *, quoted: bool) -> tuple[str, int]:
        found = _BACKTICKS.match(self.text, self.at)
        if found is None:
            raise Unclear("a backtick is not closed")
        if self._awaited:
            raise Unclear("a here-document begins on the line of a substitution")
        self.at = found.end()
        self._script(_ESCAPED[quoted].sub(r"\1", found[1]))
        return "", _ONE if quoted else _ANY

    def _nested(self) -> None:
        outer, self._awaited = self._awaited, []
        start = self.at
        self.deeper()
        self._commands()
        self.shallower()
        self.finish()
        if outer and self.text.find("\n", start, self.at) >= 0:
            raise Unclear("a here-document begins on a line that ends within a substitution")
        self._awaited = outer
