"""Writes a text file in the workspace."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from carapax.contracts import Effect, ToolContext
from carapax.errors import InvalidRequest
from carapax.tool import tool


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """How much is written.

    max_bytes: longest content of one call
    """

    max_bytes: Annotated[int, Meta(gt=0)] = 1_000_000


def _narrowed(arguments: Mapping[str, Any]) -> frozenset[Effect]:
    """What is added to a file takes nothing away from it."""
    return frozenset(("write",) if arguments.get("append") is True else ("write", "destroy"))


@tool(
    effects=("write", "destroy"),
    rerun="at_most_once",
    authority=("path", "content"),
    source="workspace",
    narrowed=_narrowed,
)
async def write_file(context: ToolContext, path: str, content: str, append: bool = False) -> str:
    """Write a text file, replacing what was there. Missing folders are made.

    Args:
        path: path in the workspace
        content: the whole text
        append: add to the end instead
    """
    data = content.encode()
    most = context.settings(Config).max_bytes
    if len(data) > most:
        raise InvalidRequest(f"the content has {len(data)} bytes, more than {most}", "write it in parts, with append")
    await context.sandbox.write_file(path, data, append=append)
    return f"{'added' if append else 'wrote'} {len(data)} bytes {'to' if append else 'as'} {path}"


EXTENSION = write_file
