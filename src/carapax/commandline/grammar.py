"""The grammar of a shell's script: it tells each simple command in it, wherever it stands."""

import re
from typing import Protocol

from carapax.commandline.words import Unclear, Word, Words

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=")
_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[")
_REDIRECTION = re.compile(r"[0-9]*(<<<|<<-|<<|<>|<&|<(?!\()|>>|>\||>&|>(?!\()|&>>|&>)")
_SEPARATOR = re.compile(r"&&|\|\||;;&|;&|;;|\|&|[;&|\n]")
_KEYWORD = re.compile(
    r"(?:if|then|elif|else|fi|for|while|until|do|done|case|esac|select|function|time|coproc|\[\[|[{}!])"
    r"(?=[ \t\n|&;()<>]|\Z)"
)
_WORD_END = re.compile(r"[ \t\n|&;()<>]|\Z")
_TIME_OPTION = re.compile(r"-[p-](?=[ \t\n|&;()<>]|\Z)")
_FUNCTION = re.compile(r"\([ \t]*\)")
_DUPLICATE = re.compile(r"[0-9]+-?|-")
_CASE_END = frozenset((";;", ";&", ";;&", "esac"))
DECLARING = frozenset(("declare", "typeset", "local", "readonly", "export"))
_ARITHMETIC_TESTS = frozenset(("-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"))


class Found(Protocol):
    """Is told what a script has in it."""

    def command(self, assigned: list[Word], words: list[Word]) -> None:
        """A simple command: assignments, each with its name and "=", and words; one of both may be empty."""
        ...

    def redirection(self, writes: bool, target: Word) -> None:
        """A redirection from or into what may be a file."""
        ...

    def variable(self, name: str) -> None:
        """A variable that a loop sets."""
        ...

    def array(self) -> None:
        """An array is made."""
        ...

    def script(self, text: str) -> None:
        """A script within the script."""
        ...

    def function(self) -> None:
        """A function is defined, which may call itself."""
        ...


class Grammar:
    """Reads a script to its end. Raises Unclear where it cannot be told what a shell would make of it; what was told
    before that stands in the script all the same."""

    def __init__(self, text: str, found: Found) -> None:
        self._found = found
        self._words = Words(text, lambda: self._substituted(), found.script)

    def read(self) -> None:
        self._list(frozenset(("",)))
        self._words.finish()

    def _substituted(self) -> None:
        self._list(frozenset((")",)))

    def _list(self, ends: frozenset[str]) -> str:
        """Read commands up to one of `ends`: an operator, a keyword, or the end of all; and return which."""
        words = self._words
        words.deeper()
        while True:
            self._lines()
            if (end := self._end(ends)) is not None:
                break
            self._command()
            words.blank()
            separator = _SEPARATOR.match(words.text, words.at)
            if separator and separator[0] == "\n":
                words.line_end()
            elif separator and separator[0] in ends:
                words.at = separator.end()
                end = separator[0]
                break
            elif separator and separator[0][:2] not in (";;", ";&"):
                words.at = separator.end()
            elif words.peek() not in ("", ")"):
                raise Unclear(f"it has {words.peek()} where none can stand")
        words.shallower()
        return end

    def _end(self, ends: frozenset[str]) -> str | None:
        words = self._words
        char = words.peek()
        if char in ("", ")"):
            if char not in ends:
                raise Unclear("it has a parenthesis too many" if char else "it ends too early")
            words.at += len(char)
            return char
        if (keyword := self._keyword()) in ends:
            words.at += len(keyword)
            return keyword
        if separator := _SEPARATOR.match(words.text, words.at):
            if separator[0] not in ends:
                raise Unclear(f"it has {separator[0]} where none can stand")
            words.at = separator.end()
            return separator[0]
        return None

    def _lines(self) -> None:
        words = self._words
        words.blank()
        while words.peek() == "\n":
            words.line_end()
            words.blank()

    def _keyword(self) -> str:
        found = _KEYWORD.match(self._words.text, self._words.at)
        return found[0] if found else "-"

    def _command(self) -> None:
        words = self._words
        keyword = self._keyword()
        while keyword in ("!", "time"):
            words.at += len(keyword)
            words.blank()
            while keyword == "time" and (option := _TIME_OPTION.match(words.text, words.at)):
                words.at = option.end()
                words.blank()
            keyword = self._keyword()
        if keyword == "-" and words.peek() != "(":
            self._simple()
            return
        self._compound(keyword)
        words.blank()
        while redirection := _REDIRECTION.match(words.text, words.at):
            self._redirection(redirection)
            words.blank()

    def _compound(self, keyword: str) -> None:
        words = self._words
        if keyword == "-":
            words.at += 1
            if words.peek() == "(":
                raise Unclear("arithmetic with names can run commands")
            self._list(frozenset((")",)))
            return
        words.at += len(keyword)
        match keyword:
            case "{":
                self._list(frozenset(("}",)))
            case "if":
                end = "elif"
                while end == "elif":
                    self._list(frozenset(("then",)))
                    end = self._list(frozenset(("elif", "else", "fi")))
                if end == "else":
                    self._list(frozenset(("fi",)))
            case "while" | "until":
                self._list(frozenset(("do",)))
                self._list(frozenset(("done",)))
            case "for":
                self._for()
            case "case":
                self._case()
            case "function":
                words.blank()
                words.word()
                words.blank()
                self._function()
            case "[[":
                self._test()
            case _:
                raise Unclear(f"it has {keyword} where none can stand")

    def _for(self) -> None:
        words = self._words
        words.blank()
        name = words.word()
        if name.open or not name.text.isidentifier() or not name.text.isascii():
            raise Unclear("it has a loop that is hard to read")
        self._found.variable(name.text)
        self._lines()
        if words.text.startswith("in", words.at) and _WORD_END.match(words.text, words.at + 2):
            words.at += 2
            words.blank()
            while words.peek() not in ("", "\n", ";"):
                self._operand()
        if words.peek() == ";":
            words.at += 1
        self._lines()
        if self._keyword() != "do":
            raise Unclear("it has a loop that is hard to read")
        words.at += 2
        self._list(frozenset(("done",)))

    def _case(self) -> None:
        words = self._words
        words.blank()
        self._operand()
        self._lines()
        if not (words.text.startswith("in", words.at) and _WORD_END.match(words.text, words.at + 2)):
            raise Unclear("it has a case that is hard to read")
        words.at += 2
        end = ""
        while end != "esac":
            self._lines()
            if self._keyword() == "esac":
                words.at += 4
                return
            if words.peek() == "(":
                words.at += 1
                words.blank()
            self._operand()
            while words.peek() == "|":
                words.at += 1
                words.blank()
                self._operand()
            if words.peek() != ")":
                raise Unclear("it has a case that is hard to read")
            words.at += 1
            end = self._list(_CASE_END)

    def _operand(self) -> Word:
        """A word, and the blanks after it."""
        words = self._words
        before = words.at
        word = words.word()
        if words.at == before:
            raise Unclear(f"it has {words.peek() or 'an end'} where none can stand")
        words.blank()
        return word

    def _test(self) -> None:
        """A test in double brackets. Shells that know none would take its operators for those between commands."""
        words = self._words
        words.blank()
        operands: list[Word] = []
        while not operands or operands[-1] != Word("]]"):
            operands.append(self._operand())
        if any(word.text in _ARITHMETIC_TESTS for word in operands) and not all(map(_is_plain, operands[:-1])):
            raise Unclear("arithmetic with names can run commands")
        self._found.command([], [Word("[["), *operands])

    def _function(self) -> None:
        words = self._words
        if parentheses := _FUNCTION.match(words.text, words.at):
            words.at = parentheses.end()
        self._found.function()
        self._lines()
        keyword = self._keyword()
        if words.peek() != "(" and keyword not in ("{", "if", "while", "until", "for", "case"):
            raise Unclear("it has a function that is hard to read")
        self._command()

    def _simple(self) -> None:
        words = self._words
        text = words.text
        assigned: list[Word] = []
        said: list[Word] = []
        ambiguous = declares = False
        while True:
            words.blank()
            if redirection := _REDIRECTION.match(text, words.at):
                ambiguous = ambiguous or redirection[1].startswith("&")
                self._redirection(redirection)
                continue
            if words.peek() in ("", "\n", ";", "&", "|", "(", ")"):
                break
            if ambiguous:
                raise Unclear("shells read what follows &> in different ways")
            assignment = _ASSIGNMENT.match(text, words.at) if declares or not said else None
            if assignment and said:
                said.append(self._assignment(assignment))
            elif said:
                said.append(words.word())
            elif assignment:
                assigned.append(self._assignment(assignment))
            elif _ELEMENT.match(text, words.at):
                raise Unclear("arithmetic with names can run commands")
            else:
                start = words.at
                said.append(words.word())
                declares = text[start : words.at] in DECLARING
        if words.peek() == "(":
            if len(said) != 1 or assigned or not _FUNCTION.match(text, words.at):
                raise Unclear("it has ( where none can stand")
            self._function()
        elif said or assigned:
            self._found.command(assigned, said)

    def _assignment(self, found: re.Match[str]) -> Word:
        """NAME=, with the value as far as it is known."""
        words = self._words
        words.at = found.end()
        if words.peek() == "(":
            words.at += 1
            self._lines()
            while words.peek() != ")":
                self._operand()
                self._lines()
            words.at += 1
            self._found.array()
            return Word(found[1] + "=", "one")
        value = Word("") if _WORD_END.match(words.text, words.at) and not self._substitutes() else words.word()
        return Word(f"{found[1]}={value.text}", "one" if value.open else "")

    def _substitutes(self) -> bool:
        return self._words.text.startswith(("<(", ">("), self._words.at)

    def _redirection(self, found: re.Match[str]) -> None:
        words = self._words
        words.at = found.end()
        operator = found[1]
        if operator in ("<<", "<<-"):
            words.here_document(indented=operator == "<<-")
            return
        words.blank()
        target = self._target()
        if operator == "<<<" or (operator in ("<&", ">&") and not target.open and _DUPLICATE.fullmatch(target.text)):
            return
        self._found.redirection(operator not in ("<", "<&"), target)

    def _target(self) -> Word:
        before = self._words.at
        target = self._words.word()
        if self._words.at == before:
            raise Unclear("a redirection leads nowhere")
        return target


def _is_plain(word: Word) -> bool:
    return not word.open and (word.text in _ARITHMETIC_TESTS or re.fullmatch("-?[0-9]{1,18}", word.text) is not None)
