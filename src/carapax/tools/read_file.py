"""Reads a text file of the workspace."""

from typing import Annotated

from msgspec import Meta, Struct

from carapax.contracts import ToolContext
from carapax.errors import InvalidRequest
from carapax.tool import tool


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """How much is read.

    max_bytes: longest file
    """

    max_bytes: Annotated[int, Meta(gt=0)] = 1_000_000


@tool(effects=("read",), rerun="pure", authority=("path",), source="workspace")
async def read_file(
    context: ToolContext, path: str, offset: Annotated[int, Meta(ge=1)] = 1, limit: Annotated[int, Meta(ge=0)] = 0
) -> str:
    """Read a text file.

    Args:
        path: path in the workspace
        offset: first line
        limit: number of lines; 0 means all
    """
    data = await context.sandbox.read_file(path, context.settings(Config).max_bytes)
    lines = decoded(path, data).splitlines(keepends=True)
    if offset == 1 and (limit == 0 or limit >= len(lines)):
        return "".join(lines) or "[the file is empty]"
    if offset > len(lines):
        raise InvalidRequest(f"{path} has only {len(lines)} lines")
    end = min(len(lines), offset - 1 + limit) if limit else len(lines)
    return "".join(lines[offset - 1 : end]).rstrip("\n") + f"\n[lines {offset} to {end} of {len(lines)}]"


def decoded(path: str, data: bytes) -> str:
    """The text of a file. Raises InvalidRequest for what is none."""
    if b"\0" in data:
        raise InvalidRequest(f"{path} is binary ({len(data)} bytes)", "look at it with shell: file, xxd, strings")
    return data.decode("utf-8-sig", errors="replace")


EXTENSION = read_file
