"""What was typed, kept."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.cli.history import PrivateHistory


def test_the_last_thing_comes_first_and_whole(tmp_path: Path) -> None:
    history = PrivateHistory(tmp_path / "history")
    for text in ("one", "two\nlines", " not this", "three"):
        history.store_string(text)
    assert list(PrivateHistory(tmp_path / "history").load_history_strings()) == ["three", "two\nlines", "one"]
    assert stat.S_IMODE((tmp_path / "history").stat().st_mode) == 0o600


def test_a_file_that_is_too_long_is_shortened(tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.write_text("".join(f'"{number}"\n' for number in range(1500)))
    assert next(iter(PrivateHistory(file).load_history_strings())) == "1499"
    assert len(file.read_text().splitlines()) == 1000


def test_a_history_that_cannot_be_kept_is_none(tmp_path: Path) -> None:
    history = PrivateHistory(tmp_path / "no" / "folder")
    history.store_string("one")
    assert list(history.load_history_strings()) == []


def test_root_keeps_no_history_in_the_home_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "carapax.toml"
    theirs.touch()
    if os.geteuid() == 0:
        os.chown(tmp_path, 4711, 4711)
        os.chown(theirs, 4711, 4711)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    PrivateHistory(tmp_path / "history").store_string("one")
    assert list(tmp_path.iterdir()) == [theirs]


@given(st.binary(max_size=200))
def test_a_file_of_anything_is_read(data: bytes) -> None:
    import tempfile  # noqa: PLC0415 - hypothesis and tmp_path do not go together

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history"
        file.write_bytes(data)
        assert all(isinstance(text, str) for text in PrivateHistory(file).load_history_strings())
