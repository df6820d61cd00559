"""The entry point."""

import os
import subprocess
import sys
from pathlib import Path

from carapax.version import __version__

HEAVY = {"click", "msgspec", "asyncio", "aiohttp", "importlib.metadata"}


def test_the_version_is_told_without_importing_what_it_does_not_need() -> None:
    code = (
        "import sys; sys.argv = ['carapax', '--version']; from carapax.cli.main import main; main();"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"carapax {__version__}\n[]\n"


def test_the_package_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "carapax", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"carapax {__version__}\n"


def test_what_a_terminal_does_not_have_is_written_out(tmp_path: Path) -> None:
    home = os.environ | {"CARAPAX_HOME": str(tmp_path), "PYTHONIOENCODING": "latin-1"}
    (tmp_path / "carapax.toml").write_text('[agents.main]\ntitle = "Adá"\nemoji = "🦀"\n', encoding="utf-8")
    command = [sys.executable, "-m", "carapax", "init", "--yes"]
    said = subprocess.run(command, env=home, capture_output=True, check=True, timeout=60)
    assert "  agent    main: \\U0001f980 Adá\n" in said.stdout.decode("latin-1")


def test_closed_streams_are_stood_in_for(tmp_path: Path) -> None:
    close = "import os, sys; [os.close(n) for n in (0, 1, 2)]; sys.stdin = sys.stdout = sys.stderr = None"
    code = f"{close}; sys.argv = ['carapax', 'chat', '-m', 'help']; from carapax.cli.main import main; main()"
    (tmp_path / "carapax.toml").write_text('[agents.main]\nmodel = "demo/demo"\n')
    home = os.environ | {"CARAPAX_HOME": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", code], env=home, check=False, timeout=60)
    assert said.returncode == 0
