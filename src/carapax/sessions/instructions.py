"""Files of a workspace by which its owner tells an agent what to do, under the names that OpenClaw gave them.

They are orders, so one that may hold the words of others is none: it is left out until a person vouches for what it
holds then, and again after each change. What held the same before anybody else could have had a hand in it does not.
"""

import asyncio
import errno
import hashlib
import logging
import os
import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from carapax.beneath import FOLDER, descriptor
from carapax.errors import Conflict
from carapax.invisible import visible
from carapax.sessions.paths import alike
from carapax.store.audit import Actor, Audit
from carapax.store.followed import Followed
from carapax.store.stains import Stains

log = logging.getLogger(__name__)
FILES = ("AGENTS.md", "SOUL.md", "USER.md", "IDENTITY.md", "TOOLS.md")
PERSONAL = frozenset(("SOUL.md", "IDENTITY.md"))
"""Those that say who the agent is."""
MOST_CHARACTERS = 20_000
"""Of one file."""
MOST_TOGETHER = 50_000
"""Of all files: some 12,000 tokens of every request."""
MOST_BYTES = 1_000_000
_HEAD = 3 / 4
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


class LeftOut(Struct, frozen=True):
    """One that is left out until a person vouches for it.

    name: its name
    digest: the SHA-256 of what it holds, in hex: a person vouches for that and nothing else
    text: all of it, also the middle that the agent is not told: who vouches answers for that too
    """

    name: str
    digest: str
    text: str


class _Found(NamedTuple):
    """What a file holds, its SHA-256 in hex, and whether it has other names, under which it can be changed."""

    data: bytes
    digest: str
    is_linked: bool

    def text(self) -> str:
        """Takes a while where there is much that nobody sees."""
        return visible(self.data.decode("utf-8-sig", "replace").replace("\r\n", "\n")).strip()


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
        taken, room = list[Instruction](), MOST_TOGETHER
        for name, read in found.items():
            # Only now: whatever was written before the files were read has its stain by now.
            taken.append(await self._judged(agent, name, read, room))
            room = max(0, room - len(taken[-1].text))
        problems = tuple(f"{one.name}: {one.problem}" for one in taken if one.problem)
        if problems != self._told.get(agent, ()):
            self._told[agent] = problems
            log.warning("agent %s: %s", agent, "; ".join(problems) or "nothing of its workspace's files is left out")
        return tuple(taken)

    async def left_out(self, agent: str) -> tuple[LeftOut, ...]:
        """Those that wait for a person to vouch for them."""
        there = await self._there(agent)
        doubtful = {name: found for name, found in there.items() if self._is_doubtful(agent, name, found)}
        return await asyncio.to_thread(
            lambda: tuple(LeftOut(name, found.digest, found.text()) for name, found in doubtful.items())
        )

    async def vouch(self, agent: str, path: str, seen: Mapping[str, str], who: Actor, audit: Audit) -> list[str]:
        """A person vouches for a file, what is beneath a folder, or with "" for all of the workspace; what that was.

        Files of instructions among it are followed from now on, and only while they hold what they do now, of which
        `seen` has the SHA-256 of each that is left out; one that is not there, or cannot be read, holds nothing. Raises
        Conflict when it has not, a StoreError.
        """
        path = posixpath.normpath(path) if path not in ("", ".") else ""
        there = await self._there(agent)
        linked = {name for name, found in there.items() if found.is_linked}
        meant = [name for name in FILES if path == "" or alike(path) == alike(name) or name in linked]
        for name in meant:
            if (found := there.get(name)) and self._is_doubtful(agent, name, found) and seen.get(name) != found.digest:
                how = "was changed since it was read" if name in seen else "tells the agent what to do"
                remedy = f"read it, and vouch for {name} by its SHA-256"
                raise Conflict(f"{name} {how}: it is vouched for as it is", remedy)
        touched = [name for name in meant if self._is_touched(agent, name, is_linked=name in linked)]
        bound = {name: there[name].digest if name in there else "" for name in touched}
        audited = audit.of("workspace.vouched", who, detail={"agent": agent, "path": path, **bound})
        with self._followed.vouching(agent, bound) as kept:
            washed = await self._stains.wash(agent, path, [*kept, *audited])
        return [*washed, *(name for name in bound if name in seen and name not in washed)]

    async def _there(self, agent: str) -> dict[str, _Found]:
        found = await asyncio.to_thread(_read_all, self._workspaces / agent)
        return {name: read for name, read in found.items() if isinstance(read, _Found)}

    async def _judged(self, agent: str, name: str, read: _Found | OSError, room: int) -> Instruction:
        if isinstance(read, OSError):
            return Instruction(name, problem=f"left out, as it cannot be read: {read.strerror}")
        if self._is_doubtful(agent, name, read):
            remedy = f"read it, then `carapax vouch {agent} {name}`"
            return Instruction(name, problem=f"left out, as it may hold the words of others: {remedy}")
        await self._followed.keep(agent, name, read.digest)
        return _cut(name, await asyncio.to_thread(read.text), min(room, MOST_CHARACTERS))

    def _is_doubtful(self, agent: str, name: str, found: _Found) -> bool:
        """Whether it may hold the words of others."""
        touched = self._is_touched(agent, name, is_linked=found.is_linked)
        return touched and not self._followed.holds(agent, name, found.digest)

    def _is_touched(self, agent: str, name: str, *, is_linked: bool) -> bool:
        """Whether others may have had a hand in it, or a person vouched for it: then it holds only as it was."""
        stains = self._stains.listed(agent)
        return self._followed.is_vouched(agent, name) or any(
            is_linked or path == "" or alike(path) == alike(name) for path in stains
        )


def _cut(name: str, text: str, most: int) -> Instruction:
    """A file without its middle, where it is too long."""
    if len(text) <= most:
        return Instruction(name, text)
    if not most:
        return Instruction(name, problem=f"left out, as the files before it have {MOST_TOGETHER} characters")
    left, head = len(text) - most, int(most * _HEAD)
    shown = f"{text[:head]}\n[{left} characters are left out here]\n{text[head - most :]}"
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
    return _Found(data, hashlib.sha256(data).hexdigest(), status.st_nlink > 1)


def _open(name: str, root: int) -> int:
    try:
        return os.open(name, _OPENING, dir_fd=root)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a link") from error
        raise
