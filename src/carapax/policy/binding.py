"""What a yes is bound to: exactly what would run, and what it would run on."""

import contextlib
import hashlib
import itertools
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from carapax.contracts import Sandbox
from carapax.errors import Forbidden, InvalidRequest, NotFound

LONGEST_FILE = 16 << 20
MOST_NAMES = 256
_BETWEEN = re.compile(r"[\s'\"`$;&|<>(){}\[\]*?!#~\\]+")
_WITHIN = re.compile(r"[=:,@]+")
_FOLDERS = frozenset({"cd", "pushd", "-C", "--directory"})


class Binding(Struct, frozen=True):
    """All that must be the same when an approved call runs.

    agent, session, run, call: whose call it is, and which
    asker: who is served
    sandbox: where it runs, with all that is configured for it
    tool, arguments: the call itself
    files: the files of the workspace that it names, each with the SHA-256 of what it holds
    """

    agent: str
    session: str
    run: str
    call: str
    asker: str
    sandbox: tuple[str, ...]
    tool: str
    arguments: Mapping[str, Any]
    files: Mapping[str, str]

    def digest(self) -> str:
        """SHA-256 in hex."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


async def named_files(sandbox: Sandbox, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The files of the workspace that a call names by `command` or `path`, each with the SHA-256 of what it holds.

    More is looked for than a command can mean; what it finds only when it runs, by a pattern or a variable, or reads of
    its own accord, is not among them. Raises InvalidRequest for files too large to be read or names too many to be
    looked at, Unavailable when the workspace cannot be had.
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(_names(arguments)):
        data = await _read(sandbox, name)
        if data is not None:
            found[name] = hashlib.sha256(data).hexdigest()
    return found


async def _read(sandbox: Sandbox, name: str) -> bytes | None:
    """None for a folder, and for what is not there or not of the workspace."""
    try:
        return await sandbox.read_file(name, LONGEST_FILE)
    except (NotFound, Forbidden):
        return None
    except InvalidRequest as error:
        if await _is_folder(sandbox, name):
            return None
        raise InvalidRequest(f"{name} cannot be read whole, so that a yes could be bound to it") from error


async def _is_folder(sandbox: Sandbox, name: str) -> bool:
    try:
        await sandbox.list_files(name, recursive=False, max_entries=1)
    except (InvalidRequest, NotFound, Forbidden):
        return False
    return True


def _names(arguments: Mapping[str, Any]) -> list[str]:
    path, command = arguments.get("path"), arguments.get("command")
    names = [path] if isinstance(path, str) else []
    if isinstance(command, str):
        names += _words(command)
    if len(set(names)) > MOST_NAMES:
        raise InvalidRequest(f"the command has more than {MOST_NAMES} words that could name files")
    return [name for name in names if name.strip("/. ") and max(map(len, name.split("/"))) < 256]


def _words(command: str) -> list[str]:
    """Everything in a command that could be the name of a file, also below the folders that it changes to."""
    whole = [word for word in _BETWEEN.split(command) if word]
    words = list(whole)
    with contextlib.suppress(ValueError):  # quotes that are never closed
        words += shlex.split(command)
    parts = list(dict.fromkeys(part for word in words for part in _parts(word)))
    folders = [after for before, after in itertools.pairwise(whole) if before in _FOLDERS]
    return parts + [posixpath.normpath(posixpath.join(folder, part)) for folder in folders for part in parts]


def _parts(word: str) -> Iterator[str]:
    """A word, and what it could carry: `--file=name`, `-fname`, `@name`, `$PWD/name`."""
    yield word
    yield from (part for part in _WITHIN.split(word) if part)
    if word.startswith("-"):
        yield word[2:]
    _, slash, rest = word.partition("/")
    if slash and rest:
        yield rest
