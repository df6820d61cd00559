"""Finds calls of tools in text: blocks of code of the kind `tool_call`, each of them one JSON object."""

import json
import re

from msgspec import Struct

from carapax.models.dialect import json_text

OPENING = "```tool_call"
_LONGEST_FENCE = 200
_MOST_CUT = 8
"""How many blocks that nothing has ended are cut where they may have ended: each is read once more from there."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)", re.S)
_MAY_BE_FENCE = re.compile(r" {0,3}(`{0,2}$|~{0,2}$|`{3}|~{3})")
_NAME = re.compile(r'"name"\s*:\s*"([^"\\]+)"')


class Found(Struct, frozen=True):
    """A call that was found; `arguments` is JSON text, or what stands in the block when that is no call."""

    name: str
    arguments: str


class BlockReader:
    """Parts a text that comes in pieces into what is said and what is called. How it is cut makes no difference.

    A block begins with a line "```tool_call" and ends with a line of backticks that is not inside of a string, so that
    arguments may hold blocks themselves. What stands in a block of another kind is quoted, and calls nothing. Empty
    lines beside a call belong to neither.
    """

    def __init__(self) -> None:
        self._line: list[str] = []
        """The line that is coming, as far as it may still be a fence or stands in a block."""
        self._said = 0
        self._plain = False
        self._quoting = ""
        """The fence of the block of another kind that we are in."""
        self._newlines = 0
        self._after_call = False
        self._block: list[str] | None = None
        self._in_string = False
        self._first_end: int | None = None
        self._found: list[str | Found] = []

    def feed(self, text: str) -> list[str | Found]:
        """What is certain by now: text as it is, and calls."""
        self._go_on(text)
        return self._take()

    def finish(self) -> list[str | Found]:
        """The rest. A block that nothing has ended is a call; one that may have ended earlier did."""
        for cuts_left in reversed(range(_MOST_CUT + 1)):
            if (rest := self._end_block(whole=not cuts_left)) is None:
                break
            self._go_on(rest)
        self._say("".join(self._line)[self._said :])
        self._line.clear()
        if self._newlines and not self._after_call:
            self._found.append("\n" * self._newlines)
        return self._take()

    def _take(self) -> list[str | Found]:
        found, self._found = self._found, []
        return found

    def _go_on(self, text: str) -> None:
        *lines, last = text.split("\n")
        for line in lines:
            self._line.append(line)
            self._end_line()
        if last:
            self._line.append(last)
            self._look()

    def _end_block(self, *, whole: bool) -> str | None:
        """The text has ended: end the block we are in, and return what of it comes after its end, which is nothing if
        it is taken as a `whole`. None outside of a block."""
        if (block := self._block) is None:
            return None
        line = "".join(self._line)
        self._line.clear()
        if self._in_block(block, line):
            return None
        end = len(block) if whole or self._first_end is None else self._first_end
        self._call(block[:end])
        return "\n".join(block[end + 1 :])

    def _look(self) -> None:
        """Say what can be said of a line that is not whole."""
        if self._block is not None:
            return
        line = "".join(self._line)
        if self._plain or self._quoting or not _may_open(line):
            self._say(line[self._said :])
            self._said = len(line)
            if self._plain or len(line) > _LONGEST_FENCE or not _MAY_BE_FENCE.match(line):
                self._plain, self._said = True, 0
                self._line.clear()

    def _end_line(self) -> None:
        line, said, plain = "".join(self._line), self._said, self._plain
        self._line.clear()
        self._said, self._plain = 0, False
        if self._block is not None:
            self._in_block(self._block, line)
        elif not plain and not self._quoting and _may_open(line) and line.strip() == OPENING:
            self._block, self._in_string, self._first_end = [], False, None
        else:
            self._say(line[said:] + "\n")
            if not plain and len(line) <= _LONGEST_FENCE:
                self._quote(line)

    def _quote(self, line: str) -> None:
        """Note where a block of another kind begins and ends, as Markdown has it."""
        if not (fence := _FENCE.fullmatch(line)):
            return
        run, rest = fence[1], fence[2].strip()
        if not self._quoting:
            self._quoting = run if "`" not in rest or run[0] == "~" else ""
        elif run.startswith(self._quoting) and not rest:
            self._quoting = ""

    def _in_block(self, block: list[str], line: str) -> bool:
        """A whole line of a call; whether it ends it."""
        bare = line.strip()
        inside = bare.rstrip("`") if bare.endswith("```") else bare
        self._in_string ^= re.sub(r"\\.", "", inside).count('"') % 2 == 1
        ends = len(inside) < len(bare) and (not inside or inside.endswith("}"))
        if ends and not self._in_string:
            self._call([*block, inside])
            return True
        if ends and not inside and self._first_end is None:
            self._first_end = len(block)
        block.append(line)
        return False

    def _call(self, block: list[str]) -> None:
        self._found.append(_read("\n".join(block)))
        self._block, self._after_call, self._newlines = None, True, 0

    def _say(self, text: str) -> None:
        words = text.rstrip("\n")
        if words:
            before = 0 if self._after_call else self._newlines
            if self._after_call:
                words = words.lstrip("\n")
            self._found.append("\n" * before + words)
            self._after_call, self._newlines = False, 0
        self._newlines += len(text) - len(text.rstrip("\n"))


def _may_open(line: str) -> bool:
    """Whether a line, whole or not, may be the beginning of a call."""
    bare = line.lstrip(" ")
    if len(line) - len(bare) > 3 or len(line) > _LONGEST_FENCE:
        return False
    return OPENING.startswith(bare) or (bare.startswith(OPENING) and not bare[len(OPENING) :].strip())


def _read(block: str) -> Found:
    """The call that a block is; one that cannot be read keeps its text, so that the model is told of it."""
    try:
        found = json.loads(block, strict=False)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and isinstance(name := found.get("name"), str):
        arguments = found.get("arguments", {})
        text = arguments if isinstance(arguments, str) else json_text(arguments)
    else:
        name, text = (match[1] if (match := _NAME.search(block)) else ""), block.strip()
    return Found(_storable(name), _storable(text))


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode()
