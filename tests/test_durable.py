import errno
import os
from pathlib import Path

import pytest

from carapax.durable import create, replace, unwritable
from carapax.errors import StoreFull


def test_a_file_is_made_once_and_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    create(file, b"old")
    with pytest.raises(FileExistsError):
        create(file, b"other")
    replace(file, b"new", 0o640)
    assert (file.read_bytes(), file.stat().st_mode & 0o777, list(tmp_path.iterdir())) == (b"new", 0o640, [file])


def test_what_cannot_be_written_is_told_with_what_helps(tmp_path: Path) -> None:
    full, denied = (unwritable(tmp_path, OSError(code, os.strerror(code))) for code in (errno.ENOSPC, errno.EACCES))
    assert (type(full) is StoreFull, full.hint) == (True, "free some space")
    assert (type(denied) is StoreFull, denied.hint) == (False, "make it and its folder writable")
