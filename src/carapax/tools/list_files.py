"""Lists what is in a folder of the workspace."""

from typing import Annotated

from msgspec import Meta, Struct

from carapax.contracts import Entry, ToolContext
from carapax.tool import tool


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """How much is listed.

    max_entries: most files and folders of one answer
    """

    max_entries: Annotated[int, Meta(gt=0)] = 1000


@tool(effects=("read",), rerun="pure", authority=("path",), source="workspace")
async def list_files(context: ToolContext, path: str = ".", recursive: bool = False) -> str:
    """List a folder: names with sizes in bytes; folders end with /.

    Args:
        path: path in the workspace
        recursive: with all below it
    """
    most = context.settings(Config).max_entries
    entries = await context.sandbox.list_files(path, recursive=recursive, max_entries=most + 1)
    lines = [_line(entry) for entry in entries[:most]]
    if len(entries) > most:
        lines.append(f"[only the first {most} are shown]")
    return "\n".join(lines) or "[the folder is empty]"


def _line(entry: Entry) -> str:
    name = entry.path.replace("\n", "\\n")
    match entry.kind:
        case "file":
            return f"{name}  {entry.size}"
        case "folder":
            return name + "/"
        case _:
            return f"{name}  [{entry.kind}]"


EXTENSION = list_files
