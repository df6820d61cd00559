"""What was typed, kept from one conversation to the next: a line of JSON each, in a file that only its owner reads."""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import History

from carapax.durable import refuse_root, replace
from carapax.errors import Forbidden

_MOST = 1000
_LONGEST = 100_000


class PrivateHistory(History):
    """The last thousand things; what begins with a blank is not kept. A file that cannot be used is no history."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        """The last one first."""
        lines = self._lines()
        if len(lines) > _MOST:
            lines = lines[-_MOST:]
            with contextlib.suppress(OSError, Forbidden):
                refuse_root(self._file.parent)
                replace(self._file, "".join(f"{line}\n" for line in lines).encode())
        return [text for line in reversed(lines) if (text := _read(line))]

    def store_string(self, string: str) -> None:
        if string.startswith(" ") or len(string) > _LONGEST:
            return
        with contextlib.suppress(OSError, Forbidden):
            refuse_root(self._file.parent)
            descriptor = os.open(self._file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                os.fchmod(descriptor, 0o600)
                stream.write(json.dumps(string).encode() + b"\n")

    def _lines(self) -> list[str]:
        try:
            return self._file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        except OSError:
            return []


def _read(line: str) -> str:
    try:
        text = json.loads(line)
    except ValueError:
        return ""
    return text if isinstance(text, str) else ""
