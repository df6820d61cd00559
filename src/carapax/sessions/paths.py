"""Where the paths that calls name lead in a workspace."""

import posixpath
import unicodedata
from collections.abc import Mapping
from typing import Any

from carapax.contracts import Sandbox
from carapax.errors import CarapaxError
from carapax.store.stains import place

MOST_ENTRIES = 10_000


async def real_place(sandbox: Sandbox, arguments: Mapping[str, Any]) -> str:
    """The file that the arguments of a call name by `path`; all of the workspace, "", when that is not certain: when a
    link leads there, or it is written in a way that the system may take for another file's name."""
    path = place(arguments)
    parts = path.split("/") if path else []
    for number, part in enumerate(parts):
        try:
            folder = "/".join(parts[:number])
            entries = await sandbox.list_files(folder or ".", recursive=False, max_entries=MOST_ENTRIES)
        except CarapaxError:  # there is no such folder, so that no link is in it
            return path
        kinds = {posixpath.basename(entry.path): entry.kind for entry in entries}
        if kinds.get(part) == "link" or len(entries) >= MOST_ENTRIES:
            return ""
        if part not in kinds:
            return "" if alike(part) in map(alike, kinds) else path
    return path


def alike(name: str) -> str:
    """What some systems take for the same name."""
    return unicodedata.normalize("NFC", name.casefold())
