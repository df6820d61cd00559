"""What the shell completes."""

import os
import shutil
import subprocess
import sys

import pytest

from carapax.cli.commands import COMMANDS
from tests.cli.conftest import Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(run: Run, shell: str) -> None:
    script = run("completion", shell).output
    assert "_CARAPAX_COMPLETE" in script
    if found := shutil.which(shell):
        done = subprocess.run([found, "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def completed(*words: str) -> list[str]:
    told = {"_CARAPAX_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    code = "from carapax.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | told, capture_output=True, text=True, check=True
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_are_completed() -> None:
    assert completed("carapax", "st") == [name for name in COMMANDS if name.startswith("st")]


def test_commands_below_a_command_and_options_are_completed() -> None:
    assert completed("carapax", "daemon", "re") == ["restart"]
    assert completed("carapax", "chat", "--att") == ["--attach"]
