"""One gateway per home."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from carapax.config import Home
from carapax.errors import StoreError, StoreLocked
from carapax.homelock import lock_home

HOLD = """
import sys
from pathlib import Path
from carapax.config import Home
from carapax.homelock import lock_home
with lock_home(Home(Path(sys.argv[1]), Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_home_has_one_holder_and_is_free_again_after_it(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path)
    with lock_home(home), pytest.raises(StoreLocked, match=r"process \d+.*--home"), lock_home(home):
        pass
    with lock_home(home):
        pass


def test_a_holder_that_is_killed_leaves_the_home_free(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreLocked, match=f"process {holder.pid}"), lock_home(home):
            pass
        holder.kill()
        holder.wait()
    with lock_home(home):
        pass


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = Home(tmp_path, tmp_path / "file")
    with pytest.raises(StoreError, match="cannot be written"), lock_home(home):
        pass


def test_one_who_is_patient_holds_it_next(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        threading.Timer(0.2, holder.kill).start()
        with lock_home(Home(tmp_path, tmp_path), patience_s=60):
            assert holder.wait() != 0
