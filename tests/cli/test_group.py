"""What all commands take, and how errors become exit codes."""

import gc
import subprocess
import sys
from pathlib import Path

import click
import pytest

from carapax.cli.group import Commands, carapax
from carapax.config import Home
from tests.cli.conftest import Run


def test_every_command_can_be_asked_for_help(run: Run) -> None:
    assert isinstance(carapax, Commands)
    for name in carapax.list_commands(click.Context(carapax)):
        done = run(name, "--help")
        assert done.exit_code == 0
        assert f"Usage: carapax {name} [OPTIONS]" in done.output
        assert "--home DIRECTORY" in done.output


def test_the_home_may_be_named_before_or_after_the_command(run: Run, tmp_path: Path) -> None:
    expected = f"{tmp_path / 'x' / 'carapax.toml'}\n"
    assert run("--home", str(tmp_path / "x"), "config", "path").output == expected
    assert run("config", "path", "--home", str(tmp_path / "x")).output == expected
    assert run("config", "path", "--config-dir", str(tmp_path / "x")).output == expected


def test_without_an_option_the_environment_names_the_home(run: Run, home: Home) -> None:
    assert run("config", "path").output == f"{home.config_file}\n"


@pytest.mark.parametrize(
    "arguments", [["frob"], ["--frob"], ["sessions", "frob"], ["sessions", "show"], ["chat", "--x"]]
)
def test_wrong_usage_exits_with_2(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert "Usage: carapax" in done.output


def test_a_configuration_that_cannot_be_used_exits_with_2(run: Run, home: Home) -> None:
    home.config_file.write_text("[gatway]")
    for arguments in ([], ["serve"], ["chat", "-m", "hi"], ["config", "check"]):
        done = run(*arguments)
        assert done.exit_code == 2
        assert "carapax.toml:1: gatway: unknown key; did you mean 'gateway'?" in done.output


def test_what_fails_exits_with_1_and_says_what_to_do(run: Run) -> None:
    done = run("sessions", "list")
    assert done.exit_code == 1
    assert done.stderr.endswith("holds nothing yet\n  start the gateway with `carapax`\n")


def test_the_garbage_of_a_process_that_is_not_ours_is_left_to_it(run: Run) -> None:
    before = gc.get_freeze_count()
    run("config", "path")
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, before)


def test_a_command_of_our_own_process_collects_its_garbage(home: Home) -> None:
    script = (
        "import sys; sys.argv = ['carapax', 'config', 'path']\nfrom carapax.cli.main import main\ntry:\n    main()\n"
    )
    script += "finally:\n    import gc; print(gc.isenabled(), gc.get_freeze_count() > 1000)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(home.config_file), "True", "True"]
