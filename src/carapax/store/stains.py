"""Which files of a workspace may hold the words of others: those that were written by whoever had read such words."""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from carapax.errors import CarapaxError
from carapax.messages import Origin
from carapax.store.database import Database, Statement


class Stains:
    """The stains of all workspaces. A path is relative to its workspace; "" stands for all of it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stained: dict[str, set[str]] = {}

    async def load(self) -> None:
        """Take up what was kept. Raises a StoreError."""
        for agent, path in await self._database.fetch("SELECT agent, path FROM stains"):
            self._stained.setdefault(str(agent), set()).add(str(path))

    def stain(self, agent: str, path: str) -> list[Statement]:
        """What keeps a stain, to be committed before the file is written; it counts from now on."""
        self._stained.setdefault(agent, set()).add(path)
        return [Statement("INSERT INTO stains (agent, path) VALUES ($1, $2) ON CONFLICT DO NOTHING", (agent, path))]

    def on(self, agent: str, path: str) -> tuple[Origin, ...]:
        """What of a file, or of what is beneath a folder, is stained."""
        known = self._stained.get(agent, ())
        if "" in known:
            return (Origin("file"),)
        beneath = "" if path == "" else path + "/"
        return tuple(Origin("file", one) for one in sorted(known) if one == path or one.startswith(beneath))

    def listed(self, agent: str) -> list[str]:
        """What of a workspace is stained, by path; "" for all of it."""
        return sorted(self._stained.get(agent, ()))

    async def wash(self, agent: str, path: str = "", also: Sequence[Statement] = ()) -> list[str]:
        """A person vouches for a file, what is beneath a folder, or all of a workspace; what was stained. What is
        stained again meanwhile stays stained. Raises a StoreError; then everything is as it was."""
        known = self._stained.get(agent, set())
        washed = [one for one in sorted(known) if path == "" or one == path or one.startswith(path + "/")]
        sql = "DELETE FROM stains WHERE agent = $1 AND path = $2"
        known.difference_update(washed)
        try:
            await self._database.transact([*(Statement(sql, (agent, one)) for one in washed), *also])
        except CarapaxError:
            self._stained.setdefault(agent, set()).update(washed)
            raise
        return washed


def place(arguments: Mapping[str, Any]) -> str:
    """The file that the arguments of a call name by `path`; all of the workspace when that is not certain."""
    path = arguments.get("path")
    if not isinstance(path, str):
        return ""
    named = posixpath.normpath(path)
    return "" if named.startswith(("/", "..")) or named == "." else named
