"""Replaces a piece of a text file of the workspace."""

from typing import Annotated

from msgspec import Meta, Struct

from carapax.contracts import ToolContext
from carapax.errors import InvalidRequest
from carapax.tool import tool


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """How much is edited.

    max_bytes: longest file
    """

    max_bytes: Annotated[int, Meta(gt=0)] = 1_000_000


@tool(effects=("read", "write"), rerun="at_most_once", authority=("path", "old", "new"), source="workspace")
async def edit_file(
    context: ToolContext, path: str, old: Annotated[str, Meta(min_length=1)], new: str, replace_all: bool = False
) -> str:
    """Replace a piece of a text file.

    Args:
        path: path in the workspace
        old: the exact text, found only once
        new: what stands there instead
        replace_all: replace it wherever it is found
    """
    most = context.settings(Config).max_bytes
    data = await context.sandbox.read_file(path, most)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is no text in UTF-8", "change it with shell: sed, perl, python3") from error
    if "\r\n" in text and "\r\n" not in old:
        old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
    count = text.count(old)
    if count == 0:
        raise InvalidRequest(f"{path} does not hold the old text", _nearest(text, old))
    if count > 1 and not replace_all:
        hint = "give more of the text around the one you mean, or set replace_all"
        raise InvalidRequest(f"{path} holds the old text {count} times, at lines {_lines(text, old)}", hint)
    edited = text.replace(old, new).encode()
    if len(edited) > most:
        raise InvalidRequest(f"{path} would have {len(edited)} bytes, more than {most}")
    await context.sandbox.write_file(path, edited)
    return f"replaced {count} {'place' if count == 1 else 'places'} in {path}, at line {_lines(text, old)}"


def _lines(text: str, old: str) -> str:
    """The lines where it begins, the first ten of them."""
    found: list[int] = []
    line, at = 1, 0
    while len(found) < 10 and (next_at := text.find(old, at)) >= 0:
        line += text.count("\n", at, next_at)
        found.append(line)
        line += old.count("\n")
        at = next_at + len(old)
    return ", ".join(map(str, found)) + (" ..." if text.find(old, at) >= 0 else "")


def _nearest(text: str, old: str) -> str:
    """Where the file holds the same, but for white space, or at least the first line of it."""
    wanted = [line.split() for line in old.splitlines() if line.split()]
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.split()]
    for start, (number, _) in enumerate(lines):
        if wanted and [words for _, words in lines[start : start + len(wanted)]] == wanted:
            return f"at line {number} it differs only in white space: copy it exactly, as read_file shows it"
    for number, words in lines:
        if wanted and words == wanted[0]:
            return f"only its first line is there, at line {number}: read the file again"
    return "read the file again and copy the text exactly"


EXTENSION = edit_file
