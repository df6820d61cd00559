"""Text fitted to what shows it: a chat platform, a terminal, a log. Pure."""

import re

_PICTURE = "\u2190-\u2bff\U0001f000-\U0001faff"
_LETTER = "\u0620-\u065f\u066e-\u06d3\u06fa-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff"
"""Of Arabic, Indic and other scripts whose letters join."""
_COMMANDS = re.compile(
    f"(?<![{_PICTURE}\ufe0f{_LETTER}])[\u200c\u200d]|[\u200c\u200d](?![{_PICTURE}{_LETTER}])"  # it joins nothing
    "|[\x00-\x1f\x7f-\x9f"  # control characters
    "\u00ad\u061c\u180e\u200b\u200e\u200f"  # invisible, or turning the line
    "\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_JOINABLE = re.compile(f"[{_PICTURE}{_LETTER}\ufe0f\u200c\u200d]")
_MOST_JOINED = 32
_FENCE = re.compile(r"^(\s{0,3})(`{3,}|~{3,})(.*)$")
_MOST_MARKS = 4
_CLOSING = 1 + 3 + _MOST_MARKS
"""The longest end of a fence: a line end, an indent, and its marks."""


def written_out(text: str, keep: str = "") -> str:
    """The text with every control and invisible character but those of `keep` written out, so that it only shows."""
    return _COMMANDS.sub(lambda match: match[0] if match[0] in keep else _written(ord(match[0])), text)


def open_end(text: str) -> int:
    """Where that end of a text begins of which it depends on what follows how it is written out: pictures and letters,
    to which a joiner may join the next one."""
    end = len(text)
    while end and len(text) - end < _MOST_JOINED and _JOINABLE.match(text[end - 1]):
        end -= 1
    return end


def split_text(text: str, limit: int) -> list[str]:
    """Cut a Markdown text into pieces of at most `limit` characters (64 or more), nothing lost but white space at cuts.

    Cuts fall between paragraphs, else between lines, words, or characters, whichever is first possible. A code fence
    that a cut falls into is closed before it and opened again after it, unless it has more than four marks.
    """
    if limit < 64:
        raise ValueError(f"a limit of {limit} characters is too small; 64 is the least")
    pieces: list[str] = []
    opening = ""
    rest = text
    while len(opening) + len(rest) > limit:
        room = limit - len(opening) - _CLOSING
        cut = _cut_at(rest, room)
        head, rest = rest[:cut].rstrip(), rest[cut:].lstrip("\n")
        body = opening + head
        fence = _open_fence(body)
        if fence and len(fence[1]) <= _MOST_MARKS:
            indent, marks, info = fence
            body += f"\n{indent}{marks}"
            opening = f"{indent}{marks}{info[:20]}\n"
        else:
            opening = ""
            rest = rest.lstrip()
        if head:
            pieces.append(body)
    if rest.strip():
        pieces.append(opening + rest)
    return pieces


def _cut_at(text: str, room: int) -> int:
    window = text[:room]
    for mark in ("\n\n", "\n", " "):
        found = window.rfind(mark)
        if found > room // 3:
            return found + len(mark)
    return room


def _open_fence(text: str) -> tuple[str, str, str] | None:
    """Indent, marks and info of the code fence that is still open at the end of the text."""
    found: tuple[str, str, str] | None = None
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if match is None:
            continue
        indent, marks, info = match.groups()
        if found is None:
            found = (indent, marks, info)
        elif marks[0] == found[1][0] and len(marks) >= len(found[1]) and not info.strip():
            found = None
    return found


def _written(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"
