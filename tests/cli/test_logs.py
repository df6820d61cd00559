"""`carapax logs`."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from carapax.config import Home
from carapax.logs.files import LogFile
from carapax.logs.line import Line, as_json
from tests.cli.conftest import Run


def write(folder: Path, *lines: Line) -> None:
    file = LogFile(folder)
    for line in lines:
        file.write(as_json(line))
    file.close()


LINES = (
    Line(1.0, "info", "carapax", "first", session="s1"),
    Line(2.0, "error", "carapax", "second", "ValueError: odd"),
)


def test_the_last_lines_are_shown_without_a_gateway(run: Run, home: Home) -> None:
    assert run("logs").output == ""
    write(home.log_folder, *LINES)
    assert run("logs").output == (
        "1970-01-01T00:00:01.000Z INFO carapax: first session=s1\n"
        "1970-01-01T00:00:02.000Z ERROR carapax: second\n  | ValueError: odd\n"
    )
    assert run("logs", "-n", "1").output.startswith("1970-01-01T00:00:02.000Z ERROR")
    assert run("logs", "-n", "0").output == ""
    shown = [msgspec.json.decode(line, type=Line) for line in run("logs", "--json").output.encode().splitlines()]
    assert shown == list(LINES)


def test_what_others_wrote_into_the_file_only_shows(run: Run, home: Home) -> None:
    hostile = Line(1.0, "info", "a", "\x1b[2J\u202ex", fields={"\x1b]0;t\x07": "y"})
    write(home.log_folder, Line(-1e15, "info", "a", "before time"), hostile)
    assert run("logs").output == "1970-01-01T00:00:01.000Z INFO a: \\x1b[2J\\u{202e}x \\x1b]0;t\\x07=y\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_a_log_that_is_no_file_is_told(run: Run, home: Home, make: Callable[[Path], None]) -> None:
    home.log_folder.mkdir(parents=True)
    make(home.log_folder / "gateway.jsonl")
    result = run("logs")
    assert result.exit_code == 1
    assert re.search(r"gateway\.jsonl (is no file|cannot be read: Is a directory)", result.output)


@pytest.mark.parametrize("chosen", [("--level", "error"), ("--text", "ODD")])
def test_lines_are_chosen(run: Run, home: Home, chosen: tuple[str, ...]) -> None:
    write(home.log_folder, *LINES)
    assert "first" not in run("logs", *chosen).output
    assert "second" in run("logs", *chosen).output
    assert "second" not in run("logs", "--session", "s1").output


def test_what_is_logged_is_followed_until_ctrl_c(run: Run, home: Home) -> None:
    write(home.log_folder, *LINES)
    following = subprocess.Popen(
        [sys.executable, "-m", "carapax", "logs", "-f", "-n", "1", "--home", str(home.config_dir)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    timer = threading.Timer(60, following.kill)
    timer.start()
    try:
        assert following.stdout.readline().endswith("second\n")
        assert following.stdout.readline().endswith("odd\n")
        write(home.log_folder, Line(3.0, "info", "carapax", "third"))
        assert following.stdout.readline().endswith("third\n")
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 0
    finally:
        timer.cancel()
        following.kill()
        following.wait()
        following.stdout.close()
