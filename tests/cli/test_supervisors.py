"""The service under a live systemd, which has mounts, processes and control groups of its own and ends with them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEMD = Path("/usr/lib/systemd/systemd")
APART = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--cgroup"]
OWN = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/carapax-test
echo $$ > /sys/fs/cgroup/carapax-test/cgroup.procs
"""
LIVE = """
/usr/lib/systemd/systemd --user &
set +e
carapax() { "$PYTHON" -m carapax "$@"; }
answers() { for i in $(seq 300); do carapax status > "$HOME/status" && return; sleep 0.1; done; cat "$HOME/status"; }
main() { systemctl --user show carapax --property=MainPID --value; }
for i in $(seq 300); do systemctl --user is-system-running > "$HOME/state" && break; sleep 0.1; done
mkdir -p "$HOME/.config/systemd/user/carapax.service.d"
printf '[Service]\\nRestartSec=100ms\\n' > "$HOME/.config/systemd/user/carapax.service.d/soon.conf"
mkdir -m 700 "$HOME/.carapax"
printf '[agents.main]\\nmodel = "demo/demo"\\n' > "$HOME/.carapax/carapax.toml"
carapax daemon install > "$HOME/installed"
answers
systemctl --user is-enabled carapax
carapax chat -m 'run `echo from the sandbox`' 2> "$HOME/aside"
first=$(main)
kill -9 "$first"
for i in $(seq 300); do [ "$(main)" != "$first" ] && [ "$(main)" != 0 ] && break; sleep 0.1; done
answers
carapax daemon status > "$HOME/running"; echo "again: $?"
carapax daemon stop; carapax daemon status > "$HOME/stopped"; echo "stopped: $?"
carapax daemon uninstall > "$HOME/removed"; carapax daemon status > "$HOME/gone"; echo "gone: $?"
"""


def apart(script: str, home: Path) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"HOME": str(home), "PYTHON": sys.executable, "XDG_RUNTIME_DIR": "/run/user/0"}
    environ = {name: value for name, value in environ.items() if not name.startswith("CARAPAX_")}
    return subprocess.run(
        [*APART, "bash", "-c", script], env=environ, capture_output=True, text=True, check=False, timeout=110
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a user whose systemd can be had here."""
    if not SYSTEMD.exists() or shutil.which("unshare") is None or apart(OWN, tmp_path).returncode:
        pytest.skip("no systemd can be run here, as only root can where it is installed")
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    return tmp_path


def test_a_live_systemd_starts_the_gateway_and_its_sandbox_and_starts_it_again_when_it_is_killed(home: Path) -> None:
    done = apart(OWN + LIVE, home)
    told = [line for line in done.stdout.splitlines() if not line.startswith("`")]
    assert told == ["enabled", "from the sandbox", "[exit code 0]", "again: 0", "stopped", "stopped: 3", "gone: 4"]
