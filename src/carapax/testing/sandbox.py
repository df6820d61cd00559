"""A sandbox without files and processes of its own."""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from carapax.contracts import Entry, Execution
from carapax.errors import Forbidden, InvalidRequest, NotFound
from carapax.redaction import Secret

LONGEST_NAME = 255
Script = Callable[[list[str]], Execution]


def says_nothing(command: list[str]) -> Execution:
    return Execution(0, "")


class MemorySandbox:
    """A Sandbox whose files are the dictionary `files`, and whose commands end as `script` says.

    Commands are kept in `commands` as they were given, and what they got in `environments`; the last part of a shell's
    command is what it was to run.
    """

    network = False

    def __init__(self, files: dict[str, bytes] | None = None, script: Script = says_nothing) -> None:
        self.files: dict[str, bytes] = dict(files or {})
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, Secret]] = []
        self._script = script

    def of(self, session: str) -> "MemorySandbox":
        """All sessions share it."""
        return self

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        max_output: int,
        progress: Callable[[str], None] | None = None,
        environment: Mapping[str, Secret] = MappingProxyType({}),
    ) -> Execution:
        self.commands.append(list(command))
        self.environments.append(dict(environment))
        execution = self._script(list(command))
        if progress is not None and execution.output:
            progress(execution.output)
        cut = execution.output[:max_output]
        return Execution(execution.exit_code, cut, execution.truncated or cut != execution.output, execution.killed)

    async def read_file(self, path: str, max_bytes: int) -> bytes:
        name = _name(path)
        if name not in self.files:
            if name in self._folders():
                raise InvalidRequest(f"{path!r} is a folder")
            self._refuse_below_file(name, path)
            raise NotFound(f"{path!r} does not exist")
        data = self.files[name]
        if len(data) > max_bytes:
            raise InvalidRequest(f"{path!r} has {len(data)} bytes, more than the {max_bytes} that can be read at once")
        return data

    async def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        name = _name(path)
        if name in self._folders() or path.endswith("/"):
            raise InvalidRequest(f"{path!r} is a folder")
        self._refuse_below_file(name, path)
        self.files[name] = (self.files.get(name, b"") if append else b"") + data

    async def list_files(self, path: str, *, recursive: bool, max_entries: int) -> list[Entry]:
        top = _name(path)
        if top in self.files:
            raise InvalidRequest(f"{path!r} is no folder")
        folders = self._folders()
        if top not in folders:
            raise NotFound(f"{path!r} does not exist")
        found = [Entry(name, "folder", 0) for name in folders - {"."}]
        found += [Entry(name, "file", len(data)) for name, data in self.files.items()]
        below = [entry for entry in found if _is_below(entry.path, top, recursive)]
        return sorted(below, key=lambda entry: entry.path.split("/"))[:max_entries]

    def _refuse_below_file(self, name: str, path: str) -> None:
        while name := posixpath.dirname(name):
            if name in self.files:
                raise InvalidRequest(f"{path!r}: a part of it is no folder")

    def _folders(self) -> set[str]:
        folders = {"."}
        for name in self.files:
            while name := posixpath.dirname(name):
                folders.add(name)
        return folders


def _name(path: str) -> str:
    if "\0" in path:
        raise InvalidRequest(f"the path {path!r} holds a null character")
    name = posixpath.normpath(path.removeprefix("/workspace").lstrip("/") if path.startswith("/workspace/") else path)
    if name.startswith(("/", "../")) or name == "..":
        raise Forbidden(f"{path!r} is outside of the workspace", "use a path relative to the workspace")
    if any(len(part.encode()) > LONGEST_NAME for part in name.split("/")):
        raise InvalidRequest(f"a name in {path[:100]!r} has more than {LONGEST_NAME} bytes")
    return name


def _is_below(path: str, top: str, recursive: bool) -> bool:
    above = posixpath.dirname(path) or "."
    return above == top or (recursive and (top == "." or path.startswith(top + "/")))
