"""Who an agent is, in its owner's words: one private file each, `agents/NAME/persona.md` beside the configuration."""

import errno
import logging
import os
import re
import stat
import threading
from pathlib import Path

from msgspec import Struct

from carapax import durable
from carapax.errors import Conflict, InvalidRequest, StoreError
from carapax.invisible import strip

log = logging.getLogger(__name__)
MOST_CHARACTERS = 20_000
_HEADING = re.compile(r"\A\s*#[ \t]+(.{1,80}?)[ \t]*#*$", re.MULTILINE)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Persona(Struct, frozen=True):
    """The text of the file, without what nobody sees. `is_cut` when it is longer than what is read of it."""

    text: str
    is_cut: bool = False

    @property
    def title(self) -> str:
        """The heading that it begins with: what the agent is called."""
        heading = _HEADING.match(self.text)
        return heading[1] if heading else ""


class Personas:
    """The personas of all agents. A file is read again when it was changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, ...], Persona]] = {}
        self._writing = threading.Lock()

    def place(self, agent: str) -> Path:
        """Where the persona of an agent is, or will be."""
        return self._folder / agent / "persona.md"

    def read(self, agent: str) -> Persona | None:
        """None when there is no file. One that is empty, or that cannot be read, which is logged, says nothing."""
        file = self.place(agent)
        try:
            status = file.stat()
            version = (status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._read.get(agent)
            if known is None or known[0] != version:
                known = version, _persona(_start_of(file))
                self._read[agent] = known
            return known[1]
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s cannot be read: %s", file, error.strerror)
            return Persona("")

    def write(self, agent: str, text: str, *, anew: bool = True) -> Persona:
        """Write it at once and for good, in place of what is there, or with `anew` false only when nothing is. Blocks.

        Raises InvalidRequest for a text that is too long, Conflict when there is one, StoreError,
        Forbidden for root in the home of another user.
        """
        text = plain(text)
        data = f"{text}\n".encode() if text else b""
        if len(text) > MOST_CHARACTERS:
            problem = f"the persona has {len(text)} characters, more than {MOST_CHARACTERS}"
            raise InvalidRequest(problem, "say it in fewer words")
        file = self.place(agent)
        durable.refuse_root(*file.parents[:3])
        with self._writing:
            try:
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                (durable.replace if anew else durable.create)(file, data)
            except FileExistsError:
                raise Conflict(f"agent {agent} has a persona already", f"change it in {file}") from None
            except OSError as error:
                raise durable.unwritable(file, error) from error
        return _persona(data)

    def remove(self, agent: str) -> None:
        """Take the file away, so that the configuration's persona counts again. Blocks. Raises StoreError."""
        file = self.place(agent)
        try:
            with self._writing:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{file} cannot be removed: {error.strerror}", "make its folder writable") from error


def plain(text: str) -> str:
    """A persona as it is kept: without what nobody sees."""
    return _CONTROLS.sub("", strip(text.replace("\r\n", "\n"))).strip()


def _start_of(file: Path) -> bytes:
    """As much as may count, without waiting for what is no file and may never say anything."""
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return stream.read(4 * MOST_CHARACTERS + 1)


def _persona(data: bytes) -> Persona:
    text = plain(data.decode("utf-8-sig", "replace"))
    return Persona(text[:MOST_CHARACTERS], len(text) > MOST_CHARACTERS or len(data) > 4 * MOST_CHARACTERS)
