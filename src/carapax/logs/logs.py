"""The one handler of everything that is logged: what it lets out has no secrets, and nobody waits for it."""

import logging
import queue
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import UnsupportedOperation
from pathlib import Path
from types import TracebackType
from typing import Literal, TextIO

from carapax.config import LogConfig
from carapax.logs.about import current
from carapax.logs.files import LogFile, Wanted, newest
from carapax.logs.line import LONGEST, MOST_FIELDS, Level, Line, as_json, as_text, is_at_least, level_of, safe
from carapax.redactor import Redactor

QUEUE = 10_000
"""Lines that may wait to be written; of more the newest are lost, and counted."""
MOST_WAITING = 16 << 20
"""Characters that all of them may have together, save for the last one."""
FLUSH_S = 2.0
_BATCH = 256
_PIECE = 4096  # what a pipe takes whole once it says that it takes something
_PATIENCE_S = 1.0
_LONGEST_RAW = 4 * LONGEST
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Logs(logging.Handler):
    """Writes what is logged to a stream, as text or JSON, and as JSON to the files of a folder, once there is one.

    A thread of its own takes secrets out and writes. While the disk is full or the stream takes nothing, lines are
    lost, and `lost` counts them. The stream gets no line that is less than `least`. A context manager: within it, this
    is the handler of the root logger.
    """

    def __init__(self, stream: TextIO | None = None, *, least: Level = "debug") -> None:
        super().__init__()
        self.redactor: Callable[[], Redactor] = Redactor
        """Gives what takes secrets out of a text; called in another thread."""
        self.lost = 0
        self.trouble = ""
        """Why the files cannot be written; empty while they can."""
        self._stream = stream
        self._least = least
        self._format: Literal["text", "json"] = "text"
        self._file: LogFile | None = None
        self._waiting: queue.Queue[Line | threading.Event | None] = queue.Queue(QUEUE)
        self._held = 0
        self._thread: threading.Thread | None = None
        self._level_before = logging.WARNING

    def __enter__(self) -> "Logs":
        root = logging.getLogger()
        self._level_before = root.level
        root.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level_before)
        self.close()

    def set(self, log: LogConfig) -> None:
        """Log what the configuration says from now on, and as it says."""
        logging.getLogger().setLevel(log.level.upper())
        self._format = log.format

    @contextmanager
    def of(self, folder: Path, log: LogConfig, redactor: Callable[[], Redactor]) -> Iterator[None]:
        """Write to the files of this folder while the block runs. `redactor` is asked from now on."""
        self.redactor = redactor
        self.set(log)
        self._file = LogFile(folder)
        try:
            yield
        finally:
            self.flush()
            file, self._file = self._file, None
            file.close()

    def newest(self, wanted: Wanted, limit: int) -> list[Line]:
        """What was logged last, of this and earlier starts, newest first. It waits for the disk."""
        self.flush()
        return [] if self._file is None else newest(self._file.folder, wanted, limit)

    def emit(self, record: logging.LogRecord) -> None:
        said = record.msg if isinstance(record.msg, str) else ""
        text = _written(record.getMessage, f"{said} (its arguments do not fit: ")
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else record.exc_text or ""
        if record.stack_info:
            trace = f"{trace}\n{record.stack_info}".strip("\n")
        about = current()
        line = Line(
            record.created,
            level_of(record.levelno),
            record.name,
            self._bounded(text),
            self._bounded(trace),
            about.session,
            about.run,
            about.agent,
            about.request,
            self._fields(record),
        )
        self._start()
        self._put(line)

    def _put(self, line: Line) -> None:
        """Called with the lock of the handler held."""
        if self._held > MOST_WAITING:
            self.lost += 1
            return
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self.lost += 1
        else:
            self._held += _size(line)

    def flush(self) -> None:
        """Wait until all that was logged is written, for at most `FLUSH_S`."""
        if self._thread is None:
            return
        written = threading.Event()
        try:
            self._waiting.put(written, timeout=FLUSH_S)
        except queue.Full:
            return
        written.wait(FLUSH_S)

    def close(self) -> None:
        self.flush()
        if self._thread is not None:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=FLUSH_S)
            self._thread.join(FLUSH_S)
            self._thread = None
        super().close()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="log", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        batch: list[Line | threading.Event | None] = []
        while None not in batch:
            batch = [self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            redact = self.redactor()
            lines = []
            for one in batch:
                if isinstance(one, Line):
                    lines.append(safe(one, redact))
                    self._let_go(one)
            if lines:
                self._write(lines)
                self._show([line for line in lines if is_at_least(line.level, self._least)])
            for one in batch:
                if isinstance(one, threading.Event):
                    one.set()

    def _let_go(self, line: Line) -> None:
        self.acquire()
        self._held -= _size(line)
        self.release()

    def _write(self, lines: list[Line]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(b"".join(map(as_json, lines)))
            self.trouble = ""
        except OSError as error:
            self.lost += len(lines)
            if not self.trouble:
                self.trouble = f"the log cannot be written: {error.strerror}"
                self._show([Line(lines[-1].at, "error", __name__, self.trouble)])

    def _show(self, lines: list[Line]) -> None:
        """Write to the stream what it takes; the rest of a batch that it does not take is lost."""
        if self._stream is None:
            return
        text = "".join(as_json(line).decode() if self._format == "json" else as_text(line) for line in lines)
        try:
            for at in range(0, len(text), _PIECE // 4):  # a character has four bytes at most
                if not self._takes():
                    self.lost += 1
                    return
                self._stream.write(text[at : at + _PIECE // 4])
                self._stream.flush()
        except (OSError, ValueError):  # it is closed
            self.lost += 1

    def _takes(self) -> bool:
        assert self._stream is not None
        try:
            descriptor = self._stream.fileno()
        except (UnsupportedOperation, AttributeError):
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return bool(poll.poll(_PATIENCE_S * 1000))

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        given = [(name, value) for name, value in vars(record).items() if name not in _OWN]
        return {name: self._bounded(_written(partial(str, value))) for name, value in given[:MOST_FIELDS]}

    def _bounded(self, text: str) -> str:
        """Not more than can be looked through; a secret that the cut goes through is left out."""
        if len(text) <= _LONGEST_RAW:
            return text
        cut = text[:_LONGEST_RAW]
        return cut[: self.redactor().begun(cut)]


def _written(write: Callable[[], str], otherwise: str = "(it cannot be written: ") -> str:
    """What an object says of itself, or why it does not."""
    try:
        return write()
    except Exception as error:  # noqa: BLE001  # whatever it does, whoever logs it goes on
        return f"{otherwise}{type(error).__name__})"


def _size(line: Line) -> int:
    return len(line.text) + len(line.error) + sum(map(len, line.fields.values()))
