"""What is logged is redacted in one place, and nobody waits for the disk or the terminal."""

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from carapax.config import LogConfig
from carapax.logs.about import About, about
from carapax.logs.files import Wanted, place
from carapax.logs.line import Line
from carapax.logs.logs import Logs
from carapax.redaction import MASK, Secret
from carapax.redactor import Redactor

VALUE = "value-of-a-secret-1"
log = logging.getLogger("a part")


@contextmanager
def logging_to(folder: Path, config: LogConfig | None = None, stream: io.TextIOBase | None = None) -> Iterator[Logs]:
    with (
        Logs(stream) as logs,  # type: ignore[arg-type] # what a test writes into is a stream of text all the same
        logs.of(folder, config or LogConfig(), lambda: Redactor([Secret(VALUE)])),
    ):
        yield logs


def test_a_log_holds_no_secrets_wherever_they_are(tmp_path: Path) -> None:
    shown = io.StringIO()
    with logging_to(tmp_path, stream=shown):
        log.warning("%s and %d", VALUE, 5, stack_info=True)
        log.info("more", extra={"key": VALUE, VALUE: "key", "hidden": Secret("never-seen")})
        log.info("deep", extra={"table": {"deep": [VALUE]}})
        logging.getLogger(VALUE).info("a name")
        with about(About(VALUE, VALUE, VALUE, VALUE)):
            log.info("ids")
        try:
            raise ValueError(VALUE)
        except ValueError as error:
            error.add_note(VALUE)
            log.exception("failed with %r", {"key": VALUE})
    told = shown.getvalue() + place(tmp_path).read_text()
    assert VALUE not in told
    assert "never-seen" not in told
    assert f"{MASK} and 5" in told
    assert f"ValueError: {MASK}" in told


def test_lines_say_what_they_are_about(tmp_path: Path) -> None:
    with logging_to(tmp_path) as logs:
        with about(About("s1", "r1", "main", "q1")):
            log.error("it is %s", "late", extra={"after_s": 5})
        (line,) = logs.newest(Wanted(), 5)
    assert line == Line(line.at, "error", "a part", "it is late", "", "s1", "r1", "main", "q1", {"after_s": "5"})


def test_a_message_cannot_forge_a_line(tmp_path: Path) -> None:
    shown = io.StringIO()
    with logging_to(tmp_path, stream=shown):
        log.info("%s", "hello\n2023-11-14T22:13:20.250Z ERROR carapax: all is lost\x1b[2J")
    assert len(shown.getvalue().splitlines()) == 1
    assert "\x1b" not in shown.getvalue()


def test_level_and_format_follow_the_configuration(tmp_path: Path) -> None:
    shown = io.StringIO()
    with logging_to(tmp_path, LogConfig("warning", "json"), shown) as logs:
        log.info("not this")
        log.warning("this")
        logs.flush()
        logs.set(LogConfig("debug", "text"))
        log.debug("and this")
    first, second = shown.getvalue().splitlines()
    assert msgspec.json.decode(first)["text"] == "this"
    assert second.endswith("DEBUG a part: and this")
    assert logging.getLogger().level == logging.WARNING


def test_arguments_that_do_not_fit_are_told_of(tmp_path: Path) -> None:
    with logging_to(tmp_path) as logs:
        logs.handle(logging.LogRecord("x", logging.INFO, "", 0, "%d of %s", ("x",), None))
        (line,) = logs.newest(Wanted(), 5)
    assert line.text == "%d of %s (its arguments do not fit: TypeError)"


def test_a_disk_that_cannot_be_written_is_told_of_once_and_lines_are_counted(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file, no folder")
    shown = io.StringIO()
    with logging_to(tmp_path / "logs", stream=shown) as logs:
        for _ in range(3):
            log.info("a line")
            logs.flush()
        assert (logs.lost, logs.trouble) == (3, "the log cannot be written: File exists")
        (tmp_path / "logs").unlink()
        log.info("it goes on")
        assert [line.text for line in logs.newest(Wanted(), 5)] == ["it goes on"]
        assert (logs.lost, logs.trouble) == (3, "")
    assert shown.getvalue().count("cannot be written") == 1


def test_a_terminal_that_takes_nothing_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.logs.logs._PATIENCE_S", 0.01)
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream, logging_to(tmp_path, stream=stream) as logs:
        for number in range(2000):
            log.info("line %d %s", number, "x" * 100)
        assert len(logs.newest(Wanted(), 5000)) == 2000
        assert logs.lost
        os.close(read)


def test_what_waits_is_bounded_and_what_is_lost_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.logs.logs.QUEUE", 10)
    with Logs() as logs:
        logs.set(LogConfig())
        logs._thread = object()  # type: ignore[assignment] # a thread that never comes to it
        for _ in range(25):
            log.info("a line")
        assert logs.lost == 15
        logs._thread = None


class Unwilling:
    """Cannot be written."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_what_cannot_be_written_breaks_nobody_who_logs_it(tmp_path: Path) -> None:
    def record(text: object, *arguments: object, **extra: object) -> logging.LogRecord:
        made = logging.LogRecord("x", logging.INFO, "", 0, text, arguments, None)
        vars(made).update(extra)
        return made

    with logging_to(tmp_path) as logs:
        for one in (record("a %s", Unwilling()), record(Unwilling()), record("b", odd=Unwilling())):
            logs.handle(one)
        texts = [(line.text, line.fields) for line in logs.newest(Wanted(), 5)]
    assert texts == [
        ("b", {"odd": "(it cannot be written: RuntimeError)"}),
        (" (its arguments do not fit: RuntimeError)", {}),
        ("a %s (its arguments do not fit: RuntimeError)", {}),
    ]


def test_long_lines_that_wait_take_a_bounded_amount_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.logs.logs.MOST_WAITING", 100_000)
    with Logs() as logs:
        logs.set(LogConfig())
        logs._thread = object()  # type: ignore[assignment] # a thread that never comes to it
        for _ in range(25):
            log.info("%s", "x " * 5_000, extra={"more": "x " * 5_000})
        assert logs.lost == 19
        logs._thread = None


def test_lines_that_were_written_make_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.logs.logs.MOST_WAITING", 100)
    with logging_to(tmp_path) as logs:
        for _ in range(10):
            log.info("x" * 200)
            logs.flush()
        assert logs.lost == 0
