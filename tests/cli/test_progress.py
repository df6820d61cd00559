"""How far something is."""

import io
import sys
import threading

import pytest

from carapax.cli.progress import Progress, progress


def test_a_bar_where_it_is_known_how_much_there_is() -> None:
    told = Progress("downloading")
    told.seen(30, 60)
    assert told.line(80) == "downloading [############............] 50%"


def test_a_count_where_it_is_not() -> None:
    told = Progress("checking")
    assert told.line(80) == "checking"
    told.seen(1200, unit="entries")
    assert told.line(80) == "checking 1,200 entries"
    told.doing("writing")
    assert told.line(80) == "writing"
    assert len(told.line(4)) == 4


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Tty(), io.StringIO()], ids=["terminal", "pipe"])
def test_what_was_quick_or_has_no_terminal_shows_nothing(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("quick"):
        pass
    assert stream.getvalue() == ""


def test_what_takes_long_is_shown_and_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Tty()
    painted = threading.Event()
    write = stream.write

    def watched(text: str) -> int:
        if "slow" in text:
            painted.set()
        return write(text)

    monkeypatch.setattr(stream, "write", watched)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("slow\x1b[2J"):
        assert painted.wait(60)
    assert "slow\\x1b[2J" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")
