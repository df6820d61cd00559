"""`carapax audit`."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import msgspec
import pytest

from carapax.cli.serving import Serving
from carapax.config import Home
from tests.cli.conftest import Run


@pytest.mark.parametrize("running", [True, False])
def test_the_log_is_shown_verified_and_exported(
    run: Run, request: pytest.FixtureRequest, tmp_path: Path, running: bool
) -> None:
    if running:
        serving: Serving = request.getfixturevalue("gateway")
        assert serving.running.pid
    run("token", "create", "phone")
    run("stop-agents", "too loud")
    shown = run("audit").output.splitlines()
    assert "token.create" in shown[-2]
    assert shown[-1].endswith("reason=too loud")
    assert "token.create" not in run("audit", "--kind", "agents").output
    assert "entries are as they were written; the last has the hash" in run("audit", "--verify").output
    assert run("audit", "--export", str(tmp_path / "log")).exit_code == 0
    before = ""
    for line in (tmp_path / "log").read_bytes().splitlines():
        entry = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        before = hashlib.sha256(before.encode() + b"\n" + bytes(entry["entry"])).hexdigest()
        assert before == msgspec.json.decode(entry["hash"])


def test_a_changed_entry_is_named_by_the_command_and_the_doctor(run: Run, home: Home) -> None:
    run("token", "create", "phone")
    run("token", "create", "laptop")
    assert "ok    audit          the last 2 entries are as they were written" in run("doctor").output
    with apsw.Connection(str(home.database_file)) as connection:
        connection.execute("UPDATE audit SET body = replace(body, 'phone', 'spade') WHERE number = 1")
    connection.close()
    verified = run("audit", "--verify")
    assert (verified.exit_code, verified.stderr.split(":")[0]) == (1, "broken at entry 1")
    assert "FAIL  audit          entry 1 is not as it was written" in run("doctor").output


def test_what_happens_is_followed_until_ctrl_c(run: Run, home: Home) -> None:
    run("token", "create", "phone")
    following = subprocess.Popen(
        [sys.executable, "-m", "carapax", "audit", "--follow", "--kind", "token", "--home", str(home.config_dir)],
        stdout=subprocess.PIPE,
        env=dict(os.environ),
        text=True,
    )
    impatience = threading.Timer(60, following.kill)
    impatience.start()
    with following:
        assert following.stdout is not None
        assert "name=phone" in following.stdout.readline()
        run("stop-agents")
        run("token", "create", "laptop")
        assert "name=laptop" in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        assert following.wait() == 0
    impatience.cancel()
