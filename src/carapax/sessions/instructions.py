"""Files of a workspace by which its owner tells an agent what to do, under the names that OpenClaw gave them.

They are orders, so one that may hold the words of others is none: it is left out until a person vouches for it. What
held the same before anybody else could have had a hand in it does not.
"""

import asyncio
import errno
import hashlib
import logging
import os
import stat
import unicodedata
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from carapax.beneath import FOLDER, descriptor
from carapax.invisible import visible
from carapax.store.followed import Followed
from carapax.store.stains import Stains

log = logging.getLogger(__name__)
FILES = ("AGENTS.md", "SOUL.md", "USER.md", "IDENTITY.md", "TOOLS.md")
PERSONAL = frozenset(("SOUL.md", "IDENTITY.md"))
"""Those that say who the agent is."""
MOST_CHARACTERS = 20_000
MOST_BYTES = 1_000_000
_HEAD = 3 / 4
_VOUCH_FOR_ALL = "read it, and what else is in the workspace, then `carapax vouch {}`"
_OPENING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Instruction(Struct, frozen=True):
    """One file that is there.

    name: its name
    text: what of it the model is told
    problem: why it is left out, or what of it is; empty when the model is told all of it
    """

    name: str
    text: str = ""
    problem: str = ""


class _Found(NamedTuple):
    """What a file holds, and whether it has other names, under which it can be changed."""

    data: bytes
    is_linked: bool


class Instructions:
    """The files of every agent's workspace, which is a folder of `workspaces`."""

    def __init__(self, workspaces: Path, stains: Stains, followed: Followed) -> None:
        self._workspaces = workspaces
        self._stains = stains
        self._followed = followed
        self._told: dict[str, tuple[str, ...]] = {}

    async def read(self, agent: str) -> tuple[Instruction, ...]:
        """Those that are there, in the order in which the model is told them. What becomes of them is logged when it
        changes. Raises a StoreError."""
        found = await asyncio.to_thread(_read_all, self._workspaces / agent)
        # Only now: whatever was written before the files were read has its stain by now.
        taken = tuple([await self._judged(agent, name, read) for name, read in found.items()])
        problems = tuple(f"{one.name}: {one.problem}" for one in taken if one.problem)
        if problems != self._told.get(agent, ()):
            self._told[agent] = problems
            log.warning("agent %s: %s", agent, "; ".join(problems) or "nothing of its workspace's files is left out")
        return taken

    async def _judged(self, agent: str, name: str, read: _Found | OSError) -> Instruction:
        if isinstance(read, OSError):
            return Instruction(name, problem=f"left out, as it cannot be read: {read.strerror}")
        data, is_linked = read
        digest = hashlib.sha256(data).hexdigest()
        stains = self._stains.listed(agent)
        stain = next((path for path in stains if is_linked or path == "" or _alike(path) == _alike(name)), None)
        if stain is None:
            await self._followed.keep(agent, name, digest)
        elif not self._followed.holds(agent, name, digest):
            remedy = f"read it, then `carapax vouch {agent} {stain}`" if stain else _VOUCH_FOR_ALL.format(agent)
            return Instruction(name, problem=f"left out, as it may hold the words of others: {remedy}")
        return _cut(name, visible(data.decode("utf-8-sig", "replace").replace("\r\n", "\n")).strip())


def _cut(name: str, text: str) -> Instruction:
    """A file without its middle, where it is too long."""
    if len(text) <= MOST_CHARACTERS:
        return Instruction(name, text)
    left, head = len(text) - MOST_CHARACTERS, int(MOST_CHARACTERS * _HEAD)
    shown = f"{text[:head]}\n[{left} characters are left out here]\n{text[head - MOST_CHARACTERS :]}"
    return Instruction(name, shown, f"{left} characters in its middle are left out")


def _read_all(folder: Path) -> dict[str, _Found | OSError]:
    """The files that are there, or why one cannot be read. No link is followed, wherever it leads."""
    found: dict[str, _Found | OSError] = {}
    try:
        with descriptor(os.open(folder, FOLDER)) as root:
            for name in FILES:
                try:
                    found[name] = _read(root, name)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    found[name] = error
    except OSError:  # a workspace that was not made yet, or nothing that could be one
        return {}
    return found


def _read(root: int, name: str) -> _Found:
    with descriptor(_open(name, root)) as file, os.fdopen(file, "rb", closefd=False) as stream:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MOST_BYTES} bytes")
    return _Found(data, status.st_nlink > 1)


def _open(name: str, root: int) -> int:
    try:
        return os.open(name, _OPENING, dir_fd=root)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a link") from error
        raise


def _alike(name: str) -> str:
    """What some systems take for the same name."""
    return unicodedata.normalize("NFC", name.casefold())
