"""How much a folder may hold. Looked at while something writes there: the kernel keeps such limits for root only."""

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from carapax.beneath import FOLDER, descriptor

_FIRST_LOOK_S = 0.2
_SHARE = 10  # a look takes at most one part in so many of the time
_DEEPEST = 100
_SLACK_BYTES, _SLACK_FILES = 1 << 20, 200
_BLOCK = 512  # bytes that stat(2) counts in


class Usage(Struct, frozen=True):
    """Bytes on the disk, and files and folders."""

    bytes: int
    files: int

    def exceeds(self, limit: "Usage") -> bool:
        """Whether there is more of either."""
        return self.bytes > limit.bytes or self.files > limit.files


class Quota:
    """A limit on what is beneath a folder. It is kept by looking, so it is exceeded by what is written in between.

    Nothing is measured unless something runs for longer than 0.2 s, or writes: then at most a tenth of the time.
    """

    def __init__(self, root: Path, limit: Usage) -> None:
        self._root = root
        self._limit = limit
        self._is_full = False
        self._unseen = limit.bytes  # written since the last look: at first it is not known what is there

    def wrote(self, size: int) -> None:
        """Somebody else has written so many bytes."""
        self._unseen += size

    async def is_full(self) -> bool:
        """Whether there is more than the limit, as far as was looked."""
        if self._is_full or self._unseen > self._limit.bytes // _SHARE:
            self._unseen = 0
            self._is_full = (await asyncio.to_thread(measured, self._root, self._limit)).exceeds(self._limit)
        return self._is_full

    async def exceeded(self) -> None:
        """Return when there is more than the limit; where there was before, when it has grown."""
        limit = self._limit
        if self._is_full:
            before = await asyncio.to_thread(measured, self._root, Usage(1 << 62, 10 * limit.files))
            limit = Usage(before.bytes + _SLACK_BYTES, before.files + _SLACK_FILES)
        pause = _FIRST_LOOK_S
        while True:
            await asyncio.sleep(pause)
            begun = time.monotonic()
            found = await asyncio.to_thread(measured, self._root, limit)
            self._is_full = self._is_full or found.exceeds(self._limit)
            if found.exceeds(limit):
                return
            pause = max(_FIRST_LOOK_S, _SHARE * (time.monotonic() - begun))


def measured(root: Path, limit: Usage) -> Usage:
    """What is beneath a folder; counted no further than the limit. Folders a hundred deep count as more than any."""
    total = _Sum(limit)
    with suppress(OSError), descriptor(os.open(root, FOLDER)) as folder:
        total.add(folder, _DEEPEST)
    return Usage(total.bytes, total.files)


class _Sum:
    def __init__(self, limit: Usage) -> None:
        self.bytes = self.files = 0
        self._limit = limit

    def add(self, folder: int, depth: int) -> None:
        """Count what is in an open folder. No link is followed, whatever moves in there meanwhile."""
        below = []
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    self.bytes += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    self.files += 1
                    if entry.is_dir(follow_symlinks=False):
                        below.append(entry.name)
                if self._is_over():
                    return
        if below and depth == 0:
            self.files += self._limit.files + 1
        for name in below:
            if self._is_over():
                return
            with suppress(OSError), descriptor(os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)) as opened:
                self.add(opened, depth - 1)

    def _is_over(self) -> bool:
        return Usage(self.bytes, self.files).exceeds(self._limit)
