"""Markdown for a terminal: cut into blocks while it comes in, and each block painted once it is whole."""

import io
import re
from itertools import pairwise
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text
from rich.theme import Theme

from carapax.cli.terminal import clean
from carapax.cli.wrapping import wrap

_THEME = Theme(
    {
        "markdown.h1": "bold underline",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.h4": "bold italic",
        "markdown.code": "bold cyan",
        "markdown.block_quote": "italic",
        "markdown.item.bullet": "cyan",
        "markdown.item.number": "cyan",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
        "markdown.hr": "dim",
    }
)
_HIGHLIGHTED = frozenset(
    [
        "bash",
        "c",
        "c++",
        "console",
        "cpp",
        "css",
        "diff",
        "dockerfile",
        "go",
        "html",
        "ini",
        "java",
        "javascript",
        "js",
        "json",
        "jsx",
        "kotlin",
        "lua",
        "make",
        "makefile",
        "markdown",
        "md",
        "nix",
        "perl",
        "php",
        "powershell",
        "python",
        "py",
        "rb",
        "ruby",
        "rs",
        "rust",
        "scala",
        "sh",
        "shell",
        "sql",
        "swift",
        "toml",
        "ts",
        "tsx",
        "typescript",
        "xml",
        "yaml",
        "yml",
        "zsh",
    ]
)
_MOST_HIGHLIGHTED = 50_000
_MOST_PAINTED = 20_000
_MOST_CODE = 200_000
_MOST_PARSED = 16_000
_DEEPEST = 50
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_BLANK_ENDS = re.compile(r"^(?:(?:\x1b\[[0-9;]*m)*\n)+|(?:\n(?:\x1b\[[0-9;]*m)*)+$")
_TRAILING = re.compile(r"[ ]+((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)


def _parser() -> MarkdownIt:
    """CommonMark with tables; tags of HTML are only text."""
    return MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST}).enable(["table", "strikethrough"])


class Blocks:
    """A text that comes in pieces. What comes out does not depend on how it was cut into pieces: a block is out when
    another one has begun below it, and `rest` is what has not come out yet."""

    def __init__(self) -> None:
        self.rest = ""
        self._parser = _parser().disable("inline")
        self._look_at = 0

    def add(self, text: str) -> None:
        self.rest += text

    def whole(self) -> list[str]:
        """The blocks that are whole and did not come out yet."""
        if len(self.rest) < self._look_at:
            return []
        blocks = self._cut(self.rest[: self.rest.rfind("\n") + 1])
        self._look_at = len(self.rest) + (
            0 if blocks else len(self.rest) // (16 if len(self.rest) < _MOST_PAINTED else 4)
        )
        return blocks

    def end(self) -> list[str]:
        """All that is left; the next text begins anew."""
        blocks = self._cut(self.rest)
        last, self.rest, self._look_at = self.rest, "", 0
        return [*blocks, last] if last.strip() else blocks

    def _cut(self, text: str) -> list[str]:
        """Take the blocks off the rest that end in `text`, its whole lines. They are looked for in a part of it after
        the other, and a block longer than a part is cut: looking costs more than in proportion."""
        tail = self.rest[len(text) :]
        blocks: list[str] = []
        is_done = False
        while not is_done:
            part = _beginning(text)
            is_last = len(part) == len(text)
            starts, head = _starts(self._parser, part), ""
            if not starts and not is_last:
                starts, head = _within(self._parser, part)
            if not starts and not is_last:
                part = text
                starts = _starts(self._parser, part)[:1]
            lines = part.split("\n")
            for begun, start in pairwise([0, *starts]):
                blocks.append("\n".join(lines[begun:start]) + "\n")
                text = text[len(blocks[-1]) :]
            text = head + text
            is_done = not starts or (is_last and len(text) <= _MOST_PARSED)
        self.rest = text + tail
        return blocks


def _beginning(text: str) -> str:
    """The lines that are parsed at once."""
    if len(text) <= _MOST_PARSED:
        return text
    end = text.rfind("\n", 0, _MOST_PARSED) + 1 or text.find("\n", _MOST_PARSED) + 1
    return text[:end] if end else text


def _parsed(parser: MarkdownIt, text: str) -> list[tuple[Token, int, int]]:
    """What stands there, with the lines at which each begins and ends."""
    tokens = parser.parse(clean(text).replace("\t", "    "), {})
    return [(token, token.map[0], token.map[1]) for token in tokens if token.map]


def _starts(parser: MarkdownIt, text: str) -> list[int]:
    """The lines at which blocks of the outermost level begin, after the first."""
    return [begun for token, begun, _ in _parsed(parser, text) if token.level == 0 and token.nesting >= 0][1:]


def _within(parser: MarkdownIt, text: str) -> tuple[list[int], str]:
    """The line before which a block that goes on is cut: where the outermost of its parts begins that begin in its
    second half, an item, a row; else at its end. None within a fence that is all of it. With it what the rest has to
    begin with: a table goes on below its header, unless that is long itself."""
    parsed = _parsed(parser, text)
    *lines, _ = text.split("\n")
    later = [(token.level, -begun) for token, begun, _ in parsed if begun > len(lines) // 2]
    place = -min(later)[1] if later else len(lines)
    for token, begun, end in parsed:
        if token.type == "fence" and begun < place <= end:
            place = begun
        if token.type == "table_open" and begun + 2 < place <= end:
            head = "\n".join(lines[begun : begun + 2]) + "\n"
            return [place], head if len(head) < _MOST_PARSED // 4 else ""
    return [place] if place else [], ""


def paint(block: str, width: int, *, colours: bool, styles: bool = True) -> str:
    """A block of Markdown in lines of at most `width` cells. Without `colours` it is only bold or underlined, without
    `styles` not even that. Nothing that the text says commands the terminal. What would take long to paint stays as
    it was written; so does, in lines, what would lose words: it is nested too deep, or the terminal is too narrow."""
    if len(block) > (_MOST_CODE if block.lstrip().startswith(("```", "~~~")) else _MOST_PAINTED):
        return clean(block).rstrip("\n")
    page = _Page(clean(block))
    sheet = io.StringIO()
    console = Console(
        file=sheet,
        width=max(8, width),
        height=25,
        theme=_THEME,
        force_terminal=styles,
        color_system="standard" if styles else None,
        no_color=not colours,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
        force_jupyter=False,
        _environ={},
    )
    console.print(page, end="")
    if page.is_too_deep or _letters(_STYLE.sub("", sheet.getvalue())) < page.letters:
        return _plain(block, width)
    return _BLANK_ENDS.sub("", _only_styles(_TRAILING.sub(r"\1", sheet.getvalue())))


def _plain(block: str, width: int) -> str:
    return wrap(clean(block).rstrip("\n").expandtabs(4), width)


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _only_styles(text: str) -> str:
    """The text with no escape sequence but those of style; rich writes no others, and this makes sure."""
    parts = _STYLE.split(text)
    styles = [*_STYLE.findall(text), ""]
    return "".join(clean(part) + style for part, style in zip(parts, styles, strict=True))


class _Page(Markdown):
    """Links show where they lead, and pictures what they are called and where they are."""

    elements: ClassVar = {**Markdown.elements}

    def __init__(self, text: str) -> None:
        super().__init__("", code_theme="ansi_dark", hyperlinks=False)
        self.parsed = _parser().parse(text)
        for token in self.parsed:
            if token.children:
                token.children = _written(token.children)

    @property
    def is_too_deep(self) -> bool:
        """Whether the parser has left something out."""
        return max((token.level for token in self.parsed), default=0) >= _DEEPEST - 1

    @property
    def letters(self) -> int:
        """How many there are to be shown."""
        return sum(_letters(part.content) for token in self.parsed for part in token.children or [token])


class _Code(CodeBlock):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip("\n")
        known = self.lexer_name.lower() in _HIGHLIGHTED and len(code) <= _MOST_HIGHLIGHTED
        lexer = self.lexer_name.lower() if known else "text"
        yield Padding(Syntax(code, lexer, theme=self.theme, word_wrap=True, background_color="default"), (0, 0, 0, 2))


class _Heading(Heading):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text.copy() if isinstance(self.text, Text) else self.text


_Page.elements |= {"fence": _Code, "code_block": _Code, "heading_open": _Heading}


def _written(tokens: list[Token]) -> list[Token]:
    """The tokens of a line with links and pictures as text."""
    out: list[Token] = []
    open_links: list[tuple[str, int]] = []
    for token in tokens:
        match token.type:
            case "link_open":
                open_links.append((str(token.attrs.get("href", "")), len(out)))
            case "link_close":
                href, begun = open_links.pop()
                said = "".join(one.content for one in out[begun:])
                if href not in (said, f"mailto:{said}"):
                    out.append(_text(f" ({href})"))
            case "image":
                out.append(_text(f"[picture: {token.content}] ({token.attrs.get('src', '')})"))
            case _:
                out.append(token)
    return out


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)
