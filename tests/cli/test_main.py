"""The entry point."""

import subprocess
import sys

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
