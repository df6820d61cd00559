"""The `carapax` command. Asked for the version, it imports nothing else."""

import sys

from carapax.version import __version__


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        print(f"carapax {__version__}")
        return
    from carapax.cli.group import carapax

    carapax(prog_name="carapax")
