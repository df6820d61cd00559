"""The log on disk: private, bounded, read back newest first or followed."""

import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from carapax.logs.files import LogFile, Tail, Wanted, newest, place
from carapax.logs.line import Line, as_json


def line(number: int, level: str = "info", **more: str) -> Line:
    return Line(float(number), level, "x", f"line {number}", **more)  # type: ignore[arg-type] # levels are given as words


def written(folder: Path, *lines: Line, max_bytes: int = 1 << 20, kept: int = 4) -> None:
    file = LogFile(folder, max_bytes=max_bytes, kept=kept)
    for one in lines:
        file.write(as_json(one))
    file.close()


def texts(lines: list[Line]) -> list[str]:
    return [one.text for one in lines]


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    place(tmp_path).touch(0o644)
    written(tmp_path, line(1))
    assert stat.S_IMODE(place(tmp_path).stat().st_mode) == 0o600
    written(tmp_path / "logs", line(1))
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    place(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        written(tmp_path, line(1))
    assert not (tmp_path / "elsewhere").exists()


def test_all_files_together_stay_small_and_hold_the_last_lines(tmp_path: Path) -> None:
    written(tmp_path, *(line(number) for number in range(1000)), max_bytes=1000, kept=3)
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["gateway.1.jsonl", "gateway.2.jsonl", "gateway.3.jsonl", "gateway.jsonl"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 4000
    assert texts(newest(tmp_path, Wanted(), 40)) == [f"line {number}" for number in range(999, 959, -1)]


def test_lines_are_found_by_level_text_session_and_time(tmp_path: Path) -> None:
    lines = [line(1), line(2, "error", error="ValueError: Odd"), line(3, "warning", session="s1"), line(4)]
    written(tmp_path, *lines)
    assert newest(tmp_path, Wanted("warning"), 10) == [lines[2], lines[1]]
    assert newest(tmp_path, Wanted(text="odd"), 10) == [lines[1]]
    assert newest(tmp_path, Wanted(session="s1"), 10) == [lines[2]]
    assert newest(tmp_path, Wanted(before=3), 10) == [lines[1], lines[0]]
    assert newest(tmp_path / "none", Wanted(), 10) == []


def test_what_a_power_cut_left_of_a_line_is_passed_over(tmp_path: Path) -> None:
    written(tmp_path, line(1))
    with place(tmp_path).open("ab") as stream:
        stream.write(b'{"at":2,"le')
    written(tmp_path, line(3))
    assert texts(newest(tmp_path, Wanted(), 10)) == ["line 3", "line 1"]


def test_a_file_that_was_taken_away_is_begun_anew(tmp_path: Path) -> None:
    file = LogFile(tmp_path)
    file.write(as_json(line(1)))
    place(tmp_path).unlink()
    file.write(as_json(line(2)))
    file.close()
    assert texts(newest(tmp_path, Wanted(), 10)) == ["line 2"]


def test_on_a_full_disk_a_line_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    file = LogFile(tmp_path)
    file.write(as_json(line(1)))
    size = place(tmp_path).stat().st_size
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, most))
        with pytest.raises(OSError):
            file.write(as_json(line(2)))
        assert place(tmp_path).stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
        signal.signal(signal.SIGXFSZ, ignored)
    file.write(as_json(line(3)))
    file.close()
    assert texts(newest(tmp_path, Wanted(), 10)) == ["line 3", "line 1"]


def test_it_is_followed_across_turns_with_no_gap_and_nothing_twice(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    seen: list[str] = []
    file = LogFile(tmp_path, max_bytes=500, kept=4)
    for number in range(100):
        file.write(as_json(line(number)))
        if number % 7 == 0:
            seen += texts(list(tail.more()))
    seen += texts(list(tail.more()))
    file.close()
    assert seen == [f"line {number}" for number in range(100)]
    assert list(tail.more()) == []


def test_a_line_that_is_being_written_is_told_once_it_is_whole(tmp_path: Path) -> None:
    tail, data = Tail(tmp_path), as_json(line(1))
    descriptor = os.open(place(tmp_path), os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, data[:10])
    assert list(tail.more()) == []
    os.write(descriptor, data[10:])
    os.close(descriptor)
    assert list(tail.more()) == [line(1)]


def test_a_file_that_somebody_emptied_goes_on_and_is_followed_from_its_beginning(tmp_path: Path) -> None:
    tail, file = Tail(tmp_path), LogFile(tmp_path, max_bytes=300)
    for number in range(3):
        file.write(as_json(line(number)))
    assert texts(list(tail.more())) == ["line 0", "line 1", "line 2"]
    os.truncate(place(tmp_path), 0)
    file.write(as_json(line(3)))
    file.close()
    assert texts(list(tail.more())) == ["line 3"]
    assert [one.name for one in tmp_path.iterdir()] == ["gateway.jsonl"]
